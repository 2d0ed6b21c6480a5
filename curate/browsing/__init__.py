"""Faces in the FiftyOne app: a score set as a FiftyOne dataset, and a plugin that works on it."""
