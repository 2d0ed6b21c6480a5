"""FFHQ's soft surround for a face at the border, computed only where it can be seen.

The padded picture P is the picture in a black frame. With m = 1 at its outer edge, falling to 0 at the
picture's edge and below 0 inside,

    P1 = P + (gaussian(P) - P) clip(3 m + 1, 0, 1)
    P2 = P1 + (median(P1) - P1) clip(m, 0, 1)

so P1 differs from P only in a ring along the picture's edge, and P2 from P1 only outside the picture. The
rest is the picture itself, or black. Everything is float32 with the same roundings as NumPy and SciPy make on
the whole array; the Gaussian is a product with a banded matrix in float64, which is how SciPy accumulates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TRUNCATE = 4.0
Rectangle = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class _Frame:
    """A picture (H, W, 3) uint8 in its black frame: margins left, top, right, bottom."""

    pixels: NDArray[np.uint8]
    left: int
    top: int
    right: int
    bottom: int

    @property
    def height(self) -> int:
        return len(self.pixels) + self.top + self.bottom

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1]) + self.left + self.right

    def cut(self, rows: slice, columns: slice) -> NDArray[np.float64]:
        """(3, h, w) float64: the planes of a rectangle, black outside the picture."""
        planes = np.zeros((3, rows.stop - rows.start, columns.stop - columns.start))
        y0, y1 = max(rows.start, self.top), min(rows.stop, self.top + len(self.pixels))
        x0, x1 = max(columns.start, self.left), min(columns.stop, self.left + self.pixels.shape[1])
        if y0 < y1 and x0 < x1:
            part = self.pixels[y0 - self.top : y1 - self.top, x0 - self.left : x1 - self.left]
            planes[:, y0 - rows.start : y1 - rows.start, x0 - columns.start : x1 - columns.start] = (
                part.transpose(2, 0, 1)
            )
        return planes

    def mask(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """(h, w) float32: 1 at the outer edge of the frame, 0 where the picture begins, negative inside."""
        y = _ramp(self.height, self.top, self.bottom)[rows]
        x = _ramp(self.width, self.left, self.right)[columns]
        mask: NDArray[np.float32] = np.maximum(x[None, :], y[:, None])
        return mask


def pad(
    pixels: NDArray[np.uint8],
    margins: NDArray[np.int64],
    *,
    sigma: float,
    seen: tuple[int, int, int, int],
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """The part of the padded picture that will be looked at.

    Args:
        pixels: (H, W, 3) uint8.
        margins: left, top, right, bottom; each at least 8 sigma, so that the blur never meets the frame's edge.
        sigma: of the Gaussian, in pixels.
        seen: left, top, right, bottom of what is needed, in pixels of the padded picture.

    Returns:
        That part (two pixels more on each side) as uint8, and its origin (left, top) in the padded picture.
    """
    frame = _Frame(pixels, *(int(m) for m in margins))
    kernel = _gaussian(sigma)
    ring, inside = _ring(frame, reach=len(kernel) // 2)
    softened = [_soften(frame, kernel, rectangle) for rectangle in ring]
    picture = frame.pixels[
        inside[0].start - frame.top : inside[0].stop - frame.top,
        inside[1].start - frame.left : inside[1].stop - frame.left,
    ]
    median = _median(softened, picture, frame.height * frame.width)

    rows = slice(max(seen[1] - 2, 0), min(seen[3] + 3, frame.height))
    columns = slice(max(seen[0] - 2, 0), min(seen[2] + 3, frame.width))
    canvas = np.zeros((3, rows.stop - rows.start, columns.stop - columns.start), np.float32)
    _paste(canvas, (rows, columns), picture.transpose(2, 0, 1), inside)
    for values, rectangle in zip(softened, ring, strict=True):
        _paste(canvas, (rows, columns), values, rectangle)
    for outside in _outside(frame, rows, columns):
        part = canvas[:, outside[0], outside[1]]
        weight = frame.mask(rows, columns)[outside]
        part += (median[:, None, None] - part) * np.clip(weight, np.float32(0), np.float32(1))
    np.rint(canvas, out=canvas)
    np.clip(canvas, 0, 255, out=canvas)
    result = np.empty((*canvas.shape[1:], 3), np.uint8)
    result[...] = canvas.transpose(1, 2, 0)
    return result, (columns.start, rows.start)


def _ring(frame: _Frame, reach: int) -> tuple[list[Rectangle], Rectangle]:
    """Where P1 differs from P, as rectangles, and the picture's untouched inside.

    The blur leaves no trace beyond `reach` outside the picture, and its weight is zero beyond a third of a
    margin inside (one pixel more, for roundings).
    """
    y0, y3 = frame.top - reach, frame.height - frame.bottom + reach
    x0, x3 = frame.left - reach, frame.width - frame.right + reach
    y1 = min(frame.top + frame.top // 3 + 2, frame.height - frame.bottom)
    x1 = min(frame.left + frame.left // 3 + 2, frame.width - frame.right)
    y2 = max(frame.height - frame.bottom - frame.bottom // 3 - 2, y1)
    x2 = max(frame.width - frame.right - frame.right // 3 - 2, x1)
    rectangles = [
        (slice(y0, y1), slice(x0, x3)),
        (slice(y2, y3), slice(x0, x3)),
        (slice(y1, y2), slice(x0, x1)),
        (slice(y1, y2), slice(x2, x3)),
    ]
    return [(r, c) for r, c in rectangles if r.start < r.stop and c.start < c.stop], (
        slice(y1, y2),
        slice(x1, x2),
    )


def _outside(frame: _Frame, rows: slice, columns: slice) -> list[Rectangle]:
    """The parts of a rectangle that lie outside the picture, relative to the rectangle."""
    height, width = rows.stop - rows.start, columns.stop - columns.start
    y0, y1 = (min(max(y - rows.start, 0), height) for y in (frame.top, frame.height - frame.bottom))
    x0, x1 = (min(max(x - columns.start, 0), width) for x in (frame.left, frame.width - frame.right))
    return [
        (slice(0, y0), slice(0, width)),
        (slice(y1, height), slice(0, width)),
        (slice(y0, y1), slice(0, x0)),
        (slice(y0, y1), slice(x1, width)),
    ]


def _paste(
    canvas: NDArray[np.float32], place: Rectangle, values: NDArray[np.generic], rectangle: Rectangle
) -> None:
    """Copy the planes of a rectangle to where they lie in the canvas, as far as they do."""
    starts, stops = zip(
        *((max(p.start, r.start), min(p.stop, r.stop)) for p, r in zip(place, rectangle, strict=True)),
        strict=True,
    )
    if starts[0] >= stops[0] or starts[1] >= stops[1]:
        return
    to, of = (
        tuple(
            slice(a - origin.start, b - origin.start)
            for a, b, origin in zip(starts, stops, origins, strict=True)
        )
        for origins in (place, rectangle)
    )
    canvas[:, to[0], to[1]] = values[:, of[0], of[1]]


def _ramp(n: int, before: int, after: int) -> NDArray[np.float32]:
    """1 at both ends of n pixels, 0 where the margins end, negative between."""
    steps = np.arange(n).astype(np.float32)
    result: NDArray[np.float32] = np.float32(1) - np.minimum(
        steps / np.float32(before), steps[::-1] / np.float32(after)
    )
    return result


def _gaussian(sigma: float) -> NDArray[np.float64]:
    """The kernel of `scipy.ndimage.gaussian_filter`, cut at 4 sigma."""
    reach = int(_TRUNCATE * sigma + 0.5)
    x = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 / (sigma * sigma) * x**2)
    normalised: NDArray[np.float64] = kernel / kernel.sum()
    return normalised


def _soften(frame: _Frame, kernel: NDArray[np.float64], rectangle: Rectangle) -> NDArray[np.float32]:
    """P1 on a rectangle, (3, h, w) float32."""
    rows, columns = rectangle
    reach = len(kernel) // 2
    wide = slice(columns.start - reach, columns.stop + reach)
    window = frame.cut(slice(rows.start - reach, rows.stop + reach), wide)
    # SciPy keeps the result of the first pass in the array's own float32.
    down = _convolve(window, kernel, axis=1).astype(np.float32).astype(np.float64)
    blurred = _convolve(down, kernel, axis=2).astype(np.float32)
    part = window[:, reach : window.shape[1] - reach, reach : window.shape[2] - reach].astype(np.float32)
    weight = np.clip(frame.mask(rows, columns) * np.float32(3) + np.float32(1), np.float32(0), np.float32(1))
    blurred -= part
    blurred *= weight
    blurred += part
    return blurred


def _convolve(planes: NDArray[np.float64], kernel: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Correlate (3, h, w) along an axis, 'valid' positions only.

    A block of positions is a product with a banded matrix: BLAS is many times faster here than a loop of taps.
    """
    taps = len(kernel)
    n = planes.shape[axis] - taps + 1
    block = min(max(taps, 16), n)
    band = np.zeros((block, block + taps - 1))
    for i in range(block):
        band[i, i : i + taps] = kernel
    shape = list(planes.shape)
    shape[axis] = n
    result = np.empty(shape)
    for start in range(0, n, block):
        size = min(block, n - start)
        used = slice(start, start + size + taps - 1)
        matrix = band[:size, : size + taps - 1]
        if axis == 1:
            np.matmul(matrix, planes[:, used], out=result[:, start : start + size])
        else:
            result[:, :, start : start + size] = planes[:, :, used] @ matrix.T
    return result


