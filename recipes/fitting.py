"""Iterative proportional fitting of a table to its marginals, where cells and levels can run out of rows.

Deming & Stephan 1940, Annals of Mathematical Statistics 11:427. Every level has a factor, a cell keeps the
share `product of its levels' factors` of its rows, and each axis in turn is scaled to its target: of all
tables with these marginals the one nearest to what is there (Kullback-Leibler). Two things are added:

- A cell cannot give more than it has: its share stops at 1, and the others of its level give the rest.
- Where no table meets all targets, plain fitting runs to and fro for ever. Here factors have bounds. A
  bounded factor is a price for each row off the target, log(LIMIT), so fitting goes to the table with
  the smallest sum of |marginal - target| that has the number of rows. Where several have it, rows that one
  level lacks go to the others as their shares say: a row beyond that costs SURPLUS more, one before it less.

It is block coordinate ascent on the dual, which is concave and smooth: it does not run to and fro.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from curate.recipes.quotas import Counts, Shares

LIMIT = 1e9
SURPLUS = 0.1
_DEAR, _CHEAP = LIMIT ** -(1 + SURPLUS), LIMIT ** -(1 - SURPLUS)


class Fit:
    """A table that is being fitted. It keeps its factors: a new aim starts where the last one ended.

    Args:
        rows: rows in each cell, int64, one axis for each marginal.
    """

    def __init__(self, rows: Counts) -> None:
        self._rows = rows.astype(np.float64)
        self._factors = [np.ones(size) for size in rows.shape]
        self._overall = np.ones(())
        self._number = 0.0
        # For each axis the rows of its levels by their shares, and with what other levels lack.
        self._targets: list[tuple[Shares, Shares] | None] = [None] * rows.ndim

    def aim(self, number: int, shares: Sequence[Shares | None]) -> None:
        """Say what to fit to.

        Args:
            number: of rows in all, at most those there are.
            shares: for each axis the shares of its levels, summing to 1, or None.
        """
        self._number = float(number)
        for axis, t in enumerate(shares):
            if t is not None:
                given = poured(marginal(self._rows, axis), t, number)
                self._targets[axis] = number * t, np.maximum(given, number * t)

    def run(self, sweeps: int) -> None:
        """Scale every axis in turn, until nothing is off by a hundredth of a row or `sweeps` are over."""
        for _ in range(sweeps):
            off = max(self._scale_all(), *(self._scale(axis) for axis in range(self._rows.ndim)))
            if off < 0.01:
                return

    def met(self) -> bool:
        """Whether every level has the rows of its share, to half a row or a ten-thousandth."""
        kept = self._rows * np.minimum(self._shares(), 1)
        return all(
            bool((np.abs(marginal(kept, axis) - aims[0]) <= np.maximum(0.5, 1e-4 * aims[0])).all())
            for axis, aims in enumerate(self._targets)
            if aims is not None
        )

    def table(self) -> Shares:
        """What each cell keeps, float64, 0 <= table <= rows, summing to the number of rows exactly."""
        shares, rows = self._shares().ravel(), self._rows.ravel()
        order = np.argsort(-shares, kind="stable")
        shares, rows = shares[order], rows[order]
        # With the first k cells full, the factor the others need; the first k at which it makes none overflow.
        left = self._number - np.concatenate([[0.0], np.cumsum(rows)[:-1]])
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = left / np.cumsum((rows * shares)[::-1])[::-1]
            fits = np.flatnonzero(factor * shares <= 1)
        if not len(fits):
            return self._rows
        return self._rows * np.clip(self._shares() * factor[fits[0]], 0, 1)

    def _shares(self) -> Shares:
        product: Shares = self._overall
        for factors in self._factors:
            product = np.multiply.outer(product, factors)
        return product

    def _kept(self) -> tuple[Shares, Shares]:
        """What cells keep that give all they have, and what the others keep."""
        shares = self._shares()
        full = shares >= 1
        return np.where(full, self._rows, 0.0), np.where(full, 0.0, self._rows * shares)

    def _scale(self, axis: int) -> float:
        """Bring one axis to its target; by how many rows a level was off whose factor could still move."""
        aims = self._targets[axis]
        if aims is None:
            return 0.0
        capped, loose = (marginal(part, axis) for part in self._kept())
        old = self._factors[axis]
        exact, spare = (old * _step(target, capped, loose) for target in aims)
        new = np.where(exact > _CHEAP, np.minimum(exact, LIMIT), np.clip(spare, _DEAR, _CHEAP))
        self._factors[axis] = new
        aim = np.where(exact > _CHEAP, *aims)
        return float(np.abs(capped + loose - aim)[new != old].max(initial=0.0))

    def _scale_all(self) -> float:
        """Bring the sum to the number of rows; by how many it was off."""
        capped, loose = (part.sum() for part in self._kept())
        step = _step(np.array(self._number), capped, loose)
        # The bounds are those of a float: where nothing can move any more, a step is infinite.
        self._overall = np.clip(self._overall * step, 1e-200, 1e200)
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


def marginal(table: Counts | Shares, axis: int) -> Shares:
    """The table summed over all axes but one: float64 [levels of that axis]."""
    others = tuple(i for i in range(table.ndim) if i != axis)
    return np.asarray(table.sum(axis=others), dtype=np.float64)


def _step(target: Shares, capped: Shares, loose: Shares) -> NDArray[np.float64]:
    """The factor that leads to the target if no further cell gives all it has.

    What the capped cells cannot give, the others give; where there is too much of those alone, all shrink.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(target > capped, (target - capped) / loose, target / (capped + loose))
    return np.where(np.isnan(step), 1.0, step)
