"""Square crops of a picture, sampled as MediaPipe's CPU graph samples them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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

    OpenCV 4 rounds source coordinates to 1/32 pixel, and where a side is no multiple of the size many of
    them are ties. MediaPipe calls the same function on the same float32 corners; an affine warp or a matrix
    of our own breaks the ties differently and moves landmarks by up to half a pixel (docs/mesh.md).

    Args:
        pixels: (H, W, 3) uint8.
        region: what to cut; it may reach over the picture's edge.
        size: side of the result, in pixels.
        replicate_border: repeat the edge outside the picture; else it is black.

    Returns:
        (size, size, 3) uint8, bilinear.
    """
    import cv2

    border = cv2.BORDER_REPLICATE if replicate_border else cv2.BORDER_CONSTANT
    return cv2.warpPerspective(
        pixels,
        region_matrix(region, size),
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=border,
    ).astype(np.uint8, copy=False)


def region_matrix(region: Region, size: int) -> NDArray[np.float64]:
    """(3, 3): from pixels of the picture to those of the region's `size` x `size` crop, as MediaPipe computes it."""
    import cv2

    rectangle = ((region.x, region.y), (region.side, region.side), float(np.degrees(region.rotation)))
    corners = cv2.boxPoints(rectangle).astype(np.float32)
    target = np.array([[0, size], [0, 0], [size, 0], [size, size]], np.float32)
    return np.asarray(cv2.getPerspectiveTransform(corners, target), np.float64)
