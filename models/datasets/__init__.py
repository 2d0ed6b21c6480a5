"""Data sets as their owners hand them out, read as labelled frames: one row a picture (`labelled.py`)."""
