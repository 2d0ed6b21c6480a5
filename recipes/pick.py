"""Which rows of a cell to take: spread out over what the faces do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.recipes.vectors import whole


def k_centre(vectors: NDArray[np.float32], count: int, order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Rows that lie far from each other: the best, then again and again the one farthest from all that were taken.

    Gonzalez, "Clustering to minimize the maximum intercluster distance" (1985): no row is farther from its nearest
    picked one than twice what the best possible choice of as many rows could do.

    Args:
        vectors: (n, k) float32 in [0, 1]; a row with NaN is taken after all others, in order.
        count: how many to take; all if there are no more.
        order: the rows, best first; decides ties.

    Returns:
        (min(count, n),) row numbers, as they were taken.
    """
    numbers = whole(np.asarray(vectors)[order])
    known = np.arange(0) if not numbers.shape[1] else np.flatnonzero(numbers[:, 0] >= 0)
    wanted = min(count, len(order))
    taken = known[_farthest_first(numbers[known], min(wanted, len(known)))]
    rest = np.setdiff1d(np.arange(len(order)), taken if len(taken) == wanted else known)
    return np.asarray(order[np.concatenate([taken, rest[: wanted - len(taken)]])], np.intp)


def _farthest_first(points: NDArray[np.int16], count: int) -> NDArray[np.intp]:
    """The first, then again and again the one farthest from those taken; the earlier one, if there are several.

    Products of thousandths, less 500, add up to whole numbers below 2**24, which single precision holds exactly in
    any order of summing: one product of a matrix with a vector gives all distances, the same ones on every machine.
    """
    centred = points.astype(np.float32) - np.float32(500)
    squares = np.einsum("ij,ij->i", centred, centred)
    nearest = np.full(len(points), np.inf, np.float32)
    taken = np.empty(count, np.intp)
    latest = 0
    for i in range(count):
        taken[i] = latest
        distance = centred @ (-2 * centred[latest])
        distance += squares
        distance += squares[latest]
        np.minimum(nearest, distance, out=nearest)
        nearest[latest] = -1
        latest = int(nearest.argmax())
    return taken
