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
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_TRUNCATE = 4.0
Rectangle = tuple[slice, slice]
_Number = TypeVar("_Number", bound=np.generic)


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

    place = (
        slice(max(seen[1] - 2, 0), min(seen[3] + 3, frame.height)),
        slice(max(seen[0] - 2, 0), min(seen[2] + 3, frame.width)),
    )
    canvas = np.zeros((*(side.stop - side.start for side in place), 3), np.uint8)
    _part(canvas, place, inside)[...] = _part(picture, inside, place)
    for values, rectangle in zip(softened, ring, strict=True):
        p1 = _part(values.transpose(1, 2, 0), rectangle, place)
        _part(canvas, place, rectangle)[...] = _fade(p1, frame, _common(rectangle, place), median)
    if median.any():  # black fades to the median, too
        for rectangle in _around(_hull(ring, inside), frame):
            beyond = _part(canvas, place, rectangle)
            beyond[...] = _fade(beyond.astype(np.float32), frame, _common(rectangle, place), median)
    return canvas, (place[1].start, place[0].start)


def _fade(
    p1: NDArray[np.float32], frame: _Frame, rectangle: Rectangle, median: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """P2, rounded, (h, w, 3) uint8, of P1 on a rectangle, (h, w, 3) float32."""
    weight = np.clip(frame.mask(*rectangle), np.float32(0), np.float32(1))
    faded = (median - p1) * weight[..., None]
    faded += p1
    np.rint(faded, out=faded)
    np.clip(faded, 0, 255, out=faded)
    return faded.astype(np.uint8)


def _common(a: Rectangle, b: Rectangle) -> Rectangle:
    """Where two rectangles overlap; empty where they do not."""
    rows, columns = (
        slice(max(p.start, q.start), max(min(p.stop, q.stop), p.start, q.start))
        for p, q in zip(a, b, strict=True)
    )
    return rows, columns


def _part(values: NDArray[_Number], place: Rectangle, wanted: Rectangle) -> NDArray[_Number]:
    """A view of those (h, w, 3) values, lying at `place`, that are in the `wanted` rectangle, too."""
    rows, columns = _common(place, wanted)
    top, left = place[0].start, place[1].start
    return values[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]


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


def _hull(ring: Sequence[Rectangle], inside: Rectangle) -> Rectangle:
    """The rectangle that the ring and the inside fill together."""
    parts = [*ring, inside]
    return (
        slice(min(rows.start for rows, _ in parts), max(rows.stop for rows, _ in parts)),
        slice(min(columns.start for _, columns in parts), max(columns.stop for _, columns in parts)),
    )


def _around(hull: Rectangle, frame: _Frame) -> list[Rectangle]:
    """The rest of the frame, as four rectangles."""
    rows, columns = hull
    return [
        (slice(0, rows.start), slice(0, frame.width)),
        (slice(rows.stop, frame.height), slice(0, frame.width)),
        (rows, slice(0, columns.start)),
        (rows, slice(columns.stop, frame.width)),
    ]


def _ramp(n: int, before: int, after: int) -> NDArray[np.float32]:
    """1 at both ends of n pixels, 0 where the margins end, negative between."""
    steps = np.arange(n).astype(np.float32)
    result: NDArray[np.float32] = np.float32(1) - np.minimum(
        steps / np.float32(before), steps[::-1] / np.float32(after)
    )
    return result


def _gaussian(sigma: float) -> NDArray[np.float64]:
    """The kernel of `scipy.ndimage.gaussian_filter`, cut at 4 sigma."""
    reach = kernel_reach(sigma)
    x = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 / (sigma * sigma) * x**2)
    normalised: NDArray[np.float64] = kernel / kernel.sum()
    return normalised


def kernel_reach(sigma: float) -> int:
    """How far that kernel reaches, in pixels."""
    return int(_TRUNCATE * sigma + 0.5)


def _soften(frame: _Frame, kernel: NDArray[np.float64], rectangle: Rectangle) -> NDArray[np.float32]:
    """P1 on a rectangle, (3, h, w) float32."""
    rows, columns = rectangle
    reach = len(kernel) // 2
    # Black adds nothing to the blur: only the picture's own rows and columns are multiplied.
    near_rows = slice(max(rows.start - reach, frame.top), min(rows.stop + reach, frame.height - frame.bottom))
    near_columns = slice(
        max(columns.start - reach, frame.left), min(columns.stop + reach, frame.width - frame.right)
    )
    down = _blur(frame.cut(near_rows, near_columns), kernel, 1, near_rows.start, rows)
    # SciPy keeps the result of the first pass in the array's own float32.
    down = down.astype(np.float32).astype(np.float64)
    blurred = _blur(down, kernel, 2, near_columns.start, columns).astype(np.float32)
    part = frame.cut(rows, columns).astype(np.float32)
    weight = np.clip(frame.mask(rows, columns) * np.float32(3) + np.float32(1), np.float32(0), np.float32(1))
    blurred -= part
    blurred *= weight
    blurred += part
    return blurred


def _blur(
    planes: NDArray[np.float64], kernel: NDArray[np.float64], axis: int, first: int, wanted: slice
) -> NDArray[np.float64]:
    """The Gaussian of (3, h, w) along an axis whose positions start at `first`, at the `wanted` positions.

    Beyond the planes all is black. A block of positions is a product with a banded matrix: BLAS is many times
    faster here than a loop of taps.
    """
    taps, reach = len(kernel), len(kernel) // 2
    n, last = wanted.stop - wanted.start, first + planes.shape[axis]
    block = min(max(taps, 16), n)
    band = np.zeros((block, block + taps - 1))
    for i in range(block):
        band[i, i : i + taps] = kernel
    shape = list(planes.shape)
    shape[axis] = n
    result = np.empty(shape)
    for start in range(0, n, block):
        size = min(block, n - start)
        window = wanted.start + start - reach  # where the band's first column lies
        low, high = max(window, first), min(window + size + taps - 1, last)
        matrix = band[:size, low - window : max(high, low) - window]
        used = slice(low - first, max(high, low) - first)
        if axis == 1:
            np.matmul(matrix, planes[:, used], out=result[:, start : start + size])
        else:
            np.matmul(planes[:, :, used], matrix.T, out=result[:, :, start : start + size])
    return result


def _median(
    softened: Sequence[NDArray[np.float32]], picture: NDArray[np.uint8], total: int
) -> NDArray[np.float32]:
    """Per-channel median of P1: `softened` and `picture`, and zeros up to `total` pixels.

    Counting grey levels says between which two whole numbers the median lies; only values in between are sorted.
    """
    zeros = total - sum(values[0].size for values in softened) - picture[..., 0].size
    floors = [values.astype(np.uint8) for values in softened]
    medians = np.zeros(3, np.float32)
    for channel in range(3):
        levels = np.bincount(picture[..., channel].ravel(), minlength=256)
        for floor in floors:
            levels += np.bincount(floor[channel].ravel(), minlength=256)
        levels[0] += zeros
        below = np.concatenate([[0], np.cumsum(levels)])
        middle = []
        for rank in ((total - 1) // 2, total // 2):
            level = int(np.searchsorted(below, rank, side="right")) - 1
            between = [v[channel][f[channel] == level] for v, f in zip(softened, floors, strict=True)]
            # The whole numbers among them, of the picture and of the black frame, come first.
            whole = levels[level] - sum(len(v) for v in between)
            place = rank - below[level] - whole
            middle.append(np.float32(level) if place < 0 else np.sort(np.concatenate(between))[place])
        medians[channel] = np.mean(middle, dtype=np.float32)
    return medians
