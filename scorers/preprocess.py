"""From an aligned face to a network's input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def resize_and_crop(
    aligned: NDArray[np.uint8], resize: int, crop: int | None, resample: Literal["bilinear", "bicubic"]
) -> NDArray[np.uint8]:
    """Scale a square picture to `resize`, then keep its central `crop` pixels.

    Args:
        aligned: (S, S, 3) uint8.
        resize: side after scaling.
        crop: side after cropping; None keeps all of it.
        resample: Pillow's antialiased filter.

    Returns:
        (crop or resize, ..., 3) uint8, equal to Pillow's resize of the whole followed by a crop.
    """
    side = crop or resize
    low, high = central_box(len(aligned), resize, crop)
    # Pillow computes only the box; the filter still sees what lies around it.
    box = (low, low, high, high)
    small = Image.fromarray(aligned).resize((side, side), _RESAMPLING[resample], box)
    return np.asarray(small)


def central_box(size: int, resize: int, crop: int | None) -> tuple[float, float]:
    """From where to where the central `crop` of `resize` pixels reaches in `size` pixels."""
    inset = round((resize - (crop or resize)) / 2) * size / resize
    return inset, size - inset


def normalise(
    pictures: Sequence[NDArray[np.uint8]], mean: Sequence[float], std: Sequence[float]
) -> NDArray[np.float32]:
    """(N, 3, S, S) float32 of N pictures (S, S, 3) uint8: (x / 255 - mean) / std, rounded as torchvision rounds."""
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    side = len(pictures[0])
    batch = np.empty((len(pictures), 3, side, side), np.float32)
    for channel in range(3):
        table = (levels - np.float32(mean[channel])) / np.float32(std[channel])
        for slot, picture in zip(batch, pictures, strict=True):
            np.take(table, picture[..., channel], out=slot[channel])
    return batch
