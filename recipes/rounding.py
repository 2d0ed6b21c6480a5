"""From fractions of rows to rows, with marginals as near to their shares as exchanges of rows make them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]

# Each exchange brings the marginals nearer; as many as this are never needed but where fitting failed.
_EXCHANGES = 500


def nearest_whole(table: Shares, had: Counts, targets: Sequence[Shares | None]) -> Counts:
    """Whole rows near `table`, of which no exchange of one cell's rows for another's betters the marginals.

    First every cell is rounded down or up, whichever makes up for the errors so far along all its axes (error
    diffusion). Then rows are exchanged while that lowers the sum of the marginals' total variations.

    Args:
        table: what each cell is to keep, float64, 0 <= table <= had, summing to a whole number.
        had: rows in each cell, int64, the same shape.
        targets: for each axis the shares of its levels, float64 [levels], summing to 1, or None.

    Returns:
        int64, the shape of `table`, 0 <= result <= had, with the same sum.
    """
    number = round(float(table.sum()))
    axes = [axis for axis, shares in enumerate(targets) if shares is not None]
    exact = {axis: number * shares for axis, shares in enumerate(targets) if shares is not None}
    exchange = _Exchange(_diffused(table, had), had, axes, exact)
    exchange.bring_to(number)
    for _ in range(_EXCHANGES):
        if not exchange.once():
            break
    return exchange.kept


def _diffused(table: Shares, had: Counts) -> Counts:
    """Every cell rounded down or up, errors carried along its levels."""
    kept = np.minimum(np.floor(table + 1e-9).astype(np.int64), had)
    fraction = table - kept
    carried = [[0.0] * size for size in table.shape]
    for cell in np.argwhere((fraction > 1e-9) & (kept < had)).tolist():
        place = tuple(cell)
        part = float(fraction[place])
        owed = sum(errors[level] for errors, level in zip(carried, place, strict=True)) / len(place)
        up = part + owed >= 0.5
        kept[place] += up
        for errors, level in zip(carried, place, strict=True):
            errors[level] += part - up
    return kept


class _Exchange:
    """Rows kept, and what one more or one less in a cell does to the marginals.

    Args:
        kept, had: int64, one axis for each marginal.
        axes: those that have a target.
        exact: for each of them the rows that its levels are to have, float64 [levels].
    """

    def __init__(self, kept: Counts, had: Counts, axes: Sequence[int], exact: dict[int, Shares]) -> None:
        self.kept, self.had, self.axes, self.exact = kept, had, axes, exact
        self.others = {axis: tuple(i for i in range(kept.ndim) if i != axis) for axis in axes}
        # An exchange changes the levels of some axes and stays within a level of the others.
        self.changes = [some for size in range(1, len(axes) + 1) for some in combinations(axes, size)]

    def bring_to(self, number: int) -> None:
        """Add or take single rows, the best for the marginals first, until there are `number`."""
        while (missing := number - int(self.kept.sum())) != 0:
            sign = 1 if missing > 0 else -1
            price = self._price(sign, self.axes)
            self.kept[np.unravel_index(np.argmin(price), price.shape)] += sign

    def once(self) -> bool:
        """Exchange rows between the two cells where it helps most, as many as it helps; whether it did."""
        best, pair = -1e-9, None
        free = tuple(i for i in range(self.kept.ndim) if i not in self.axes)
        for some in self.changes:
            moving = some + free
            more, less = self._price(1, some), self._price(-1, some)
            gain = more.min(axis=moving) + less.min(axis=moving)
            where = int(np.argmin(gain))
            if gain.flat[where] < best:
                best = float(gain.flat[where])
                pair = tuple(_cell(price, moving, where) for price in (less, more))
        if pair is None:
            return False
        source, sink = pair
        rows = self._straight(source, sink)
        self.kept[source] -= rows
        self.kept[sink] += rows
        return True

    def _off(self, axis: int) -> Shares:
        return np.asarray(self.kept.sum(axis=self.others[axis]) - self.exact[axis], dtype=np.float64)

    def _price(self, sign: int, axes: Sequence[int]) -> Shares:
        """What a row more (or less) in each cell adds to the distance of those axes; inf where it cannot be."""
        possible = self.kept < self.had if sign > 0 else self.kept > 0
        price = np.where(possible, 0.0, np.inf)
        for axis in axes:
            off = self._off(axis)
            shape = [1] * price.ndim
            shape[axis] = -1
            price += (np.abs(off + sign) - np.abs(off)).reshape(shape)
        return price

    def _straight(self, source: tuple[int, ...], sink: tuple[int, ...]) -> int:
        """How many rows can go before the price of one changes for the worse."""
        rows = [int(self.kept[source]), int(self.had[sink] - self.kept[sink])]
        for axis in self.axes:
            if source[axis] != sink[axis]:
                off = self._off(axis)
                rows += [int(off[source[axis]]), int(-off[sink[axis]])]
        return min(rows[:2] + [max(1, n) for n in rows[2:]])


def _cell(price: Shares, moving: tuple[int, ...], where: int) -> tuple[int, ...]:
    """The cheapest cell of the group number `where`, groups being what the axes that do not move tell apart."""
    fixed = [i for i in range(price.ndim) if i not in moving]
    group = np.unravel_index(where, [price.shape[i] for i in fixed]) if fixed else ()
    chosen = dict(zip(fixed, (int(i) for i in group), strict=True))
    view = price[tuple(chosen.get(i, slice(None)) for i in range(price.ndim))]
    place = iter(np.unravel_index(int(np.argmin(view)), view.shape))
    return tuple(chosen[i] if i in chosen else int(next(place)) for i in range(price.ndim))
