"""Pixels in, columns out: face mesh, alignment and the scorers."""
