"""How many rows of each joint cell to keep, so that several marginals come near their targets at once.

Joint quotas need rows in every joint cell. Raking (iterative proportional fitting, Deming & Stephan 1940,
Annals of Mathematical Statistics 11:427) asks for the marginals alone and otherwise stays as near as it can to
the joint table that is there. Every level gets a factor, a cell keeps the share `product of its levels' factors`
of its rows, and each axis in turn is scaled to its target. Two things are added to the textbook:

- A cell cannot give more than it has: its share stops at 1, and the other cells of its level give the rest.
- A factor stays within 1 / LIMIT and LIMIT. Where no table meets all targets, plain fitting runs to and fro
  for ever; bounded factors are what the price log(LIMIT) for each row off a target comes to, so fitting goes
  to the smallest sum of the marginals' total variations, and among those to the table nearest what is there.

Both are block coordinate ascent on the (smooth, concave) dual of

    min  sum x log(x / had)  +  log(LIMIT) sum over axes of sum |marginal of x - target|,   0 <= x <= had
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from curate.errors import RecipeError
from curate.recipes.quotas import Counts, Shares, normalised, wanted, whole
from curate.recipes.rounding import nearest_whole

LIMIT = 1e6
_SWEEPS = 300
_SWEEPS_TO_TRY = 100


def rake(had: Counts, marginals: Sequence[Shares | None], total: int | None) -> Counts:
    """How many rows of each joint cell to keep.

    Args:
        had: rows in each cell, int64, one axis for each thing that is balanced.
        marginals: for each axis the target shares of its levels, float64 [levels], divided by their sum; None
            for an axis that may be as it comes. A level with share 0 gives no rows.
        total: rows wanted in all; None: `largest_raked_total`. Where a level has fewer rows than its share
            of the total, the axis cannot give `total` without going beyond what is wanted elsewhere: as
            many rows are kept as the axis gives that gives least.

    Returns:
        Rows to keep, int64, the shape of `had`, at most `had`. With enough rows in the cells every marginal is
        within one row of its share; else the sum of the marginals' total variations is as small as
        fitting and exchanges of rows make it.

    Raises:
        RecipeError: a total below 1, shares that make no sense, or not one for each level.
    """
    rows, targets = _usable(had, marginals)
    if total is None:
        total = largest_raked_total(had, marginals)
    elif total < 1:
        raise RecipeError(f"a total of {total} rows", hint="total: a number of rows, 1 or more")
    number = _rows_for(rows, targets, total)
    if number == 0:
        return np.zeros_like(rows)
    fit = _Fit(rows, [None if t is None else number * t for t in targets])
    fit.run(_SWEEPS)
    return nearest_whole(fit.scaled_to(number), rows, targets)


def largest_raked_total(had: Counts, marginals: Sequence[Shares | None]) -> int:
    """The largest total whose marginals can all be met, to a row or a ten-thousandth.

    Levels without any row are passed over, but their shares stay: they are what will be missing. It is
    found by halving between nothing and what the scarcest level allows.

    Args:
        had, marginals: as for `rake`.

    Returns:
        From 0 (no rows, or levels that exclude each other) on. Without any marginal, all rows.

    Raises:
        RecipeError: as `rake`.
    """
    rows, targets = _usable(had, marginals)
    everything = int(rows.sum())
    if everything == 0:
        return 0
    most, covered, present = float(everything), 1.0, list(targets)
    for axis, shares in enumerate(targets):
        if shares is None:
            continue
        there = _marginal(rows, axis)
        some = (there > 0) & (shares > 0)
        share = np.where(some, shares, 0.0)
        present[axis] = share / share.sum()
        covered = min(covered, float(share.sum()))
        # In rows that are kept, not in rows that are wanted: levels without rows have no part in it.
        most = min(most, float(whole(there[some] / present[axis][some]).min()))
    low, high = 0, int(most)
    fit = _Fit(rows, [None] * rows.ndim)
    while low < high:
        middle = high if low == 0 and high == int(most) else (low + high + 1) // 2
        fit.targets = [None if t is None else middle * t for t in present]
        fit.run(_SWEEPS_TO_TRY)
        if fit.met():
            low = middle
        else:
            high = middle - 1
    return int(np.floor(whole(np.array(low / covered))))


def _usable(had: Counts, marginals: Sequence[Shares | None]) -> tuple[Counts, list[Shares | None]]:
    """The rows of cells whose every level has a share, and the shares normalised."""
    rows = np.array(had, dtype=np.int64)
    if len(marginals) != rows.ndim:
        raise RecipeError(
            f"{len(marginals)} marginals for {rows.ndim} columns", hint="one for each column of `by`"
        )
    targets: list[Shares | None] = []
    for axis, shares in enumerate(marginals):
        if shares is None:
            targets.append(None)
            continue
        if len(shares) != rows.shape[axis]:
            raise RecipeError(
                f"{len(shares)} shares for {rows.shape[axis]} levels", hint="one for each level of the column"
            )
        target = normalised(shares)
        rows *= _along(target > 0, axis, rows.ndim)
        targets.append(target)
    return rows, targets


def _rows_for(rows: Counts, targets: Sequence[Shares | None], total: int) -> int:
    """How many of `total` rows there can be with no level above what is wanted of it."""
    margins = [_marginal(rows, axis).astype(np.int64) for axis in range(rows.ndim)]
    given = [
        int(np.minimum(there, wanted(there, shares, total)).sum())
        for there, shares in zip(margins, targets, strict=True)
        if shares is not None
    ]
    return min([total, int(rows.sum()), *given])


class _Fit:
    """Bounded iterative proportional fitting; keeps its factors, so that a new target starts from the last.

    Args:
        rows: int64, one axis for each marginal.
        targets: for each axis the rows wanted of its levels, float64 [levels], or None.
    """

    def __init__(self, rows: Counts, targets: Sequence[Shares | None]) -> None:
        self.rows = rows.astype(np.float64)
        self.targets = list(targets)
        self.factors = [np.ones(size) for size in rows.shape]

    def run(self, sweeps: int) -> None:
        """Scale every axis in turn, until no marginal moves by a hundredth of a row or `sweeps` are over."""
        for _ in range(sweeps):
            before = [factors.copy() for factors in self.factors]
            moved = max((self._scale(axis) for axis in range(self.rows.ndim)), default=0.0)
            if moved < 0.01 or all(map(np.array_equal, before, self.factors)):
                return

    def shares(self) -> Shares:
        """The product of the factors for each cell: what it would keep of its rows if it could."""
        product = np.ones(())
        for factors in self.factors:
            product = np.multiply.outer(product, factors)
        return product

    def met(self) -> bool:
        """Whether every level of every axis has its target, to a row or a ten-thousandth."""
        kept = self.rows * np.minimum(self.shares(), 1)
        return all(
            bool((np.abs(_marginal(kept, axis) - target) <= np.maximum(0.5, 1e-4 * target)).all())
            for axis, target in enumerate(self.targets)
            if target is not None
        )

    def scaled_to(self, number: int) -> Shares:
        """What each cell keeps, one factor for all added so that they sum to `number` (<= rows)."""
        shares, rows = self.shares().ravel(), self.rows.ravel()
        order = np.argsort(-shares, kind="stable")
        full = np.cumsum(rows[order])
        partial = np.cumsum((rows * shares)[order][::-1])[::-1]
        # With the k largest shares at 1, the factor that the others need; the first k that keeps them below 1.
        open_rows = number - np.concatenate([[0.0], full[:-1]])
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = open_rows / partial
            fits = np.flatnonzero(factor * shares[order] <= 1)
        if not len(fits):
            return self.rows
        return self.rows * np.minimum(self.shares() * max(float(factor[fits[0]]), 0.0), 1)

    def _scale(self, axis: int) -> float:
        """Bring one axis to its target; how many rows its worst level was off that could be helped."""
        target = self.targets[axis]
        if target is None:
            return 0.0
        shares = self.shares()
        full = shares >= 1
        capped = _marginal(np.where(full, self.rows, 0.0), axis)
        loose = _marginal(np.where(full, 0.0, self.rows * shares), axis)
        old = self.factors[axis]
        with np.errstate(divide="ignore", invalid="ignore"):
            # What capped cells cannot give, the others of the level give; where there is too much of those
            # alone, all shrink.
            step = np.where(target > capped, (target - capped) / loose, target / (capped + loose))
        step[np.isnan(step)] = 1.0
        self.factors[axis] = np.clip(old * step, 1 / LIMIT, LIMIT)
        movable = self.factors[axis] != old
        return float(np.abs(capped + loose - target)[movable].max(initial=0.0))


def _marginal(table: Counts | Shares, axis: int) -> Shares:
    others = tuple(i for i in range(table.ndim) if i != axis)
    return np.asarray(table.sum(axis=others), dtype=np.float64)


def _along(levels: NDArray[np.bool_], axis: int, ndim: int) -> NDArray[np.bool_]:
    shape = [1] * ndim
    shape[axis] = -1
    return levels.reshape(shape)
