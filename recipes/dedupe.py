"""Near-duplicates: near-identical pixels and the same expression.

Two faces are near each other if the perceptual hashes of their pictures differ in few bits, they are at the same place
in them, and their action units differ by little. A new expression is data, not a duplicate.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import numpy as np
from numpy.typing import NDArray

from curate.recipes.hamming import EVERY, Hashes, Rows, near, near_own, plan
from curate.recipes.vectors import whole

_FIRST_STEP, _GROWTH = 1_024, 6  # rows at a time, and how many times as many the next time
# Pairs of near hashes within a step, and for each of its rows; if there are more, it is halved.
_MOST_PAIRS, _MOST_EACH = 1 << 20, 32
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

    Exact, and the same on every machine: it compares whole numbers only. Not quadratic, unless
    very many rows are kept that differ in nothing but the expression.

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
        others = _Near(
            whole(au)[ranked] if au_distance is not None and au is not None and au.shape[1] else None,
            0 if au_distance is None else round(au_distance * 1000),
            None if box is None else _corners(box[ranked]),
            None if picture is None else picture[ranked],
        )
        which = _Greedy(phash[ranked], hash_bits, others).run()
        out = which >= 0
        found[ranked[out]] = ranked[which[out]]
    return found


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
        self._limit = 0 if units is None else units.shape[1] * distance**2
        # Single precision is twice as fast, and exact as far as it has to be.
        exact = np.float32 if self._limit < 1 << 24 else np.int32
        self._units = None if units is None else units.astype(exact)
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
            one, other = np.take(self._units, a, axis=0), np.take(self._units, b, axis=0)
            unknown = (one[:, 0] < 0) | (other[:, 0] < 0)
            apart = np.subtract(one, other, out=one)
            near &= (np.einsum("ij,ij->i", apart, apart) <= self._limit) | unknown
        return near


def _overlap(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the intersection of two boxes is at least half of their union, or one of them is unknown."""
    shared = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0).prod(axis=1)
    both = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1)
    unknown = (a[:, 0] < -_BOX_UNITS * 1000) | (b[:, 0] < -_BOX_UNITS * 1000)
    return np.asarray((3 * shared >= both) | unknown)


class _Greedy:
    """The walk through the rows, best first, in steps.

    What is near a row that is kept already is out at once, the rest of a step is compared with itself. Clusters of
    thousands of pictures thus cost no more than their rows times what is kept of them.

    Args:
        hashes: (n,) uint64, best first.
        hash_bits: bits in which two may differ.
        near: says of pairs of rows whether they are near apart from that.
    """

    def __init__(self, hashes: Hashes, hash_bits: int, near: _Near) -> None:
        self._plan = plan(hashes, hash_bits)
        self._hashes = self._plan.arrange(hashes)
        self._near = near
        self._out = np.zeros(len(hashes), np.bool_)
        # For rows that are out, the first row seen so far that is kept and near.
        self._which = np.full(len(hashes), len(hashes), np.int64)
        self._lock = Lock()

    def run(self) -> NDArray[np.int64]:
        """(n,) the first row that is kept and near; -1 for what is kept."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            self._pool = pool
            kept = np.arange(0)
            first, step = 0, _FIRST_STEP
            while first < len(self._hashes):
                rows = np.arange(first, min(first + step, len(self._hashes)))
                more = self._decide(kept, rows)
                self._settle(kept, rows[self._which[rows] < first])
                kept = np.concatenate([kept, more])
                first, step = first + step, _GROWTH * step
            return np.where(self._out, self._which, -1)

    def _decide(self, kept: Rows, rows: Rows) -> Rows:
        """Which of some rows are to be kept, given what is kept of all before them."""
        parts = self._plan.parts(len(kept) * len(rows))
        if EVERY in parts:
            rows, kept = self._leave_out(kept, rows), kept[:0]
        else:
            rows = self._leave_out(kept, rows, self._plan.apart())
        edges = self._edges(kept, rows)
        if edges is None:
            # Many rows are near each other: most will be out before they are compared if we go slowly.
            rows = self._leave_out(kept, rows)
            half = len(rows) // 2
            first, second = self._decide(rows[:0], rows[:half]), rows[half:]
            rest = self._leave_out(first, second)
            self._settle(first, second[self._out[second]])
            return np.concatenate([first, self._decide(rows[:0], rest)])
        later, earlier = edges
        out = self._out
        for row, other in zip(later.tolist(), earlier.tolist(), strict=True):
            if not out[other]:
                out[row] = True
                self._which[row] = min(self._which[row], other)
        return rows[~out[rows]]

    def _leave(self, rows: Rows, others: Rows) -> None:
        """Leave out rows that are near others, which are kept."""
        with self._lock:
            self._out[rows] = True
            np.minimum.at(self._which, rows, others)

    def _leave_out(self, kept: Rows, rows: Rows, parts: Sequence[int] | None = None) -> Rows:
        """Leave out what is near a row that is kept; gives the rest."""

        def look(part: int) -> None:
            left = rows[~self._out[rows]]
            for query, entry in near(self._plan, part, self._hashes[kept], self._hashes[left]):
                later, earlier = left[query], kept[entry]
                close = self._near(later, earlier)
                self._leave(later[close], earlier[close])

        self._each(look, self._plan.parts(len(kept) * len(rows)) if parts is None else parts)
        return rows[~self._out[rows]]

    def _edges(self, kept: Rows, rows: Rows) -> tuple[Rows, Rows] | None:
        """Leave out what is near a row that is kept; pairs of near rows among the rest: the later, the earlier, sorted.

        None if they are too many, and not all may then be left out.
        """
        found: list[tuple[Rows, Rows]] = []
        left = max(_MOST_PAIRS, _MOST_EACH * len(rows)) if len(rows) > _FIRST_STEP else len(rows) ** 2
        too_many = Event()

        def look(part: int) -> None:
            nonlocal left
            if too_many.is_set():
                return
            both = np.concatenate([kept, rows[~self._out[rows]]])
            for query, entry in near_own(self._plan, part, self._hashes[both], len(kept)):
                later, earlier = both[query], both[entry]
                left -= int((entry >= len(kept)).sum())
                close = self._near(later, earlier)
                old = close & (entry < len(kept))
                self._leave(later[old], earlier[old])
                close &= (entry >= len(kept)) & ~self._out[later] & ~self._out[earlier]
                if close.any():
                    found.append((later[close], earlier[close]))
                if left < 0:
                    too_many.set()
                    return

        self._each(look, self._plan.parts((len(kept) + len(rows)) * len(rows)))
        if too_many.is_set():
            return None
        later, earlier = (
            np.concatenate([np.arange(0), *side]) for side in ([a for a, _ in found], [b for _, b in found])
        )
        some = ~self._out[later] & ~self._out[earlier]
        ordered = np.lexsort((earlier[some], later[some]))
        return later[some][ordered], earlier[some][ordered]

    def _settle(self, kept: Rows, rows: Rows) -> None:
        """Of all that are kept and near a row that is out, find the first: only those before the one known matter."""

        def look(part: int) -> None:
            before = np.searchsorted(kept, self._which[rows])
            for query, entry in near(self._plan, part, self._hashes[kept], self._hashes[rows], before):
                later, earlier = rows[query], kept[entry]
                close = self._near(later, earlier)
                self._leave(later[close], earlier[close])

        self._each(look, self._plan.parts(len(kept) * len(rows)))

    def _each(self, look: Callable[[int], None], parts: Sequence[int]) -> None:
        if len(parts) == 1:
            look(parts[0])
        else:
            list(self._pool.map(look, parts))
