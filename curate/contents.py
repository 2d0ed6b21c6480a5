"""Which shard holds a content, and which names are new: millions of pictures in some 50 bytes each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

Words = NDArray[np.uint64]
"""Contents: the 32 bytes of each sha256 as four words, [N, 4]."""

_BYTES = np.dtype(">u8")


def words_of(hexes: Sequence[str]) -> Words:
    """Contents [N, 4] of as many sha256 in hex. Raises ValueError where one is not of 64 hexadecimal digits."""
    packed = np.frombuffer(bytes.fromhex("".join(hexes)), _BYTES)
    return packed.reshape(len(hexes), 4).astype(np.uint64)


def bytes_of(words: Words) -> list[bytes]:
    """The 32 bytes of each sha256."""
    packed = words.astype(_BYTES).tobytes()
    return [packed[at : at + 32] for at in range(0, len(packed), 32)]


class ContentIndex:
    """Which shard holds a content.

    Args:
        words: contents [N, 4], shards in their order.
        names: a hash of the name of each, [N].
        shards: the number of the shard that holds it, [N], ascending.
    """

    def __init__(self, words: Words, names: NDArray[np.uint64], shards: NDArray[np.int32]) -> None:
        # A content is the first shard's that has it; lexsort is stable, and the first of equal rows is kept.
        order = np.lexsort(words.T[::-1])
        ordered = words[order]
        first = np.ones(len(words), bool)
        first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
        self._words, self._first = ordered[first], shards[order[first]]
        place = np.empty(len(words), np.int32)
        place[order] = np.cumsum(first) - 1
        del ordered, order, first
        # A picture is the last shard's that has it under its own name. The content is compared as it is; two names of
        # one hash do no harm then.
        own = _mixed(place, names)
        order = np.argsort(own, kind="stable")
        last = np.ones(len(own), bool)
        last[:-1] = own[order[1:]] != own[order[:-1]]
        order = order[last]
        self._own, self._own_place, self._own_shard = own[order], place[order], shards[order]

    def find(self, words: Words, names: NDArray[np.uint64]) -> NDArray[np.int32]:
        """The shard that holds each content [M], the one that has it under its name if there is one; -1 for none."""
        found = np.full(len(words), -1, np.int32)
        at = np.searchsorted(self._words[:, 0], words[:, 0])
        asked = np.arange(len(words))
        # Few contents share their first 8 bytes with another one.
        while len(asked):
            asked = asked[at[asked] < len(self._words)]
            asked = asked[self._words[at[asked], 0] == words[asked, 0]]
            same = (self._words[at[asked]] == words[asked]).all(axis=1)
            found[asked[same]] = at[asked[same]]
            asked = asked[~same]
            at[asked] += 1
        held = np.flatnonzero(found >= 0)
        place, shards = found[held], self._first[found[held]]
        if len(self._own):
            own = _mixed(place, names[held])
            at = np.minimum(np.searchsorted(self._own, own), len(self._own) - 1)
            mine = (self._own[at] == own) & (self._own_place[at] == place)
            shards[mine] = self._own_shard[at[mine]]
        found[held] = shards
        return found


class Names:
    """Many names of pictures, in a fraction of the memory of a set of strings."""

    def __init__(self, names: pl.Series) -> None:
        keys = np.fromiter(map(hash, names), np.int64, len(names))
        order = np.argsort(keys, kind="stable")
        self._keys, self.series = keys[order], names.gather(order)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, name: str) -> bool:
        key = hash(name)
        at = int(self._keys.searchsorted(key))
        while at < len(self._keys) and self._keys[at] == key:
            if self.series[at] == name:
                return True
            at += 1
        return False


def _mixed(place: NDArray[np.int32], names: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One number for a content and a name."""
    mixed: NDArray[np.uint64] = names ^ (place.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return mixed
