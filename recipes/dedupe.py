"""Near-duplicates: near-identical pixels and the same expression.

Two faces are near each other if their pictures' perceptual hashes differ in few bits and their action units by
little; a new expression is data, not a duplicate. (slow first version)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.recipes.vectors import whole


def near_duplicates(
    phash: NDArray[np.uint64],
    au: NDArray[np.float32] | None,
    *,
    hash_bits: int,
    au_distance: float | None,
    order: NDArray[np.intp],
    box: NDArray[np.float32] | None = None,
    picture: NDArray[np.int64] | None = None,
    valid: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """For each row the kept row that it duplicates, or -1."""
    n = len(phash)
    found = np.full(n, -1, np.int64)
    units = whole(au) if au is not None and au_distance is not None and au.shape[1] else None
    limit = 0 if units is None else units.shape[1] * round((au_distance or 0) * 1000) ** 2
    kept: list[int] = []
    for row in order:
        if valid is not None and not valid[row]:
            continue
        others = np.array(kept, np.intp)
        near = np.bitwise_count(phash[others] ^ phash[row]) <= hash_bits
        others = others[near]
        if picture is not None:
            others = others[picture[others] != picture[row]]
        if units is not None and units[row, 0] >= 0:
            apart = ((units[others].astype(np.int32) - units[row]) ** 2).sum(axis=1)
            others = others[(apart <= limit) | (units[others, 0] < 0)]
        if len(others):
            found[row] = others[0]
        else:
            kept.append(int(row))
    return found
