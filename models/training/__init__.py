"""Training: the LibreFace recipe (masked autoencoder, teacher, feature-wise distillation), and `lite`'s.

The extra `train` brings what this needs. Nothing here is imported by scoring.
"""
