"""Pictures that are drawn rather than modelled: noise, eyebrows, what is behind the head."""

from __future__ import annotations

import cv2
import numba
import numpy as np

# The eyebrows' picture spans x 0..BROW_WIDTH (both sides alike) and y from BROW_TOP down, in decimetres.
BROW_WIDTH, BROW_TOP, BROW_HEIGHT = 0.75, 7.7, 0.4
BROW_LINE = np.array([[0.115, 7.435], [0.20, 7.475], [0.34, 7.508], [0.44, 7.485], [0.535, 7.415]])


def noise(rng: np.random.Generator, height: int, width: int, scales: list[tuple[float, float]]) -> np.ndarray:
    """Smooth noise (height, width) float32 about 0: the sum of (size in pixels, amplitude)."""
    total = np.zeros((height, width), "f4")
    for scale, amplitude in scales:
        coarse = rng.normal(0, 1, (max(2, int(height / scale)), max(2, int(width / scale))))
        total += amplitude * cv2.resize(coarse.astype("f4"), (width, height), interpolation=cv2.INTER_CUBIC)
    return total


def sample(picture: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A grey picture's values (n,) float32 at u to the right and v down, 0 to 1, bilinear."""
    return _sample(np.ascontiguousarray(picture, "f4"), np.asarray(u, "f8"), np.asarray(v, "f8"))


@numba.njit(cache=True)
def _sample(picture: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    height, width = picture.shape
    out = np.empty(u.shape[0], np.float32)
    for i in range(u.shape[0]):
        x, y = min(max(u[i], 0.0), 1.0) * (width - 1), min(max(v[i], 0.0), 1.0) * (height - 1)
        x0, y0 = min(int(x), width - 2), min(int(y), height - 2)
        fx, fy = x - x0, y - y0
        above = picture[y0, x0] * (1 - fx) + picture[y0, x0 + 1] * fx
        below = picture[y0 + 1, x0] * (1 - fx) + picture[y0 + 1, x0 + 1] * fx
        out[i] = above * (1 - fy) + below * fy
    return out


def eyebrow(rng: np.random.Generator, thickness: float, arch: float, density: float) -> np.ndarray:
    """One eyebrow's cover (320, 600) float32, 0 to 1, drawn hair by hair; thickness and arch in decimetres."""
    picture = np.zeros((320, 600), np.uint8)
    height, width = picture.shape
    knots = BROW_LINE.copy()
    knots[1:4, 1] += arch
    along, at = np.linspace(0, 1, 200), np.linspace(0, 1, 5)
    line = np.stack([np.interp(along, at, knots[:, k]) for k in (0, 1)], 1).astype("f4")
    line = cv2.GaussianBlur(line, (1, 41), 0, sigmaY=12, borderType=cv2.BORDER_REPLICATE)

    def pixel(point: np.ndarray) -> tuple[int, int]:  # in sixteenths, as cv2's shift of 4 bits wants them
        return (
            int(point[0] / BROW_WIDTH * (width - 1) * 16),
            int((BROW_TOP - point[1]) / BROW_HEIGHT * (height - 1) * 16),
        )

    for _ in range(int(900 * density)):
        k = int(rng.beta(1.1, 1.3) * 199)
        half = thickness * (1 - 0.65 * max(0, (k / 199 - 0.35) / 0.65))  # thinner towards the temple
        offset = rng.uniform(-1, 1) * half
        length = rng.uniform(0.02, 0.04)
        # Upright beside the nose, lying down towards the temple, and combed to the middle of the brow.
        angle = np.deg2rad(70 - 95 * (k / 199) + rng.normal(0, 10) - 25 * offset / half)
        root = line[k] + [0, offset - 0.3 * half]
        tip = root + length * np.array([np.cos(angle), np.sin(angle)])
        cv2.line(picture, pixel(root), pixel(tip), int(rng.uniform(110, 255)), 1, cv2.LINE_AA, 4)
    shade = cv2.GaussianBlur(picture.astype("f4") / 255, (0, 0), 2.2)
    return np.clip(0.45 * picture / 255 + 0.9 * shade, 0, 1).astype("f4")


def background(rng: np.random.Generator, size: int) -> np.ndarray:
    """(size, size, 3) in 0..1: a gradient with up to six soft discs and boxes, in muted colours."""
    y = np.linspace(0, 1, size)[:, None, None]
    wall = np.broadcast_to(_muted(rng) * (1 - y) + _muted(rng) * y, (size, size, 3)).copy()
    for _ in range(rng.integers(0, 7)):
        shape = np.zeros((size, size), np.uint8)
        corner = [int(value) for value in rng.integers(0, size, 4)]
        if rng.random() < 0.5:
            cv2.circle(shape, corner[:2], int(rng.integers(20, size // 3)), 255, -1)
        else:
            cv2.rectangle(shape, corner[:2], corner[2:], 255, -1)
        soft = cv2.GaussianBlur(shape, (0, 0), float(rng.uniform(4, 25)))
        cover = (soft.astype("f4") / 255 * rng.uniform(0.2, 0.7))[..., None]
        wall = wall * (1 - cover) + cover * _muted(rng)
    return wall


def _muted(rng: np.random.Generator) -> np.ndarray:
    colour = rng.uniform(0.06, 0.8, 3)
    return colour.mean() + 0.35 * (colour - colour.mean())