def _median(
    softened: Sequence[NDArray[np.float32]], picture: NDArray[np.uint8], total: int
) -> NDArray[np.float32]:
    """Per-channel median of P1: `softened` and `picture`, and zeros up to `total` pixels.

    Counting grey levels says between which two whole numbers the median lies; only values in between are sorted.
    """
    zeros = total - sum(values[0].size for values in softened) - picture[..., 0].size
    medians = np.zeros(3, np.float32)
    for channel in range(3):
        levels = np.bincount(picture[..., channel].ravel(), minlength=256)
        for values in softened:
            levels += np.bincount(values[channel].astype(np.uint8).ravel(), minlength=256)
        levels[0] += zeros
        below = np.concatenate([[0], np.cumsum(levels)])
        middle = []
        for rank in ((total - 1) // 2, total // 2):
            level = int(np.searchsorted(below, rank, side="right")) - 1
            between = [v[channel][(v[channel] >= level) & (v[channel] < level + 1)] for v in softened]
            # The whole numbers among them, of the picture and of the black frame, come first.
            whole = levels[level] - sum(len(v) for v in between)
            place = rank - below[level] - whole
            middle.append(np.float32(level) if place < 0 else np.sort(np.concatenate(between))[place])
        medians[channel] = np.mean(middle, dtype=np.float32)
    return medians
