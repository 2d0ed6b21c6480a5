"""What `--profile fast` changes about pixels: LibreFace's aligned face, straight at the size that a network wants.

`exact` makes LibreFace's 512-pixel picture with Pillow, blurs its surround there, scales it down for each network,
and finds a mesh in it once more for gaze. Here, with OpenCV and 8-bit arithmetic:

- the picture is warped once, to twice a network's size, and halved with the filter that Pillow would have used;
- the surround is blurred after the warp, at a quarter of that size: a Gaussian does not mind being turned or scaled;
- the mesh that is there already is carried into the aligned picture instead of being looked for again.

How far the answers are from those of `exact` is measured by `curate models profile` (docs/profiles.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.models.pack import Input
from curate.scorers.align import SIZE, Plan, _shrink, face_square, make_plan
from curate.scorers.face import Face

VERSION = "opencv 1"
# Before the mean of 2 x 2 pixels: with it, Pillow's antialiased filters at half the size.
_FILTERS = {
    "bilinear": np.array((1, 2, 1), np.float32) / 4,
    "bicubic": np.array((-3, -6, 35, 76, 35, -6, -3), np.float32) / 128,
}
# Pillow's warp cuts the fractions off, OpenCV's rounds: the mean of what is lost, and of what the halving adds.
_LOST = -0.45
_SIGMA = 0.02  # of the surround's blur, in sides of the square
_REACH = 16  # pixels around a network's picture that the blur sees: three sigma


class SmallPictures:
    """Faces, aligned for each network at the size that it wants. What the networks have in common is done once."""

    def __init__(self, faces: Sequence[Face]) -> None:
        self._cuts = [_cut_out(face) for face in faces]

    def __call__(self, card: Input) -> NDArray[np.uint8]:
        """What a network that wants `card` sees of each face, (N, S, S, 3) uint8, before normalisation."""
        return np.stack([_small_picture(cut, card) for cut in self._cuts])


@dataclass(frozen=True, slots=True)
class _Cut:
    """What the square of a face can see of its picture, as the plan says: (H, W, 3) uint8 RGB."""

    pixels: NDArray[np.uint8]
    plan: Plan


def _cut_out(face: Face) -> _Cut | None:
    """None where nothing of the picture is in the square."""
    plan = make_plan(face.width, face.height, face.mesh)
    if plan is None:
        return None
    pixels = _shrink(face.pixels, plan.factor) if plan.factor > 1 else face.pixels
    left, top, right, bottom = plan.crop
    return _Cut(pixels[top:bottom, left:right], plan)


def _small_picture(cut: _Cut | None, card: Input) -> NDArray[np.uint8]:
    """One aligned face, scaled and cropped as a card says: (S, S, 3) uint8 RGB with S = crop or resize."""
    import cv2

    if card.resize is None or card.resample is None:
        raise ValueError("the card of this network does not say how to prepare a picture")
    side = card.crop or card.resize
    if cut is None:
        return np.zeros((side, side, 3), np.uint8)
    pixels, plan = cut.pixels, cut.plan
    inset = round((card.resize - side) / 2)
    reach = _REACH if plan.margins is not None else 0
    n = side + 2 * reach
    warped = cv2.warpAffine(
        pixels,
        _matrix(plan, 2 * card.resize, 2 * (inset - reach)),
        (2 * n, 2 * n),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        # Without a surround the square lies in the picture, but for the last pixel's fraction.
        borderMode=cv2.BORDER_REPLICATE if plan.margins is None else cv2.BORDER_CONSTANT,
    )
    taps = _FILTERS[card.resample]
    filtered = cv2.sepFilter2D(warped, -1, taps, taps, delta=_LOST)
    small = cv2.resize(filtered, (n, n), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    if plan.margins is not None:
        return _softened(small, pixels, plan, plan.margins, _matrix(plan, card.resize, inset), card.resize)
    return small


def carried_landmarks(face: Face) -> NDArray[np.float32]:
    """A face's mesh as it lies in the aligned picture: (478, 3), x, y and z in units of that picture's side.

    Within 1.7 px of 512 of the mesh that would be found there (mean over 60 portraits); moving a picture by three
    pixels changes what is found by 1.1.
    """
    size = (face.width, face.height)
    square = face_square(face.mesh[:, :2].astype(np.float64) * size)
    across = (square.quad[3] - square.quad[0]) / square.side
    down = (square.quad[1] - square.quad[0]) / square.side
    # The alignment samples half a pixel further than its square says.
    points = face.mesh[:, :2] * size - (square.quad[0] + 0.5)
    depth = face.mesh[:, 2] * face.width
    carried: NDArray[np.float64] = np.stack([points @ across, points @ down, depth], axis=1) / square.side
    carried[:, :2] += 0.5 / SIZE
    return carried.astype(np.float32)


def _matrix(plan: Plan, size: int, first: int) -> NDArray[np.float64]:
    """From pixels of a `size` x `size` aligned picture, counted from `first`, to pixels of the plan's crop; (2, 3)."""
    quad = plan.square.quad + 0.5
    if plan.margins is not None:
        quad = quad - plan.margins[:2]
    matrix = np.stack([quad[3] - quad[0], quad[1] - quad[0], quad[0]], axis=1)
    matrix[:, :2] /= size
    matrix[:, 2] += matrix[:, :2].sum(axis=1) * (first + 0.5) - 0.5
    return matrix


