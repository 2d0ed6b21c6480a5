"""Scoring on a GPU: everything between decoded pictures and answers, in batches, on one device."""
