"""What carries batches to scorers. An engine knows nothing of faces."""