def _softened(
    small: NDArray[np.uint8],
    pixels: NDArray[np.uint8],
    plan: Plan,
    margins: NDArray[np.int64],
    matrix: NDArray[np.float64],
    size: int,
) -> NDArray[np.uint8]:
    """FFHQ's soft surround (see `padding.py`) on a small picture that still has `_REACH` pixels around it."""
    import cv2

    n = len(small) // 2
    half = cv2.resize(small, (n, n), interpolation=cv2.INTER_AREA).astype(np.float32)
    blurred = cv2.GaussianBlur(half, (0, 0), _SIGMA * size / 2, borderType=cv2.BORDER_REPLICATE)
    blurred = cv2.resize(blurred, (len(small), len(small)), interpolation=cv2.INTER_LINEAR)
    inside = slice(_REACH, -_REACH)
    values = small[inside, inside].astype(np.float32)
    mask = _mask(matrix, len(values), margins, pixels.shape)
    values += (blurred[inside, inside] - values) * np.clip(3 * mask + 1, 0, 1)[..., None]
    median = _median(pixels, margins)
    if median.any():
        values += (median - values) * np.clip(mask, 0, 1)[..., None]
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _mask(
    matrix: NDArray[np.float64], n: int, margins: NDArray[np.int64], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """(n, n): 1 at the outer edge of the frame around the picture, 0 where the picture begins, negative inside."""
    steps = np.arange(n)
    x, y = (
        (row[0] * steps).astype(np.float32)[None, :] + (row[1] * steps + row[2]).astype(np.float32)[:, None]
        for row in matrix
    )
    left, top, right, bottom = np.float32(1) / margins.astype(np.float32)
    x = np.maximum(-x * left, (x - np.float32(shape[1] - 1)) * right)
    y = np.maximum(-y * top, (y - np.float32(shape[0] - 1)) * bottom)
    mask: NDArray[np.float32] = np.maximum(x, y)
    return mask


def _median(pixels: NDArray[np.uint8], margins: NDArray[np.int64]) -> NDArray[np.float32]:
    """(3,): of the picture in its black frame, from every fourth pixel of every fourth row."""
    height, width = pixels.shape[:2]
    frame = (height + margins[1] + margins[3]) * (width + margins[0] + margins[2])
    black = frame - height * width
    if 2 * black >= frame:
        return np.zeros(3, np.float32)
    sample = pixels[::4, ::4].reshape(-1, 3)
    rank = int((frame / 2 - black) / (height * width) * len(sample))
    median: NDArray[np.float32] = np.partition(sample, rank, axis=0)[rank].astype(np.float32)
    return median
