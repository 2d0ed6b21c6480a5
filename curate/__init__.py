"""Curate generated faces by what they express."""
