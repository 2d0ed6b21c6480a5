"""Square crops of a picture, sampled as MediaPipe's CPU graph samples them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# OpenCV 4's warpPerspective rounds source coordinates to 1/32 pixel; OpenCV 5's does not. Doing the
# rounding here and handing `cv2.remap` the fixed-point maps gives MediaPipe's pixels on either.
_FRACTION_BITS = 5
_GRID: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}


@dataclass(frozen=True, slots=True)
class Region:
    """A square of a picture: centre and side in pixels, rotation in radians (clockwise as seen)."""

    x: float
    y: float
    side: float
    rotation: float = 0.0


def crop(
    pixels: NDArray[np.uint8], region: Region, size: int, *, replicate_border: bool
) -> NDArray[np.uint8]:
    """Cut `region` out of a picture and scale it to `size` x `size`.

    Args:
        pixels: (H, W, 3) uint8.
        region: what to cut; it may reach over the picture's edge.
        size: side of the result, in pixels.
        replicate_border: repeat the edge outside the picture; else it is black.

    Returns:
        (size, size, 3) uint8, bilinear, sampled at corners (`dst` 0 is `src` left edge), as MediaPipe does.
    """
    import cv2

    map_xy, map_fraction = _maps(region, size)
    border = cv2.BORDER_REPLICATE if replicate_border else cv2.BORDER_CONSTANT
    result: Any = cv2.remap(pixels, map_xy, map_fraction, cv2.INTER_LINEAR, borderMode=border)
    return result  # type: ignore[no-any-return]  # cv2's stubs promise a wider array type


def _maps(region: Region, size: int) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    """Fixed-point source coordinates: whole pixels (size, size, 2) and 1/32 fractions (size, size)."""
    cos, sin = np.cos(region.rotation), np.sin(region.rotation)
    step = region.side / size
    column, row = _grid(size)
    column, row = column - size / 2, row - size / 2
    scale = (1 << _FRACTION_BITS) * step
    x = np.rint((cos * column - sin * row) * scale + (1 << _FRACTION_BITS) * region.x)
    y = np.rint((sin * column + cos * row) * scale + (1 << _FRACTION_BITS) * region.y)
    fixed = np.stack([x, y], axis=-1).astype(np.int32)
    whole = np.clip(fixed >> _FRACTION_BITS, -32768, 32767).astype(np.int16)
    part = fixed & ((1 << _FRACTION_BITS) - 1)
    return whole, (part[..., 1] << _FRACTION_BITS | part[..., 0]).astype(np.uint16)


def _grid(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if size not in _GRID:
        steps = np.arange(size, dtype=np.float64)
        _GRID[size] = (steps[None, :], steps[:, None])
    return _GRID[size]
