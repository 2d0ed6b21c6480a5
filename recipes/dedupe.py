"""Near-duplicates: near-identical pixels and the same expression.

Two faces are near each other if the perceptual hashes of their pictures differ in few bits, they are at the same place
in them, and their action units differ by little. A new expression is data, not a duplicate.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from curate.recipes.hamming import Hashes, Index, Plan, Rows, plan
from curate.recipes.vectors import whole

_FIRST_STEP, _LAST_STEP = 1_024, 65_536  # rows at a time
_MOST_PAIRS = 1 << 19  # pairs within a step, above which it is halved
_GROWTH = 3  # indices are joined when the last is a third as large as the one before
_BOX_UNITS = 10_000


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
    """Find what to leave out: in order, a row is left out if one that is kept is near it.

    Exact, and the same on every machine: it compares whole numbers only. Takes about as long as sorting unless very many rows
    are kept that differ in nothing but the expression.

    Args:
        phash: (n,) uint64.
        au: (n, k) float32 in [0, 1], NaN rows where there is no answer; None, or k = 0, compares pixels alone, and so
            does a row without an answer.
        hash_bits: bits in which two hashes may differ, 0 to 16.
        au_distance: root mean square difference of two vectors that still counts as the same expression, read to a
            thousandth; None compares pixels alone.
        order: rows, best first; what is not in it is neither kept nor left out.
        box: (n, 4) float32 left, top, width, height; the boxes of near faces overlap by half (intersection over
            union). Rows with NaN lie anywhere.
        picture: (n,) what picture a row belongs to; faces of one picture are never near each other.
        valid: (n,) False where there is no hash: such a row is near nothing.

    Returns:
        (n,) int64: for each row that is left out, the first row in `order` that is kept and near it; -1 for all others.
    """
    ranked = np.asarray(order if valid is None else order[valid[order]], np.intp)
    found = np.full(len(phash), -1, np.int64)
    if len(ranked):
        near = _Near(
            _units(au, ranked) if au_distance is not None and au is not None and au.shape[1] else None,
            0 if au_distance is None else round(au_distance * 1000),
            None if box is None else _corners(box[ranked]),
            None if picture is None else picture[ranked],
        )
        which = _Greedy(phash[ranked], hash_bits, near).run()
        out = which >= 0
        found[ranked[out]] = ranked[which[out]]
    return found


def _units(au: NDArray[np.float32], rows: Rows) -> NDArray[np.int16]:
    return whole(au[rows])


def _corners(box: NDArray[np.float32]) -> NDArray[np.int64]:
    """(n, 4) left, top, right, bottom in ten-thousandths; 0 width where NaN."""
    numbers = np.rint(np.nan_to_num(box.astype(np.float64), nan=-1e5) * _BOX_UNITS).astype(np.int64)
    numbers[:, 2:] += numbers[:, :2]
    return numbers


class _Near:
    """Whether rows are near each other, apart from their hashes.

    Args:
        units: (n, k) AU vectors in thousandths, or None.
        distance: of them, in thousandths.
        corners: (n, 4), or None.
        picture: (n,), or None.
    """

    def __init__(
        self,
        units: NDArray[np.int16] | None,
        distance: int,
        corners: NDArray[np.int64] | None,
        picture: NDArray[np.int64] | None,
    ) -> None:
        self._units = units
        self._limit = 0 if units is None else units.shape[1] * distance**2
        self._corners = corners
        self._picture = picture

    def __call__(self, a: Rows, b: Rows) -> NDArray[np.bool_]:
        """(p,) for p pairs of rows."""
        near = np.ones(len(a), np.bool_)
        if self._picture is not None:
            near &= self._picture[a] != self._picture[b]
        if self._corners is not None:
            near &= _overlap(self._corners[a], self._corners[b])
        if self._units is not None:
            one, other = self._units[a], self._units[b]
            apart = (one - other).astype(np.int32)
            near &= (np.einsum("ij,ij->i", apart, apart) <= self._limit) | (one[:, 0] < 0) | (other[:, 0] < 0)
        return near


def _overlap(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the intersection of two boxes is at least half of their union, or one of them is unknown."""
    shared = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0).prod(axis=1)
    both = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1)
    unknown = (a[:, 0] < -_BOX_UNITS * 1000) | (b[:, 0] < -_BOX_UNITS * 1000)
    return np.asarray((3 * shared >= both) | unknown)


