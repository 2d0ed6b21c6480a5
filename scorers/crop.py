"""What our own networks see of a face: an upright square of pixels, and the mesh without its pose.

Both come from the rigid points alone, so that a smile or a dropped jaw moves the mouth inside the square
instead of moving the square.
"""

from __future__ import annotations

from dataclasses import dataclass
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

    size_of = np.array([pixels.shape[1::-1]])
    plan = plan_crops(landmarks[None], size_of, size, margin)[0]
    if plan.factor > 1:
        pixels = _shrunk(pixels, plan)
    return cv2.warpAffine(
        pixels,
        plan.source,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.uint8, copy=False)


@dataclass(frozen=True, slots=True)
class CropPlan:
    """How a face's square is sampled.

    Attributes:
        source: (2, 3), from pixels of the result to those of the picture, or of what is left of it.
        factor: 1, or so many by so many pixels of a part of the picture are averaged first.
        part: left, top, right, bottom of that part.
    """

    source: NDArray[np.float64]
    factor: int
    part: tuple[int, int, int, int]

    @property
    def smaller(self) -> tuple[int, int]:
        """Width and height of the averaged part."""
        left, top, right, bottom = self.part
        return max((right - left) // self.factor, 1), max((bottom - top) // self.factor, 1)


def plan_crops(
    landmarks: NDArray[np.floating], sizes: NDArray[np.integer], size: int, margin: float = 1.0
) -> list[CropPlan]:
    """The plans of `face_crop` for (N, 478, 3) landmarks in pictures of (N, 2) widths and heights."""
    scales = np.stack([sizes[:, 0], sizes[:, 1], sizes[:, 0]], axis=1)[:, None]
    fit = rigid_fit(landmarks.astype(np.float64) * scales)
    plans = []
    for scale, rotation, shift, limit in zip(fit.scale.tolist(), fit.rotation, fit.shift, sizes, strict=True):
        x, y, _ = scale * (rotation @ np.array(_CENTRE)) + shift
        roll = np.arctan2(rotation[1, 0], rotation[0, 0])
        step = max(SIDE * scale * margin / size, _LEAST)  # pixels of the picture in one of the result
        across = step * np.array([np.cos(roll), -np.sin(roll)])
        down = step * np.array([np.sin(roll), np.cos(roll)])
        half = (size - 1) / 2
        corner = np.array([x, -y]) - 0.5 - half * (across + down)
        source = np.stack([across, down, corner], axis=1)
        # Bilinear sampling sees four pixels; larger steps need their pixels averaged first.
        factor = max(int(step), 1)
        part = (0, 0, int(limit[0]), int(limit[1]))
        if factor > 1:
            part = _touched(source, size, factor, limit)
            source[:, 2] -= np.array(part[:2], np.float64) - 0.5
            source /= factor
            source[:, 2] -= 0.5
        plans.append(CropPlan(source, factor, part))
    return plans


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


def _touched(
    source: NDArray[np.float64], size: int, factor: int, limit: NDArray[np.integer]
) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the part of a picture that a square touches."""
    corners = source @ np.array([[0, size - 1, 0, size - 1], [0, 0, size - 1, size - 1], [1, 1, 1, 1]])
    low = np.clip(np.floor(corners.min(axis=1)).astype(int) - factor, 0, limit - 1)
    high = np.clip(np.ceil(corners.max(axis=1)).astype(int) + factor + 1, low + 1, limit)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _shrunk(pixels: NDArray[np.uint8], plan: CropPlan) -> NDArray[np.uint8]:
    """The part of a picture that the square touches, averaged."""
    import cv2

    left, top, right, bottom = plan.part
    width, height = plan.smaller
    part = pixels[top:bottom, left:right][: height * plan.factor, : width * plan.factor]
    return cv2.resize(part, plan.smaller, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
