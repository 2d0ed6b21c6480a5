"""Which of many 64-bit hashes differ in few bits, without comparing each with each.

Multi-index hashing (Norouzi, Punjani & Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012), in
its exact form: of m blocks of bits, two hashes that differ in d bits have at least m - d in common. So there is a table
for every choice of m - d blocks, and only hashes that share a key in some table are compared. A pair is reported by the
first table that holds it, hence once.

Perceptual hashes are not uniform: some bits are nearly the same in all portraits. The bits are dealt out to the
blocks by how much they tell, so that no block is left with the dull ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Rows = NDArray[np.intp]

BITS = 64
_SAMPLE = 20_000  # hashes that are looked at to plan
_MOST_KEY_BITS = 22
_MOST_TABLES = 100
# Nanoseconds: to enter a hash into a table and look it up there, to compare two hashes.
_ENTER, _COMPARE = 100.0, 1.5
_WINDOW = 16  # neighbours in a table that are compared at a time
_TILE = 4096  # windows at a time: half a megabyte
_FEW = 1 << 21  # comparisons that are not worth tables


class Pairs(NamedTuple):
    """Pairs of hashes, as positions: `query` among those asked for, `entry` among those of the index."""

    query: Rows
    entry: Rows


@dataclass(frozen=True, slots=True)
class Plan:
    """How hashes are cut into blocks, and which blocks make a table.

    Attributes:
        distance: bits in which two hashes may differ.
        bits: the 64 bits in their new order, most significant first.
        starts: where the blocks start, from the least significant bit of the new order; one more for the end.
        tables: for each table its blocks, ascending; one table without blocks compares everything with everything.
    """

    distance: int
    bits: NDArray[np.intp]
    starts: tuple[int, ...]
    tables: tuple[tuple[int, ...], ...]

    def arrange(self, hashes: Hashes) -> Hashes:
        """Put the bits of hashes into the order of the blocks; distances stay as they are."""
        arranged = np.empty_like(hashes)
        for first in range(0, len(hashes), 1 << 16):
            part = slice(first, first + (1 << 16))
            told = np.unpackbits(hashes[part].astype(">u8").view(np.uint8).reshape(-1, 8), axis=1)
            packed = np.packbits(np.take(told, self.bits, axis=1), axis=1)
            arranged[part] = np.ascontiguousarray(packed).view(">u8")[:, 0]
        return arranged

    def mask(self, block: int) -> np.uint64:
        """The bits of a block, in place."""
        return np.uint64((1 << self.starts[block + 1]) - (1 << self.starts[block]))

    def key_bits(self, table: int) -> int:
        """Length of a table's keys."""
        return sum(self.starts[b + 1] - self.starts[b] for b in self.tables[table])

    def keys(self, hashes: Hashes, table: int) -> NDArray[np.int32]:
        """The keys of arranged hashes in a table."""
        keys = np.zeros(len(hashes), np.uint64)
        for block in self.tables[table]:
            keys <<= np.uint64(self.starts[block + 1] - self.starts[block])
            keys |= (hashes & self.mask(block)) >> np.uint64(self.starts[block])
        return keys.astype(np.int32)

    def first_in(self, differences: Hashes, table: int) -> NDArray[np.bool_]:
        """Whether a table is the first to hold pairs with these differences."""
        blocks = self.tables[table]
        first = np.ones(len(differences), np.bool_)
        for block in range(blocks[-1] + 1 if blocks else 0):
            first &= ((differences & self.mask(block)) == 0) == (block in blocks)
        return first


