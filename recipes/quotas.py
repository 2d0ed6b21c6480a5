"""How many rows of each cell to keep, so that the cells come as near to given shares as the counts allow.

"Near" is the total variation, half the sum of |n_c / N - t_c|. For a given number of rows N it is a sum of
convex functions of one n_c each with one constraint, the sum; taking the cheapest unit again and again is
then exact (Federgruen & Groenevelt 1986), and there are three prices only: a unit below the target N t_c
saves one, the unit that crosses it costs 1 - 2 frac(N t_c), any further one costs one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.errors import RecipeError

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]


def quotas(had: Counts, shares: Shares, total: int | None) -> Counts:
    """How many rows of each cell to keep.

    Args:
        had: rows in each cell, int64 [cells].
        shares: of the target, float64 [cells], 0 or more; divided by their sum.
        total: rows wanted in all. A cell that has fewer than its share of them gives all it has, and the
            others are not filled up for it: that would lead away from the target. None: `largest_total`.

    Returns:
        Rows to keep, int64 [cells], at most `had`, none where the share is 0. No other choice with as
        many rows has a smaller total variation to the shares. Ties go to the first cell.

    Raises:
        RecipeError: a total below 1, or shares of which none is above 0.
    """
    t = normalised(shares)
    rows = np.asarray(had, dtype=np.int64)
    if total is None:
        total = largest_total(rows, t)
        if total == 0:
            return np.zeros_like(rows)
    aim = np.minimum(rows, wanted(rows, t, total))
    return _nearest(aim, rows, t)


def wanted(had: Counts, shares: Shares, total: int) -> Counts:
    """`total` divided by the shares into whole rows: floors, and the remainder to the largest fractions.

    A cell that has the rows comes before one that has not, so that the remainder is not wished for where
    nothing is.

    Args:
        had: rows in each cell, int64 [cells].
        shares: float64 [cells], divided by their sum.
        total: at least 1.

    Returns:
        int64 [cells], summing to `total`; 0 where the share is 0.

    Raises:
        RecipeError: a total below 1, or shares of which none is above 0.
    """
    if total < 1:
        raise RecipeError(f"a total of {total} rows", hint="total: a number of rows, 1 or more")
    t = normalised(shares)
    exact = whole(total * t)
    floor = np.floor(exact)
    fraction = exact - floor
    result = floor.astype(np.int64)
    rest = int(total - result.sum())
    # Last key first: cells with a share, of these the ones with rows to give, the largest fraction, in order.
    order = np.lexsort((-fraction, (fraction == 0) | (had <= floor), t == 0))
    result[order[:rest]] += 1
    return result


def largest_total(had: Counts, shares: Shares) -> int:
    """The largest total of which every cell that has rows can give its share; 0 where none has any.

    Args:
        had: rows in each cell, int64 [cells].
        shares: float64 [cells], divided by their sum. Cells without rows are passed over, but their
            shares stay: they are what will be missing.

    Raises:
        RecipeError: shares of which none is above 0.
    """
    t = normalised(shares)
    some = (np.asarray(had) > 0) & (t > 0)
    return int(np.floor(whole(had[some] / t[some]).min())) if some.any() else 0


def per_cell(had: Counts, count: int) -> Counts:
    """`count` rows of each cell, or all it has.

    Raises:
        RecipeError: a count below 1.
    """
    if count < 1:
        raise RecipeError(f"{count} rows a cell", hint="per_cell: a number of rows, 1 or more")
    return np.minimum(np.asarray(had, dtype=np.int64), count)


def normalised(shares: Shares) -> Shares:
    """The shares divided by their sum, float64 of the same shape.

    Raises:
        RecipeError: a share that is negative or no number, or none above 0.
    """
    t = np.asarray(shares, dtype=np.float64)
    if not (np.isfinite(t).all() and (t >= 0).all()):
        raise RecipeError("a share that is negative or no number", hint="give shares of 0 or more")
    top = t.max(initial=0.0)
    if top == 0:
        raise RecipeError("every share is 0: nothing would be kept", hint="give at least one level a share")
    scaled = t / top
    return np.asarray(scaled / scaled.sum(), dtype=np.float64)


def whole(numbers: Shares) -> Shares:
    """Numbers that are whole but for the error of floating point, made whole: .3 x 10 is 3."""
    nearest = np.rint(numbers)
    close = np.abs(numbers - nearest) <= np.maximum(1e-9, 8 * np.finfo(np.float64).eps * np.abs(numbers))
    return np.asarray(np.where(close, nearest, numbers), dtype=np.float64)


def _nearest(aim: Counts, had: Counts, t: Shares) -> Counts:
    """As many rows as `aim` has in all, with the smallest total variation to t; near `aim` where that is free."""
    had = np.where(t > 0, had, 0)
    rows = int(aim.sum())
    exact = whole(rows * t)
    floor = np.floor(exact).astype(np.int64)
    fraction = exact - floor
    kept = np.minimum(had, floor)
    # The units that cross their target, the cheapest first.
    crossing = np.flatnonzero((had > floor) & (fraction > 0))
    crossing = crossing[np.argsort(-fraction[crossing], kind="stable")]
    kept[crossing[: rows - int(kept.sum())]] += 1
    # All others cost the same, so they go where `aim` has them.
    return kept + _shared_out(np.maximum(aim - kept, 0), rows - int(kept.sum()))


def _shared_out(room: Counts, units: int) -> Counts:
    """`units` of `room`; what is too much (no more than the cells are many) is taken off the largest, evenly."""
    result = room.copy()
    for _ in range(int(room.sum()) - units):
        result[np.argmax(result)] -= 1
    return result
