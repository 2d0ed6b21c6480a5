"""Colours that are the same wherever a face is shown: sidebar, grid, panel. Readable on dark and on light."""

from __future__ import annotations

# Hues of the field's habit (anger red, sadness blue, disgust green), lightness about equal, so that none leaps out.
EXPRESSION_COLOURS = {
    "neutral": "#9aa0a6",
    "happiness": "#e3b21c",
    "sadness": "#4c7ed9",
    "surprise": "#2fb5c4",
    "fear": "#9a6ad6",
    "disgust": "#4da35a",
    "anger": "#e0483e",
    "contempt": "#e07bb5",
}
BAND_COLOURS = {
    "frozen": "#3b6fd4",
    "cool": "#7fb2e5",
    "warm": "#d9b48a",
    "hot": "#f0944d",
    "blazing": "#d7301f",
}
# From the low end to the high one, the middle near grey: for temperature (0 to 100) and valence (-1 to 1).
DIVERGING = ("#3b6fd4", "#7fb2e5", "#b9b4ae", "#f0944d", "#d7301f")
# What stands for no expression at all, and for the whole set beside a part of it.
NONE = "#7d7d7d"
# What is kept or was accepted, and what is not.
ACCEPTED, REJECTED = "#4da35a", "#e0483e"
