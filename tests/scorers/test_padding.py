from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from curate.scorers.padding import pad


def whole(pixels: NDArray[np.uint8], margins: NDArray[np.int64], sigma: float) -> NDArray[np.uint8]:
    """The definition, on the whole padded picture, with SciPy."""
    left, top, right, bottom = margins
    image = np.pad(pixels.astype(np.float32), ((top, bottom), (left, right), (0, 0)))
    h, w = image.shape[:2]
    y, x, _ = np.ogrid[:h, :w, :1]
    f = np.float32
    mask = np.maximum(
        f(1) - np.minimum(x.astype(f) / f(left), (w - 1 - x).astype(f) / f(right)),
        f(1) - np.minimum(y.astype(f) / f(top), (h - 1 - y).astype(f) / f(bottom)),
    )
    image += (gaussian_filter(image, [sigma, sigma, 0]) - image) * np.clip(mask * f(3) + f(1), 0, 1)
    image += (np.median(image, axis=(0, 1)) - image) * np.clip(mask, 0, 1)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    side=st.floats(20, 160),
    more=st.tuples(*[st.integers(0, 40)] * 4),
    black=st.floats(0, 0.9),
    seed=st.integers(0, 1000),
)
def test_what_is_seen_of_the_padded_picture_equals_the_definition(
    size: tuple[int, int], side: float, more: tuple[int, int, int, int], black: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (*size, 3), np.uint8)
    pixels[random.random(size) < black] = 0
    margins = np.array(more) + int(np.rint(side * 0.3))
    expected = whole(pixels, margins, side * 0.02)
    height, width = expected.shape[:2]
    x = np.sort(random.integers(0, width, 2))
    y = np.sort(random.integers(0, height, 2))
    part, (left, top) = pad(pixels, margins, sigma=side * 0.02, seen=(x[0], y[0], x[1], y[1]))
    assert left <= max(x[0] - 2, 0)
    assert top <= max(y[0] - 2, 0)
    assert np.array_equal(part, expected[top : top + part.shape[0], left : left + part.shape[1]])
