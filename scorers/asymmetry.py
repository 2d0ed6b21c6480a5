"""How much the two sides of a face differ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.scorers.crop import mirror_points

# Beyond this yaw the far side is guessed more than seen.
MOST_YAW = 20.0
# Distances on the right side of the face, from point to point of the mesh; `mirror_points` has those on the left:
# inner brow and brow arch over the corners of the eye, opening of the eye, corner of the mouth to the inner corner
# of the eye and to the wing of the nose. Distances to the middle of the face tell more of the yaw than of a smirk.
_CHANNELS = ((55, 133), (105, 33), (159, 145), (61, 133), (61, 48))


def asymmetry(points: NDArray[np.floating], yaw: NDArray[np.floating]) -> NDArray[np.float32]:
    """The difference of distances left and right, as a share of them: sum |L - R| / sum (L + R).

    The distances are those between points in space, so where the face turns to does not matter, but for
    what the mesh gets wrong about depth.

    Args:
        points: (N, 478, 3) mesh, x, y and z of one unit.
        yaw: (N,) degrees.

    Returns:
        (N,) float32 in [0, 1], 0 for a face that is its own mirror image; NaN at a yaw of 20 degrees and more.
    """
    ends = np.array(_CHANNELS).T
    right, left = (_distances(points, pair) for pair in (ends, mirror_points()[ends]))
    whole = (left + right).sum(axis=1)
    share = np.abs(left - right).sum(axis=1) / np.where(whole > 0, whole, np.nan)
    return np.where(np.abs(yaw) < MOST_YAW, share, np.nan).astype(np.float32)


def _distances(points: NDArray[np.floating], ends: NDArray[np.integer]) -> NDArray[np.float64]:
    """(N, channels) distances between the points of each pair."""
    between = points[:, ends[0]].astype(np.float64) - points[:, ends[1]]
    lengths: NDArray[np.float64] = np.sqrt((between**2).sum(axis=2))
    return lengths
