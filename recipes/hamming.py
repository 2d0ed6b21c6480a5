"""Which of many 64-bit hashes differ in few bits, without comparing each with each.

Multi-index hashing (Norouzi, Punjani & Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012), in
its exact form: of m blocks of bits, two hashes that differ in d bits have at least m - d in common. So there is a table
for every choice of m - d blocks, and only hashes that share a key in some table are compared. A pair is reported by the
first table that holds it, hence once.

Perceptual hashes are not uniform: some bits are nearly the same in all portraits. The bits are dealt out to the
blocks by how much they tell, so that no block is left with the dull ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Rows = NDArray[np.intp]

BITS = 64
EVERY = -1  # the part that compares each with each
_SAMPLE = 20_000  # hashes that are looked at to plan
_MOST_KEY_BITS = 22
_MOST_TABLES = 100
# Nanoseconds: to enter a hash into a table and look it up there, to compare two hashes.
_ENTER, _COMPARE = 100.0, 1.5
_WINDOW = 16  # neighbours in a table that are compared at a time
_TILE = 8192  # windows at a time: a megabyte
_SMALL = 200  # entries of a bucket that is compared side by side with others
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

    def parts(self, comparisons: int) -> Sequence[int]:
        """What `near` is to be called with to find all pairs, in any order, where each with each are so many."""
        return [EVERY] if comparisons <= _FEW or self.tables == ((),) else range(len(self.tables))

    def apart(self) -> list[int]:
        """Some tables that have no block in common: most hashes that are near share a key in one of them."""
        used: set[int] = set()
        chosen = []
        for part, blocks in enumerate(self.tables):
            if not used.intersection(blocks):
                chosen.append(part)
                used.update(blocks)
        return chosen

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


def near(
    plan: Plan, part: int, entries: Hashes, queries: Hashes, before: Rows | None = None
) -> Iterator[Pairs]:
    """Pairs of a query and an entry that differ in no more bits than planned, some at a time.

    Args:
        plan: how to look.
        part: one of `plan.parts(...)`.
        entries: (n,) uint64, arranged by the plan.
        queries: (q,) uint64, arranged by the plan.
        before: (q,) for each query, the first entry that is not wanted any more.
    """
    if part == EVERY:
        step = max(_TILE * _WINDOW // max(len(entries), 1), 1)
        for first in range(0, len(queries), step):
            asked = queries[first : first + step]
            query, entry = _close(asked[:, None] ^ entries[None, :], plan.distance)
            query += first
            wanted = slice(None) if before is None else entry < before[query]
            yield Pairs(query[wanted], entry[wanted])
        return
    table = _Table(plan, entries, part)
    keys = plan.keys(queries, part)
    ask = np.argsort(keys, kind="stable")
    keys = keys[ask]
    high = table.starts[keys + 1] if before is None else table.places(keys, before[ask])
    for pairs in table.compare(queries[ask], table.starts[keys], high):
        yield Pairs(ask[pairs.query], pairs.entry)


def near_own(plan: Plan, part: int, hashes: Hashes, since: int = 0) -> Iterator[Pairs]:
    """Pairs among hashes, each once, with `entry < query`; those before `since` are not compared with each other."""
    if part == EVERY:
        for query, entry in near(plan, part, hashes, hashes[since:]):
            earlier = entry < query + since
            yield Pairs(query[earlier] + since, entry[earlier])
        return
    for query, entry in _Table(plan, hashes, part).own():
        wanted = query >= since
        yield Pairs(query[wanted], entry[wanted])


class _Table:
    """Hashes by their keys.

    Attributes:
        entries: (n,) int32, positions of the hashes by key, then in order.
        starts: (2**bits + 1,) int32, where each key's entries start.
    """

    def __init__(self, plan: Plan, hashes: Hashes, part: int) -> None:
        keys = plan.keys(hashes, part)
        self._packed = np.sort((keys.astype(np.int64) << 32) | np.arange(len(keys)))
        self.entries = (self._packed & 0xFFFFFFFF).astype(np.int32)
        counts = np.bincount(keys, minlength=1 << plan.key_bits(part))
        self.starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        self._plan, self._part = plan, part
        hashes_by_key = np.zeros(len(hashes) + _WINDOW, np.uint64)
        np.take(hashes, self.entries, out=hashes_by_key[: len(hashes)])
        self._windows = np.lib.stride_tricks.sliding_window_view(hashes_by_key, _WINDOW)

    def places(self, keys: NDArray[np.int32], entries: Rows) -> Rows:
        """Where entries would stand among those with these keys."""
        return np.searchsorted(self._packed, (keys.astype(np.int64) << 32) | entries)

    def compare(
        self, queries: Hashes, low: NDArray[np.integer], high: NDArray[np.integer]
    ) -> Iterator[Pairs]:
        """Compare each query with the entries from `low` to `high`, places in the table."""
        some = high > low
        asking = np.flatnonzero(some)
        queries, low, high = queries[some], low[some].astype(np.int64), high[some].astype(np.int64)
        windows = (high - low + (_WINDOW - 1)) // _WINDOW
        ends = np.cumsum(windows)
        offsets = low - _WINDOW * (ends - windows)
        found: list[tuple[Rows, Rows, Hashes]] = []
        first = begin = count = 0
        while first < len(queries):
            # Whole queries, of about a tile of windows; one with more than that is a tile of its own.
            last = max(int(np.searchsorted(ends, begin + _TILE, side="right")), first + 1)
            end = int(ends[last - 1])
            who = np.repeat(np.arange(first, last), windows[first:last])
            at = offsets[who] + _WINDOW * np.arange(begin, end)
            first, begin = last, end
            differences = self._windows[at]
            differences ^= queries[who][:, None]
            close = np.flatnonzero(ones(differences) <= self._plan.distance)
            if len(close):
                window, step = np.divmod(close, _WINDOW)
                found.append((who[window], at[window] + step, differences.reshape(-1)[close]))
                count += len(close)
            if found and (count > _TILE * _WINDOW or first == len(queries)):
                who, at, differences = (np.concatenate(some) for some in zip(*found, strict=True))
                found, count = [], 0
                # The last window of a query may reach beyond the bucket.
                good = (at < high[who]) & self._plan.first_in(differences, self._part)
                yield Pairs(asking[who[good]], self.entries[at[good]].astype(np.intp))

    def own(self) -> Iterator[Pairs]:
        """Compare all entries of a bucket with each other."""
        sizes = np.diff(self.starts)
        lengths = np.array(_lengths(_SMALL))
        length = np.searchsorted(lengths, sizes)
        found: list[tuple[Rows, Rows, Hashes]] = []
        count = 0
        for some in self._compared(sizes, lengths, length):
            found.append(some)
            count += len(some[0])
            if count > _TILE * _WINDOW:
                yield self._checked(found)
                found, count = [], 0
        if found:
            yield self._checked(found)

    def _compared(
        self, sizes: NDArray[np.int32], lengths: Rows, length: Rows
    ) -> Iterator[tuple[Rows, Rows, Hashes]]:
        """Places of the later and the earlier entry, and their differences, where those are few."""
        for number in range(1, len(lengths)):
            rows = int(lengths[number])
            buckets = np.flatnonzero((length == number) & (sizes > 1))
            many = max(_TILE * _WINDOW // 2 // rows, 1)
            for first in range(0, len(buckets), many):
                some = buckets[first : first + many]
                at = np.arange(rows)[:, None]
                yield from self._columns(
                    np.where(at < sizes[some], self.starts[some] + at, len(self.entries)).ravel(), len(some)
                )
        for bucket in np.flatnonzero(length == len(lengths)).tolist():
            yield from self._square(int(self.starts[bucket]), int(self.starts[bucket + 1]))

    def _columns(self, places: Rows, columns: int) -> Iterator[tuple[Rows, Rows, Hashes]]:
        """Small buckets side by side, as columns: all entries so many rows apart are compared in one go.

        Places beyond the table are padding.
        """
        hashes = self._windows[places, 0]
        for step in range(columns, len(places), columns):
            differences = hashes[step:] ^ hashes[:-step]
            close = (ones(differences) <= self._plan.distance).nonzero()[0]
            if len(close):
                yield places[close + step], places[close], differences[close]

    def _square(self, low: int, high: int) -> Iterator[tuple[Rows, Rows, Hashes]]:
        """A large bucket, some of its entries with all before them."""
        hashes = self._windows[low:high, 0]
        # The part of a square that lies above the diagonal is for nothing.
        step = max(min(_TILE * _WINDOW // 2 // len(hashes), len(hashes) // 8), 1)
        for first in range(0, len(hashes), step):
            some = hashes[first : first + step]
            differences = some[:, None] ^ hashes[None, : first + len(some)]
            later, earlier = _close(differences, self._plan.distance)
            wanted = earlier < later + first
            later, earlier = later[wanted], earlier[wanted]
            yield later + (low + first), earlier + low, differences[later, earlier]

    def _checked(self, found: list[tuple[Rows, Rows, Hashes]]) -> Pairs:
        """Those that are entries, and were not found by a table before this one."""
        later, earlier, differences = (np.concatenate(some) for some in zip(*found, strict=True))
        good = (later < len(self.entries)) & self._plan.first_in(differences, self._part)
        return Pairs(*(self.entries[side[good]].astype(np.intp) for side in (later, earlier)))


def _close(differences: Hashes, distance: int) -> tuple[Rows, Rows]:
    """Row and column of the differences in no more bits; NumPy finds them more quickly in a line."""
    rows, columns = np.divmod((ones(differences) <= distance).ravel().nonzero()[0], differences.shape[1])
    return rows, columns


def _lengths(most: int) -> list[int]:
    """Lengths to which buckets are padded: each a sixth above the last."""
    lengths = [1]
    while lengths[-1] < most:
        lengths.append(max(lengths[-1] + 1, lengths[-1] * 7 // 6))
    return lengths


def _ones(values: Hashes) -> NDArray[np.uint8]:
    """How many bits are one; for NumPy 1, which cannot count them."""
    pairs = values - ((values >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + (
        (pairs >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    eights = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.asarray((eights * np.uint64(0x0101010101010101)) >> np.uint64(56), np.uint8)


ones: Callable[[Hashes], NDArray[np.uint8]] = getattr(np, "bitwise_count", _ones)
