"""What our own networks see of a face: an upright square of pixels, and the mesh without its pose.

Both come from the rigid points alone, so that a smile or a dropped jaw moves the mouth inside the square
instead of moving the square.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curate.scorers.pose import rigid_fit

VERSION = "1"
# In eye distances of the canonical face: from the hairline to below a dropped jaw.
_CENTRE = (0.0, -0.5, 0.1)
SIDE = 2.8
_LEAST = 1e-6  # pixels an eye distance; a mesh that is a single point has no shape


def face_crop(
    pixels: NDArray[np.uint8], landmarks: NDArray[np.floating], size: int, margin: float = 1.0
) -> NDArray[np.uint8]:
    """The face, upright in its square; what lies outside the picture repeats its edge.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        landmarks: (478, 3), x / width, y / height, z / width.
        size: side of the result in pixels.
        margin: how much more than the face the square holds; 1.25 adds an eighth on every side.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    import cv2

    height, width = pixels.shape[:2]
    fit = rigid_fit(landmarks[None].astype(np.float64) * (width, height, width))
    scale, rotation = float(fit.scale[0]), fit.rotation[0]
    x, y, _ = scale * (rotation @ np.array(_CENTRE)) + fit.shift[0]
    roll = np.arctan2(rotation[1, 0], rotation[0, 0])
    step = max(SIDE * scale * margin / size, _LEAST)  # pixels of the picture in one of the result
    across = step * np.array([np.cos(roll), -np.sin(roll)])
    down = step * np.array([np.sin(roll), np.cos(roll)])
    half = (size - 1) / 2
    corner = np.array([x, -y]) - 0.5 - half * (across + down)
    source = np.stack([across, down, corner], axis=1)
    shrink = int(step)
    if shrink > 1:
        # Bilinear sampling sees four pixels; larger steps need their pixels averaged first.
        pixels, origin = _shrunk(pixels, source, size, shrink)
        source[:, 2] -= origin - 0.5
        source /= shrink
        source[:, 2] -= 0.5
    return cv2.warpAffine(
        pixels,
        source,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.uint8, copy=False)


def face_shape(landmarks: NDArray[np.floating], sizes: NDArray[np.integer]) -> NDArray[np.float32]:
    """The meshes in the canonical face's own frame: position, size, yaw, pitch and roll are gone.

    Args:
        landmarks: (N, 478, 3), x / width, y / height, z / width.
        sizes: (N, 2) widths and heights of the pictures.

    Returns:
        (N, 478, 3) float32; unit: eye distance, x right, y up, z towards the viewer.
    """
    width, height = sizes[:, 0].astype(np.float64), sizes[:, 1].astype(np.float64)
    points = landmarks.astype(np.float64) * np.stack([width, height, width], axis=1)[:, None]
    fit = rigid_fit(points)
    seen = points * (1, -1, -1) - fit.shift[:, None]
    shape: NDArray[np.float64] = np.einsum("nki,nij->nkj", seen, fit.rotation)
    shape /= np.maximum(fit.scale, _LEAST)[:, None, None]
    return shape.astype(np.float32)


@cache
def mirror_points() -> NDArray[np.int16]:
    """(478,): the point that each point changes places with in a mirrored face.

    Found on 80 generated portraits and their mirror images: the assignment of points with the least distance.
    """
    stored: NDArray[np.int16] = np.load(Path(__file__).with_name("mirror_points.npy"), allow_pickle=False)
    return stored


def _shrunk(
    pixels: NDArray[np.uint8], source: NDArray[np.float64], size: int, factor: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The part of a picture that the square touches, averaged `factor` by `factor`; and where it began."""
    import cv2

    corners = source @ np.array([[0, size - 1, 0, size - 1], [0, 0, size - 1, size - 1], [1, 1, 1, 1]])
    limit = np.array([pixels.shape[1], pixels.shape[0]])
    low = np.clip(np.floor(corners.min(axis=1)).astype(int) - factor, 0, limit - 1)
    high = np.clip(np.ceil(corners.max(axis=1)).astype(int) + factor + 1, low + 1, limit)
    part = pixels[low[1] : high[1], low[0] : high[0]]
    smaller = (max(part.shape[1] // factor, 1), max(part.shape[0] // factor, 1))
    part = part[: smaller[1] * factor, : smaller[0] * factor]
    small = cv2.resize(part, smaller, interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8, copy=False), low.astype(np.float64)