def plan(hashes: Hashes, distance: int) -> Plan:
    """The cheapest plan for finding all pairs of these hashes.

    Args:
        hashes: (n,) uint64; some thousands of them are looked at.
        distance: bits in which two may differ, 0 to 16.
    """
    sample = hashes[:: max(len(hashes) // _SAMPLE, 1)]
    told = np.unpackbits(sample.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1)
    ones = told.mean(axis=0) if len(sample) else np.zeros(BITS)
    dull = np.argsort(np.rint(1000 * np.abs(ones - 0.5)), kind="stable")
    best, least = Plan(distance, np.arange(BITS), (0,), ((),)), _COMPARE * len(hashes) ** 2 / 2
    for blocks in range(distance + 1, BITS + 1):
        shared = blocks - distance
        if comb(blocks, shared) > _MOST_TABLES or -(-BITS // blocks) * shared > _MOST_KEY_BITS + shared:
            break
        candidate = Plan(distance, *_deal(dull, blocks), tuple(combinations(range(blocks), shared)))
        if max(candidate.key_bits(t) for t in range(len(candidate.tables))) > _MOST_KEY_BITS:
            continue
        cost = _cost(candidate, sample, len(hashes))
        if cost < least:
            best, least = candidate, cost
    return best


def _deal(dull: NDArray[np.intp], blocks: int) -> tuple[NDArray[np.intp], tuple[int, ...]]:
    """Deal bits out to blocks to and fro: the new order of the bits, and the blocks' starts."""
    hands: list[list[int]] = [[] for _ in range(blocks)]
    for i, bit in enumerate(dull.tolist()):
        turn, at = divmod(i, blocks)
        hands[at if turn % 2 == 0 else blocks - 1 - at].append(bit)
    starts = (0, *np.cumsum([len(hand) for hand in hands]).tolist())
    # The first block is the least significant one.
    return np.array([bit for hand in reversed(hands) for bit in hand]), starts


def _cost(candidate: Plan, sample: Hashes, count: int) -> float:
    """Nanoseconds that the pairs of `count` hashes like the sample would cost."""
    arranged = candidate.arrange(np.unique(sample))
    tables = range(0, len(candidate.tables), max(len(candidate.tables) // 8, 1))
    pairs = 0.0
    for table in tables:
        together = np.unique(candidate.keys(arranged, table), return_counts=True)[1].astype(np.float64)
        pairs += float((together * (together - 1)).sum()) / 2
    pairs *= len(candidate.tables) / len(tables) * (count / max(len(arranged), 1)) ** 2
    return len(candidate.tables) * count * _ENTER + pairs * _COMPARE


class Index:
    """Hashes that can be asked for those near others.

    Args:
        plan: how to look.
        hashes: (n,) uint64, arranged by the plan.
    """

    def __init__(self, plan: Plan, hashes: Hashes) -> None:
        self._plan = plan
        self.hashes = hashes
        self._tables: dict[int, _Table] = {}

    def parts(self, queries: int) -> range:
        """What `near` is to be called with, for as many queries, to find all pairs; any order will do."""
        few = len(self.hashes) * queries <= _FEW
        return range(-1, 0) if few else range(len(self._plan.tables))

    def near(self, queries: Hashes, part: int, *, own: bool = False) -> Iterator[Pairs]:
        """Pairs that differ in no more bits than planned, some tens of thousands of comparisons at a time.

        Args:
            queries: (q,) uint64, arranged by the plan.
            part: one of `parts(q)`.
            own: the queries are the hashes of this index; a pair is then told once, with `entry < query`.
        """
        if part < 0 or not self._plan.tables[part]:
            yield from self._every(queries, own)
            return
        table = self._tables.get(part)
        if table is None:
            table = self._tables[part] = _Table(self._plan, self.hashes, part)
        keys = self._plan.keys(queries, part)
        if own:
            # The entries of a bucket are in the order of the index: those before oneself are its earlier ones.
            ask = table.entries
            low, high = table.starts[keys[ask]], np.arange(len(ask), dtype=np.int32)
        else:
            ask = np.argsort(keys, kind="stable").astype(np.int32)
            low, high = table.starts[keys[ask]], table.starts[keys[ask] + 1]
        asked = queries[ask]
        windows = (high - low + (_WINDOW - 1)) // _WINDOW
        ends = np.cumsum(windows, dtype=np.int64)
        total = int(ends[-1]) if len(ends) else 0
        for first in range(0, total, _TILE):
            number = np.arange(first, min(first + _TILE, total))
            who = np.searchsorted(ends, number, side="right")
            at = low[who] + _WINDOW * (number - ends[who] + windows[who])
            differences = table.windows[at]
            differences ^= asked[who][:, None]
            close = np.flatnonzero(ones(differences) <= self._plan.distance)
            if not len(close):
                continue
            window, step = np.divmod(close, _WINDOW)
            who, at = who[window], at[window] + step
            # The last window may reach beyond the bucket.
            good = (at < high[who]) & self._plan.first_in(differences.reshape(-1)[close], part)
            yield Pairs(ask[who[good]].astype(np.intp), table.entries[at[good]].astype(np.intp))

    def _every(self, queries: Hashes, own: bool) -> Iterator[Pairs]:
        step = max((_TILE * _WINDOW) // max(len(self.hashes), 1), 1)
        for first in range(0, len(queries), step):
            asked = queries[first : first + step]
            entries = self.hashes[: first + len(asked)] if own else self.hashes
            close = ones(asked[:, None] ^ entries[None, :]) <= self._plan.distance
            query, entry = np.nonzero(close)
            query += first
            if own:
                earlier = entry < query
                query, entry = query[earlier], entry[earlier]
            if len(query):
                yield Pairs(query, entry)


class _Table:
    """Hashes by their keys.

    Attributes:
        entries: (n,) int32, positions in the index by key.
        starts: (2**bits + 1,) int32, where each key's entries start.
        windows: (n, 16) view of the hashes in that order, from each one on.
    """

    def __init__(self, plan: Plan, hashes: Hashes, table: int) -> None:
        keys = plan.keys(hashes, table)
        packed = np.sort((keys.astype(np.int64) << 32) | np.arange(len(keys)))
        self.entries = (packed & 0xFFFFFFFF).astype(np.int32)
        counts = np.bincount(keys, minlength=1 << plan.key_bits(table))
        self.starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        inline = np.zeros(len(hashes) + _WINDOW, np.uint64)
        inline[: len(hashes)] = hashes[self.entries]
        self.windows = np.lib.stride_tricks.sliding_window_view(inline, _WINDOW)


def _ones(values: Hashes) -> NDArray[np.uint8]:
    """How many bits are one; for NumPy 1, which cannot count them."""
    pairs = values - ((values >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + (
        (pairs >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    eights = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return ((eights * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.uint8)


ones = getattr(np, "bitwise_count", _ones)
