"""LibreFace's alignment: an FFHQ-style square around eyes and mouth, 512 x 512, to the last pixel.

What it computes follows `image_align` of libreface 0.2.0 (an FFHQ alignment with constant black padding);
how it computes it is ours: only what the square can see is ever blurred.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curate.scorers.padding import pad

SIZE = 512
# LibreFace's limits are stated for the 256-pixel picture that it computes and then throws away.
_OUTPUT_SIZE = 256

# In the order in which LibreFace's edge lists first name them; the order decides ties over the lips.
EYE_263 = (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)
EYE_33 = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173)
LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409,
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FaceSquare:
    """The square that is cut out: corners NW, SW, SE, NE as (4, 2) float64 pixels, and its side."""

    quad: NDArray[np.float64]
    side: float


def face_square(points: NDArray[np.float64]) -> FaceSquare:
    """The oriented square around a face.

    Args:
        points: (478, 2) landmarks in pixels of the picture.
    """
    # Sums run point by point in float64, as numpy's mean over LibreFace's short lists does.
    eye_right, eye_left = points[list(EYE_263)].mean(axis=0), points[list(EYE_33)].mean(axis=0)
    eyes = (eye_left + eye_right) * 0.5
    between_eyes = eye_right - eye_left
    lips = points[list(LIPS)]
    mouth = (lips[np.argmin(lips[:, 0])] + lips[np.argmax(lips[:, 0])]) * 0.5
    to_mouth = mouth - eyes

    x = between_eyes - np.flipud(to_mouth) * (-1, 1)
    x /= np.hypot(*x)
    x *= max(np.hypot(*between_eyes) * 2.0, np.hypot(*to_mouth) * 1.8)
    y = np.flipud(x) * (-1, 1)
    centre = eyes + to_mouth * 0.1
    quad = np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])
    return FaceSquare(quad, float(np.hypot(*x) * 2))


@dataclass(frozen=True, slots=True)
class Plan:
    """What alignment does to a picture, in this order.

    Attributes:
        factor: the picture is made so many times smaller; 1 leaves it.
        crop: left, top, right, bottom of what is kept of it, in pixels.
        margins: left, top, right, bottom of the soft black surround that this gets; None for none.
        square: what is warped, in pixels of the crop or, with margins, of the whole surround.
    """

    factor: int
    crop: tuple[int, int, int, int]
    margins: NDArray[np.int64] | None
    square: FaceSquare

    @property
    def sigma(self) -> float:
        """Of the surround's blur, in pixels."""
        return self.square.side * 0.02


def make_plan(width: int, height: int, landmarks: NDArray[np.floating]) -> Plan | None:
    """How the face of a picture of that size is aligned; None where nothing of the picture is in its square.

    `landmarks`: (478, 2 or more), x and y normalised by width and height.
    """
    square = face_square(landmarks[:, :2].astype(np.float64) * (width, height))
    left, top, right, bottom = _extent(square.quad)
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        return None
    factor = max(int(np.floor(square.side / _OUTPUT_SIZE * 0.5)), 1)
    if factor > 1:
        width, height = _smaller(width, height, factor)
        square = FaceSquare(square.quad / factor, square.side / factor)
        left, top, right, bottom = _extent(square.quad)
    border = max(int(np.rint(square.side * 0.1)), 3)
    # What is further than `border` from the square is left out.
    crop = (
        max(left - border, 0),
        max(top - border, 0),
        min(right + border, width),
        min(bottom + border, height),
    )
    square = FaceSquare(square.quad - crop[:2], square.side)
    margins = _margins(crop[2] - crop[0], crop[3] - crop[1], square, border)
    if margins is not None:
        square = FaceSquare(square.quad + margins[:2], square.side)
    return Plan(factor, crop, margins, square)


def align(pixels: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The aligned face.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        landmarks: (478, 2 or more), x and y normalised by width and height.

    Returns:
        (512, 512, 3) uint8 RGB.
    """
    plan = make_plan(pixels.shape[1], pixels.shape[0], landmarks)
    if plan is None:
        return np.zeros((SIZE, SIZE, 3), np.uint8)
    if plan.factor > 1:
        pixels = _shrink(pixels, plan.factor)
    left, top, right, bottom = plan.crop
    pixels, quad = pixels[top:bottom, left:right], plan.square.quad
    if plan.margins is not None:
        pixels, origin = pad(pixels, plan.margins, sigma=plan.sigma, seen=_extent(quad))
        quad = quad - origin
    # PIL samples at pixel centres already; FFHQ's half pixel comes on top and is part of what was trained on.
    corners = tuple((quad + 0.5).ravel())
    warped = Image.fromarray(pixels).transform(
        (SIZE, SIZE), Image.Transform.QUAD, corners, Image.Resampling.BILINEAR
    )
    return np.asarray(warped)


def _smaller(width: int, height: int, factor: int) -> tuple[int, int]:
    """A picture whose face is 1024 pixels or more is halved, thirded ..."""
    return int(np.rint(width / factor)), int(np.rint(height / factor))


def _shrink(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    size = _smaller(width, height, factor)
    # Rows first, as the Pillow that LibreFace ran on; Pillow 13 starts with the columns of tall pictures.
    rows = Image.fromarray(pixels).resize((size[0], height), Image.Resampling.LANCZOS)
    return np.asarray(rows.resize(size, Image.Resampling.LANCZOS))


def _extent(quad: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the whole pixels that a quad touches."""
    left, top = np.floor(quad.min(axis=0)).astype(int)
    right, bottom = np.ceil(quad.max(axis=0)).astype(int)
    return int(left), int(top), int(right), int(bottom)


def _margins(width: int, height: int, square: FaceSquare, border: int) -> NDArray[np.int64] | None:
    """The surround of a square that leaves the picture, or nearly does; None for one that does not."""
    left, top, right, bottom = _extent(square.quad)
    margins = np.maximum((-left + border, -top + border, right - width + border, bottom - height + border), 0)
    if margins.max() <= border - 4:
        return None
    wide: NDArray[np.int64] = np.maximum(margins, int(np.rint(square.side * 0.3)))
    return wide
