"""How good the picture of a face is, on the face itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curate.models.session import Device
from curate.scorers.columns import QUALITY, Column
from curate.scorers.face import Face
from curate.scorers.scorer import Values

_SIDE = 256
_BLUR_TAPS = 11
_HASH_SIDE, _HASH_LOW = 32, 8
_FIXED_POINT = 1 << 22  # Pillow's


class Quality:
    """Sharpness, brightness and contrast of the face crop, and the picture's perceptual hash."""

    name = "quality"
    version = "1"
    columns: tuple[Column, ...] = QUALITY
    needs_mesh = True
    packs: tuple[str, ...] = ()
    options: Mapping[str, str] = {}

    def open(self, device: Device) -> None:
        """Nothing to load."""

    def score(self, faces: Sequence[Face]) -> Values:
        """One value a face for each column."""
        crops = [luma(face) for face in faces]
        return {
            "sharpness": [sharpness(crop) for crop in crops],
            "brightness": [float(crop.mean()) / 255 for crop in crops],
            "contrast": [float(crop.std()) / 127.5 for crop in crops],
            "phash": [phash(face.pixels) for face in faces],
        }


def luma(face: Face) -> NDArray[np.uint8]:
    """(h, w) uint8 luma of the face's box, at most 256 pixels on its long side; never enlarged."""
    import cv2

    x, y, w, h = face.box
    left, top = max(int(x * face.width), 0), max(int(y * face.height), 0)
    right, bottom = int(np.ceil((x + w) * face.width)), int(np.ceil((y + h) * face.height))
    # A mesh may lie wholly outside its picture; one pixel is then as good as any.
    left, top = min(left, face.width - 1), min(top, face.height - 1)
    crop = face.pixels[top : max(bottom, top + 1), left : max(right, left + 1)]
    scale = _SIDE / max(crop.shape[:2])
    if scale < 1:
        size = (max(round(crop.shape[1] * scale), 1), max(round(crop.shape[0] * scale), 1))
        crop = cv2.resize(crop, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.uint8)


def sharpness(luma: NDArray[np.uint8]) -> float:
    """1 - the blur effect of Crete et al., "The blur effect", SPIE 6492 (2007).

    A sharp picture loses much of its neighbour-to-neighbour variation when it is blurred again, a blurred
    one little. 0 for a flat or fully blurred picture, towards 1 for a crisp one.

    Args:
        luma: (h, w) uint8.
    """
    import cv2

    values = luma.astype(np.float32)
    blurriest = 0.0
    for axis, size in ((0, (1, _BLUR_TAPS)), (1, (_BLUR_TAPS, 1))):
        variation = np.abs(np.diff(values, axis=axis))
        again = np.abs(np.diff(cv2.blur(values, size), axis=axis))
        total = float(variation.sum(dtype=np.float64))
        if total == 0:
            return 0.0
        lost = float(np.maximum(variation - again, 0).sum(dtype=np.float64))
        blurriest = max(blurriest, 1 - lost / total)
    return 1 - blurriest


def phash(pixels: NDArray[np.uint8]) -> int:
    """The 64-bit DCT hash of Zauner (2010), bit for bit that of the `imagehash` package.

    (Of pictures taller than wide, that of `imagehash` on Pillow 12 and older: newer ones scale the columns of some
    of them first, and round differently.)

    Args:
        pixels: (H, W, 3) uint8 RGB.

    Returns:
        A number in [0, 2**64); the first bit is the most significant one.
    """
    luma = np.asarray(Image.fromarray(pixels).convert("L"), np.float64)
    # Pillow scales the rows first, and rounds to whole grey levels after each direction.
    values = _rounded(luma @ _lanczos(luma.shape[1]).T)
    values = _rounded(_lanczos(len(values)) @ values)
    low = (_DCT @ values @ _DCT.T)[:_HASH_LOW, :_HASH_LOW]
    bits = (low > np.median(low)).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


@lru_cache(maxsize=64)
def _lanczos(n: int) -> NDArray[np.float64]:
    """Pillow's LANCZOS from n to 32 pixels as a (32, n) matrix of whole numbers.

    The same fixed-point coefficients as `Image.resize`, so the products are exact; BLAS is three times as fast.
    """
    scale = n / _HASH_SIDE
    stretch = max(scale, 1.0)
    matrix = np.zeros((_HASH_SIDE, n))
    for i in range(_HASH_SIDE):
        centre = (i + 0.5) * scale
        low, high = max(int(centre - 3 * stretch + 0.5), 0), min(int(centre + 3 * stretch + 0.5), n)
        x = (np.arange(low, high) - centre + 0.5) / stretch
        weights = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)
        matrix[i, low:high] = weights / weights.sum()
    whole: NDArray[np.float64] = np.trunc(matrix * _FIXED_POINT + np.copysign(0.5, matrix))
    return whole


def _rounded(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fixed-point sums as grey levels."""
    levels: NDArray[np.float64] = np.clip(np.floor((sums + _FIXED_POINT / 2) / _FIXED_POINT), 0, 255)
    return levels


def _dct_matrix(n: int) -> NDArray[np.float64]:
    """The unnormalised DCT-II as a matrix."""
    k, i = np.arange(n)[:, None], np.arange(n)[None, :]
    return 2 * np.cos(np.pi * k * (2 * i + 1) / (2 * n))


_DCT = _dct_matrix(_HASH_SIDE)
