"""A z-buffer, compiled by numba."""

from __future__ import annotations

import numba
import numpy as np

FAR = 1e9  # depth where nothing is drawn


@numba.njit(fastmath=True, cache=True)
def rasterize(
    xy: np.ndarray, depth: np.ndarray, triangles: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw triangles into a square of `size` pixels.

    `xy` (N, 2) float32 in pixels, y down; `depth` (N,) float32, the smaller the nearer; `triangles` (F, 3).
    Returns, per pixel, the depth (float32, FAR where nothing is), the triangle's number (int32, -1 where
    nothing is) and the first two barycentric coordinates (float32).
    """
    nearest = np.full((size, size), FAR, np.float32)
    index = np.full((size, size), -1, np.int32)
    weights = np.zeros((size, size, 2), np.float32)
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        x0, y0, x1, y1, x2, y2 = xy[a, 0], xy[a, 1], xy[b, 0], xy[b, 1], xy[c, 0], xy[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        left, right = max(0, int(np.floor(min(x0, x1, x2)))), min(size - 1, int(np.ceil(max(x0, x1, x2))))
        top, bottom = max(0, int(np.floor(min(y0, y1, y2)))), min(size - 1, int(np.ceil(max(y0, y1, y2))))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                w0 = ((x1 - x) * (y2 - y) - (x2 - x) * (y1 - y)) / area
                w1 = ((x2 - x) * (y0 - y) - (x0 - x) * (y2 - y)) / area
                w2 = 1 - w0 - w1
                # The small slack closes the seams between neighbours.
                if w0 < -1e-4 or w1 < -1e-4 or w2 < -1e-4:
                    continue
                z = w0 * depth[a] + w1 * depth[b] + w2 * depth[c]
                if z < nearest[y, x]:
                    nearest[y, x] = z
                    index[y, x] = f
                    weights[y, x, 0] = w0
                    weights[y, x, 1] = w1
    return nearest, index, weights


def interpolate(values: np.ndarray, triangles: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Vertex values (N, k) at points (n, k) given by triangles (n, 3) and barycentric weights (n, 3)."""
    return (
        values[triangles[:, 0]] * weights[:, :1]
        + values[triangles[:, 1]] * weights[:, 1:2]
        + values[triangles[:, 2]] * weights[:, 2:]
    )
