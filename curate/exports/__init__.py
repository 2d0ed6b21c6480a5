"""Handing on: one format a file."""
