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
    numbers = whole(vectors)[order].astype(np.int32)
    known = np.flatnonzero(~np.isnan(vectors[order]).any(axis=1))
    wanted = min(count, len(order))
    taken: list[int] = []
    if len(known) and wanted > 0:
        points = numbers[known]
        nearest = np.full(len(points), np.iinfo(np.int32).max, np.int32)
        latest = 0
        for _ in range(min(wanted, len(points))):
            taken.append(int(known[latest]))
            distance = ((points - points[latest]) ** 2).sum(axis=1, dtype=np.int32)
            np.minimum(nearest, distance, out=nearest)
            nearest[latest] = -1
            latest = int(nearest.argmax())
    unknown = np.setdiff1d(np.arange(len(order)), known)
    taken += unknown[: max(wanted - len(taken), 0)].tolist()
    return np.asarray(order[np.array(taken, np.intp)], np.intp)
