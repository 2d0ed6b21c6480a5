"""FFHQ's soft surround for a face at the border, computed only where it can be seen.

The padded picture P is the picture in a black frame. With m = 1 at its outer edge, falling to 0 at the
picture's edge and below 0 inside,

    P1 = P + (gaussian(P) - P) clip(3 m + 1, 0, 1)
    P2 = P1 + (median(P1) - P1) clip(m, 0, 1)

so the blur is visible only in a band along the picture's edge, and the rest is the picture itself or
exactly black. Everything is float32 with the same roundings as NumPy and SciPy make on the whole array;
the Gaussian is a product with a banded matrix in float64, which is how SciPy accumulates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TRUNCATE = 4.0


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
        margins: left, top, right, bottom; each at least 8 sigma, so that the blur never meets the frame.
        sigma: of the Gaussian, in pixels.
        seen: left, top, right, bottom of what is needed, in pixels of the padded picture.

    Returns:
        That part as uint8, and its origin (left, top) in the padded picture.
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = (int(m) for m in margins)
    shape = (height + top + bottom, width + left + right)
    kernel = _gaussian(sigma)
    reach = len(kernel) // 2

    # Zeros cost nothing until they are written to.
    padded = np.zeros((*shape, 3), np.float32)
    padded[top : top + height, left : left + width] = pixels
    mask = _mask(shape, margins)

    # The blur leaves no trace beyond `reach` outside the picture, and its weight is zero beyond a third of
    # a margin inside (one pixel more, for roundings).
    y0, y1 = top - reach, top + height + reach
    x0, x1 = left - reach, left + width + reach
    inner_y0, inner_y1 = _clamp(top + top // 3 + 2, y0, y1), shape[0] - (bottom + bottom // 3 + 2)
    inner_x0, inner_x1 = _clamp(left + left // 3 + 2, x0, x1), shape[1] - (right + right // 3 + 2)
    inner_y1, inner_x1 = _clamp(inner_y1, inner_y0, y1), _clamp(inner_x1, inner_x0, x1)
    bands = [
        (slice(y0, inner_y0), slice(x0, x1)),
        (slice(inner_y1, y1), slice(x0, x1)),
        (slice(inner_y0, inner_y1), slice(x0, inner_x0)),
        (slice(inner_y0, inner_y1), slice(inner_x1, x1)),
    ]
    bands = [(r, c) for r, c in bands if r.start < r.stop and c.start < c.stop]
    softened = [_soften(padded, mask, kernel, rows, columns) for rows, columns in bands]
    for (rows, columns), values in zip(bands, softened, strict=True):
        padded[rows, columns] = values

    median = _median(padded[y0:y1, x0:x1], shape[0] * shape[1])
    rows = slice(max(seen[1] - 2, 0), min(seen[3] + 3, shape[0]))
    columns = slice(max(seen[0] - 2, 0), min(seen[2] + 3, shape[1]))
    part, weight = padded[rows, columns], np.clip(mask[rows, columns, None], 0.0, 1.0)
    part += (median - part) * weight
    np.rint(part, out=part)
    np.clip(part, 0, 255, out=part)
    return part.astype(np.uint8), (columns.start, rows.start)


def _clamp(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


def _mask(shape: tuple[int, int], margins: NDArray[np.int64]) -> NDArray[np.float32]:
    """(H, W) float32: 1 at the outer edge of the frame, 0 where the picture begins, negative inside."""

    def ramp(n: int, before: int, after: int) -> NDArray[np.float32]:
        steps = np.arange(n)
        inward = np.minimum(
            steps.astype(np.float32) / np.float32(before), steps[::-1].astype(np.float32) / np.float32(after)
        )
        result: NDArray[np.float32] = np.float32(1) - inward
        return result

    left, top, right, bottom = (int(m) for m in margins)
    mask: NDArray[np.float32] = np.maximum(
        ramp(shape[1], left, right)[None, :], ramp(shape[0], top, bottom)[:, None]
    )
    return mask


def _gaussian(sigma: float) -> NDArray[np.float64]:
    """The kernel of `scipy.ndimage.gaussian_filter`, cut at 4 sigma."""
    reach = int(_TRUNCATE * sigma + 0.5)
    x = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 / (sigma * sigma) * x**2)
    normalised: NDArray[np.float64] = kernel / kernel.sum()
    return normalised


def _soften(
    padded: NDArray[np.float32],
    mask: NDArray[np.float32],
    kernel: NDArray[np.float64],
    rows: slice,
    columns: slice,
) -> NDArray[np.float32]:
    """P1 on a rectangle."""
    reach = len(kernel) // 2
    window = padded[rows.start - reach : rows.stop + reach, columns.start - reach : columns.stop + reach]
    down = _convolve(window.reshape(len(window), -1), kernel).reshape(-1, *window.shape[1:])
    across = _convolve(down.transpose(1, 0, 2).reshape(window.shape[1], -1), kernel)
    blurred = across.reshape(-1, len(down), 3).transpose(1, 0, 2)
    part = padded[rows, columns]
    weight = np.clip(mask[rows, columns, None] * np.float32(3) + np.float32(1), 0.0, 1.0)
    result: NDArray[np.float32] = part + (blurred - part) * weight
    return result


def _convolve(values: NDArray[np.float32], kernel: NDArray[np.float64]) -> NDArray[np.float32]:
    """Correlate along the first axis, 'valid' positions only, in float64, rounded to float32.

    A block of rows is a product with a banded matrix: BLAS is many times faster here than a loop of taps.
    """
    taps, n = len(kernel), len(values) - len(kernel) + 1
    result = np.empty((max(n, 0), values.shape[1]), np.float32)
    block = min(max(taps, 16), max(n, 1))
    band = np.zeros((block, block + taps - 1))
    for i in range(block):
        band[i, i : i + taps] = kernel
    wide = values.astype(np.float64)
    for start in range(0, n, block):
        size = min(block, n - start)
        result[start : start + size] = band[:size, : size + taps - 1] @ wide[start : start + size + taps - 1]
    return result


def _median(values: NDArray[np.float32], total: int) -> NDArray[np.float32]:
    """Per-channel median of a picture of `total` pixels that is zero outside `values` (never negative)."""
    flat = values.reshape(-1, 3)
    zeros = total - len(flat)
    ranks = [(total - 1) // 2 - zeros, total // 2 - zeros]
    medians = np.zeros(3, np.float32)
    if ranks[1] < 0:
        return medians
    wanted = sorted({max(r, 0) for r in ranks})
    for channel in range(3):
        ordered = np.partition(flat[:, channel], wanted)
        middle = [ordered[r] if r >= 0 else np.float32(0) for r in ranks]
        medians[channel] = np.mean(middle, dtype=np.float32)
    return medians
