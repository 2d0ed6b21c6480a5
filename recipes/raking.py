"""How many rows of each joint cell to keep, so that several marginals come near their targets at once.

Joint quotas (`quotas.py`) need rows in every joint cell. Raking asks for the marginals alone, and stays as
near to the joint table that is there as they allow: fractions by iterative proportional fitting (`fitting.py`),
whole rows by rounding and exchanging (`rounding.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from curate.errors import RecipeError
from curate.recipes.fitting import Fit
from curate.recipes.quotas import Counts, Shares, normalised, wanted, whole
from curate.recipes.rounding import nearest_whole

_SWEEPS = 1000
_SWEEPS_TO_TRY = 100


def rake(had: Counts, marginals: Sequence[Shares | None], total: int | None) -> Counts:
    """How many rows of each joint cell to keep.

    Args:
        had: rows in each cell, int64, one axis for each column that is balanced.
        marginals: for each axis the target shares of its levels, float64 [levels], divided by their sum; None
            for an axis that may be as it comes. A level with share 0 gives no rows.
        total: rows wanted in all; None: `largest_raked_total`. Each axis can give its levels' shares of the
            total, or the rows they have; as many rows are kept as the axis gives that gives least.

    Returns:
        Rows to keep, int64, the shape of `had`, at most `had`. With enough rows in the cells every level is
        within one row of its share; else the sum of the marginals' total variations is as small, for
        that many rows, as fitting and exchanges of rows make it.

    Raises:
        RecipeError: a total below 1, shares that make no sense, or not one for each level.
    """
    rows, shares = _usable(had, marginals)
    if total is None:
        total = largest_raked_total(had, marginals)
        if total == 0:
            return np.zeros_like(rows)
    elif total < 1:
        raise RecipeError(f"a total of {total} rows", hint="total: a number of rows, 1 or more")
    number = _rows_given(rows, shares, total)
    if number == 0:
        return np.zeros_like(rows)
    fit = Fit(rows)
    fit.aim(number, shares)
    fit.run(_SWEEPS)
    return nearest_whole(fit.table(), rows, shares)


def largest_raked_total(had: Counts, marginals: Sequence[Shares | None]) -> int:
    """The largest total at which all marginals can be met, each level to half a row or a ten-thousandth.

    Levels without any row are passed over, but their shares stay: they are what will be missing. It is
    found by halving between nothing and what the scarcest level allows. Small where levels exclude each
    other (a fifth of the rows is to be frozen, an eighth neutral, and only the neutral are frozen).

    Args:
        had, marginals: as for `rake`.

    Returns:
        From 0 (no rows, or levels of which no row meets all) on. Without any marginal, all rows.

    Raises:
        RecipeError: as `rake`.
    """
    rows, shares = _usable(had, marginals)
    most, covered = float(rows.sum()), 1.0
    if most == 0:
        return 0
    present = list(shares)
    for axis, t in enumerate(shares):
        if t is not None:
            there = _marginal(rows, axis)
            some = there > 0
            covered = min(covered, float(t[some].sum()))
            reachable = np.where(some, t, 0.0) / t[some].sum()
            # A level with rows may have share 0, where `_usable` has left it none: then it is not `some`.
            most = min(most, float(whole(there[some] / reachable[some]).min()))
            present[axis] = reachable
    # Rows kept, not rows wanted: levels without rows have no part in it.
    low, high = 0, int(most)
    fit, middle = Fit(rows), high
    while high - low > low // 10_000:
        fit.aim(middle, present)
        fit.run(_SWEEPS_TO_TRY)
        low, high = (middle, high) if fit.met() else (low, middle - 1)
        middle = (low + high + 1) // 2
    return int(np.floor(whole(np.array(low / covered))))


def _usable(had: Counts, marginals: Sequence[Shares | None]) -> tuple[Counts, list[Shares | None]]:
    """The rows of those cells whose every level has a share, and the shares divided by their sums."""
    rows = np.array(had, dtype=np.int64)
    if len(marginals) != rows.ndim:
        raise RecipeError(
            f"{len(marginals)} marginals for {rows.ndim} columns", hint="one for each column of `by`"
        )
    shares: list[Shares | None] = []
    for axis, given in enumerate(marginals):
        if given is None:
            shares.append(None)
            continue
        if len(given) != rows.shape[axis]:
            raise RecipeError(
                f"{len(given)} shares for {rows.shape[axis]} levels", hint="one for each level of the column"
            )
        t = normalised(given)
        shape = [1] * rows.ndim
        shape[axis] = -1
        rows *= (t > 0).reshape(shape)
        shares.append(t)
    return rows, shares


def _rows_given(rows: Counts, shares: Sequence[Shares | None], total: int) -> int:
    """How many of `total` rows there are with no level above what is wanted of it, on the poorest axis."""
    number = min(total, int(rows.sum()))
    for axis, t in enumerate(shares):
        if t is not None:
            there = _marginal(rows, axis)
            number = min(number, int(np.minimum(there, wanted(there, t, total)).sum()))
    return number


def _marginal(rows: Counts, axis: int) -> Counts:
    return np.asarray(rows.sum(axis=tuple(i for i in range(rows.ndim) if i != axis)), dtype=np.int64)
