"""Pictures that tests make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def noise(path: Path, width: int, seed: int = 0) -> None:
    """Write a picture of noise, 40 pixels high."""
    pixels = np.random.default_rng(seed).integers(0, 256, (40, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
