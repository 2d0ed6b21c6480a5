"""Iterative proportional fitting of a table to its marginals, where cells and levels can run out of rows.

Deming & Stephan 1940, Annals of Mathematical Statistics 11:427. Every level has a factor, a cell keeps the
share `product of its levels' factors` of its rows, and each axis in turn is scaled to its target: of all
tables with these marginals the one nearest to what is there (Kullback-Leibler). Two things are added:

- A cell cannot give more than it has: its share stops at 1, and the others of its level give the rest.
- Where no table meets all targets, plain fitting runs to and fro for ever. Here factors have bounds. A
  bounded factor is a price for each row off the target, log(LIMIT), so fitting goes to the table with
  the smallest sum of |marginal - target| that has the number of rows. Where several have it, rows that one
  level lacks go to the others as their shares say: a row beyond that costs SURPLUS more, one before it less.
  Bounds are around the factor that a level would have alone, or a level with many rows would seem dear.

It is block coordinate ascent on the dual, which is concave and smooth: it does not run to and fro.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.recipes.quotas import Counts, Shares

LIMIT = 1e9
SURPLUS = 0.1
_DEAR, _CHEAP = LIMIT ** -(1 + SURPLUS), LIMIT ** -(1 - SURPLUS)


@dataclass(frozen=True, slots=True)
class _Aim:
    """What the levels of an axis are fitted to, each float64 [levels].

    Attributes:
        target: rows by their shares.
        spare: the same and what other levels lack.
        alone: the factor that leads there if there is no other axis.
    """

    target: Shares
    spare: Shares
    alone: Shares


class Fit:
    """A table that is being fitted. It keeps its factors: a new aim starts where the last one ended.

    Args:
        rows: rows in each cell, int64, one axis for each marginal.
    """

    def __init__(self, rows: Counts) -> None:
        self._shape = rows.shape
        # Most joint tables are mostly empty: only cells with rows are carried along.
        self._cells = np.flatnonzero(rows)
        self._levels = np.unravel_index(self._cells, rows.shape)
        self._rows = rows.ravel()[self._cells].astype(np.float64)
        self._factors = [np.ones(size) for size in rows.shape]
        self._overall = 1.0
        self._number = 0.0
        self._aims: list[_Aim | None] = [None] * rows.ndim

    def aim(self, number: int, shares: Sequence[Shares | None]) -> None:
        """Say what to fit to.

        Args:
            number: of rows in all, at most those there are.
            shares: for each axis the shares of its levels, summing to 1, or None.
        """
        self._number = float(number)
        for axis, t in enumerate(shares):
            if t is not None:
                had = self._marginal(self._rows, axis)
                spare = poured(had, t, number)
                alone = np.divide(spare, had, out=np.ones(len(t)), where=spare > 0)
                self._aims[axis] = _Aim(number * t, np.maximum(spare, number * t), alone)
                self._factors[axis] = alone.copy()

    def run(self, sweeps: int) -> None:
        """Scale every axis in turn, until nothing is off by a hundredth of a row or `sweeps` are over."""
        for _ in range(sweeps):
            off = max(self._scale_all(), *(self._scale(axis) for axis in range(len(self._shape))))
            if off < 0.01:
                return

    def met(self) -> bool:
        """Whether every level has the rows of its share, to half a row or a ten-thousandth."""
        kept = self._rows * np.minimum(self._shares(), 1)
        return all(
            bool(
                (np.abs(self._marginal(kept, axis) - aim.target) <= np.maximum(0.5, 1e-4 * aim.target)).all()
            )
            for axis, aim in enumerate(self._aims)
            if aim is not None
        )

    def table(self) -> Shares:
        """What each cell keeps, float64, at most its rows, summing to the number of rows exactly."""
        shares = self._shares()
        order = np.argsort(-shares, kind="stable")
        falling, rows = shares[order], self._rows[order]
        # With the first k cells full, the factor the others need; the first k at which it makes none overflow.
        left = self._number - np.concatenate([[0.0], np.cumsum(rows)[:-1]])
        factor = left / np.cumsum((rows * falling)[::-1])[::-1]
        fits = np.flatnonzero(factor * falling <= 1)
        table = np.zeros(self._shape)
        kept = np.clip(shares * factor[fits[0]], 0, 1) if len(fits) else np.ones(len(shares))
        table.ravel()[self._cells] = self._rows * kept
        return table

    def _shares(self) -> Shares:
        product = np.full(len(self._rows), self._overall)
        for factors, level in zip(self._factors, self._levels, strict=True):
            product *= factors[level]
        return product

    def _marginal(self, values: Shares, axis: int) -> Shares:
        sums = np.bincount(self._levels[axis], values, minlength=self._shape[axis])
        return np.asarray(sums, dtype=np.float64)

    def _kept(self) -> tuple[Shares, Shares]:
        """What cells keep that give all they have, and what the others keep."""
        shares = self._shares()
        full = shares >= 1
        return np.where(full, self._rows, 0.0), np.where(full, 0.0, self._rows * shares)

    def _scale(self, axis: int) -> float:
        """Bring one axis to its target; by how many rows a level was off whose factor could still move."""
        aim = self._aims[axis]
        if aim is None:
            return 0.0
        capped, loose = (self._marginal(part, axis) for part in self._kept())
        old = self._factors[axis]
        exact = old * _step(aim.target, capped, loose)
        spare = old * _step(aim.spare, capped, loose)
        scarce = exact > _CHEAP * aim.alone
        bounded = np.clip(spare, _DEAR * aim.alone, _CHEAP * aim.alone)
        self._factors[axis] = np.where(scarce, np.minimum(exact, LIMIT * aim.alone), bounded)
        off = np.abs(capped + loose - np.where(scarce, aim.target, aim.spare))
        return float(off[self._factors[axis] != old].max(initial=0.0))

    def _scale_all(self) -> float:
        """Bring the sum to the number of rows; by how many it was off."""
        capped, loose = (part.sum() for part in self._kept())
        step = float(_step(np.array(self._number), capped, loose))
        # The bounds are those of a float: where nothing can move any more, a step is infinite.
        self._overall = min(max(self._overall * step, 1e-100), 1e100)
        return float(abs(capped + loose - self._number))


def poured(had: Shares, shares: Shares, number: float) -> Shares:
    """`number` rows by shares; what a level has not is shared out among the others, until none has more.

    Args:
        had: rows of each level, float64 [levels].
        shares: of each level, float64 [levels].
        number: rows in all.

    Returns:
        float64 [levels], at most `had`, summing to `number` or to what the levels with a share have.
    """
    # Each round fills a level, or ends.
    given, free = np.zeros(len(had)), (shares > 0) & (had > 0)
    while free.any():
        level = (number - given[~free].sum()) / shares[free].sum()
        given[free] = level * shares[free]
        short = free & (given >= had)
        if not short.any():
            break
        given[short] = had[short]
        free &= ~short
    return given


def _step(target: Shares, capped: Shares, loose: Shares) -> NDArray[np.float64]:
    """The factor that leads to the target if no further cell gives all it has.

    What the capped cells cannot give, the others give; where there is too much of those alone, all shrink.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(target > capped, (target - capped) / loose, target / (capped + loose))
    return np.where(np.isnan(step), 1.0, step)
