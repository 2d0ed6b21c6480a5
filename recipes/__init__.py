"""Columns in, choices out."""