class _Kept:
    """Rows that are kept, by their hashes."""

    def __init__(self, plan: Plan, hashes: Hashes, rows: Rows) -> None:
        self.rows = rows
        self.index = Index(plan, hashes[rows])


class _Greedy:
    """The walk through the rows, best first, in steps.

    Every step is compared with what is kept so far, and what is left of it with itself. Clusters of thousands
    of pictures thus cost no more than their rows times what is kept of them.

    Args:
        hashes: (n,) uint64, best first.
        hash_bits: bits in which two may differ.
        near: says of pairs of rows whether they are near apart from that.
    """

    def __init__(self, hashes: Hashes, hash_bits: int, near: _Near) -> None:
        self._plan = plan(hashes, hash_bits)
        self._hashes = self._plan.arrange(hashes)
        self._near = near
        # The first row that is kept and near; n where there is none (yet).
        self._which = np.full(len(hashes), len(hashes), np.int64)

    def run(self) -> NDArray[np.int64]:
        """(n,) the first row that is kept and near; -1 for what is kept."""
        kept: list[_Kept] = []
        first, step = 0, _FIRST_STEP
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            self._pool = pool
            while first < len(self._hashes):
                rows = np.arange(first, min(first + step, len(self._hashes)))
                first, step = first + step, min(2 * step, _LAST_STEP)
                self._join(kept, self._within(self._against(kept, rows)))
        return np.where(self._which < len(self._hashes), self._which, -1)

    def _join(self, kept: list[_Kept], rows: Rows) -> None:
        """Add to what is kept; few and large indices are quicker to ask than many small ones."""
        while kept and len(kept[-1].rows) < _GROWTH * len(rows):
            rows = np.concatenate([kept.pop().rows, rows])
        kept.append(_Kept(self._plan, self._hashes, rows))

    def _against(self, kept: Sequence[_Kept], rows: Rows) -> Rows:
        """Leave out what is near a row that is kept; gives the rest."""
        for some in kept:
            for later, earlier in self._pairs(some, rows, own=False):
                np.minimum.at(self._which, later, earlier)
        return rows[self._which[rows] == len(self._hashes)]

    def _within(self, rows: Rows) -> Rows:
        """Leave out what is near an earlier one of these rows that is kept; gives what is kept."""
        some = _Kept(self._plan, self._hashes, rows)
        pairs = self._pairs(some, rows, own=True)
        if sum(len(later) for later, _ in pairs) > _MOST_PAIRS:
            # Most of them will be left out: decide on the first half before looking at the second.
            half = len(rows) // 2
            first = self._within(rows[:half])
            second = self._against([_Kept(self._plan, self._hashes, first)], rows[half:])
            return np.concatenate([first, self._within(second)])
        if pairs:
            later, earlier = (np.concatenate(side) for side in zip(*pairs, strict=True))
            ordered = np.lexsort((earlier, later))
            which, kept = self._which, len(self._hashes)
            for row, other in zip(later[ordered].tolist(), earlier[ordered].tolist(), strict=True):
                if which[row] == kept and which[other] == kept:
                    which[row] = other
        return rows[self._which[rows] == len(self._hashes)]

    def _pairs(self, some: _Kept, rows: Rows, *, own: bool) -> list[tuple[Rows, Rows]]:
        """Near pairs of rows: the later, the earlier. With `own`, enough of them to see that they are too many."""
        found: list[tuple[Rows, Rows]] = []
        count = 0

        def look(part: int) -> None:
            nonlocal count
            for query, entry in some.index.near(self._hashes[rows], part, own=own):
                later, earlier = rows[query], some.rows[entry]
                near = self._near(later, earlier)
                if near.any():
                    found.append((later[near], earlier[near]))
                    count += int(near.sum())
                if own and count > _MOST_PAIRS:
                    return

        parts = some.index.parts(len(rows))
        if len(parts) == 1:
            look(parts[0])
        else:
            list(self._pool.map(look, parts))
        return found
