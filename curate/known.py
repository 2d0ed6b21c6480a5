"""What a score set holds already, looked up by content. Sets may have millions of pictures: all of it is tables."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from curate.contents import ContentIndex, Names, bytes_of, words_of
from curate.errors import InputError
from curate.place import Place, Remote
from curate.shards import DamagedError, Shard, list_shards, read_keys, read_shard
from curate.sources.source import Input

if TYPE_CHECKING:
    import polars as pl

_HASHERS = 4
# So many inputs are read ahead; those of a data set carry their bytes.
_WINDOW = 64
# So many files of a set on object storage are looked at at once: each look is a few round trips.
_LOOKS = 8
# So many pictures are looked up at once.
_CHUNK = 1 << 15
_UNREAD = "0" * 64


@dataclass(frozen=True, slots=True)
class Claims:
    """The pictures that a shard answers for from now on. It pickles small.

    Attributes:
        table: `image`, and `content`, the 32 bytes of its sha256; a row a picture.
    """

    table: pl.DataFrame

    def __len__(self) -> int:
        return self.table.height

    @property
    def images(self) -> pl.Series:
        """The names."""
        return self.table["image"]

    def keys(self) -> pl.DataFrame:
        """`image` and `sha256`, as the rows of a set have them."""
        import polars as pl

        return self.table.select("image", pl.col("content").bin.encode("hex").alias("sha256"))


@dataclass(frozen=True, slots=True)
class Claimed:
    """How the pictures of a source stand to a set.

    Attributes:
        claims: what each shard answers for; every shard is there, perhaps with none.
        new: names of those whose content the set does not hold.
    """

    claims: Mapping[Place, Claims]
    new: Names

    def named(self) -> pl.Series:
        """Every picture of the source."""
        import polars as pl

        return pl.concat([self.new.series, *(claim.images for claim in self.claims.values())])


class Known:
    """The shards of a set, and which of them holds a given content.

    Attributes:
        shards: the readable ones, by path.
        damaged: files that were not.
    """

    def __init__(self, folder: Place) -> None:
        self.shards: dict[Place, Shard] = {}
        self.damaged: list[Place] = []
        words, names, shards = (
            [np.empty((0, 4), np.uint64)],
            [np.empty(0, np.uint64)],
            [np.empty(0, np.int32)],
        )
        for path, look in _looks(list_shards(folder)):
            if look is None:
                self.damaged.append(path)
                continue
            shard, rows = look
            held = _usable(rows).select("image", "sha256").unique(maintain_order=True)
            words.append(words_of(held["sha256"].to_list()))
            names.append(held["image"].hash().to_numpy())
            shards.append(np.full(held.height, len(self.shards), np.int32))
            self.shards[path] = shard
        self._index = ContentIndex(np.concatenate(words), np.concatenate(names), np.concatenate(shards))

    def claim(self, contents: Iterable[tuple[str, str | None]]) -> Claimed:
        """Sort pictures into those whose content is known, by shard, and new ones.

        Content decides: a renamed or copied file is known, a changed one is not. Pictures that could not be
        read, and those that crashed a worker, count as new: the reason may be gone.

        Args:
            contents: the name of each picture and the sha256 of its bytes in hex, None where it cannot be read;
                see `contents_of`.
        """
        import polars as pl

        none = pl.DataFrame(schema={"image": pl.String, "content": pl.Binary})
        parts: dict[int, list[pl.DataFrame]] = {number: [none] for number in range(-1, len(self.shards))}
        left = iter(contents)
        while chunk := list(islice(left, _CHUNK)):
            images = pl.Series("image", [image for image, _ in chunk], pl.String)
            words = words_of([sha256 or _UNREAD for _, sha256 in chunk])
            shards = self._index.find(words, images.hash().to_numpy())
            shards[[sha256 is None for _, sha256 in chunk]] = -1
            order = np.argsort(shards, kind="stable")
            asked = pl.DataFrame([images, pl.Series("content", bytes_of(words), pl.Binary)])[order]
            numbers, begins = np.unique(shards[order], return_index=True)
            for number, begin, end in zip(numbers, begins, [*begins[1:], len(asked)], strict=True):
                parts[int(number)].append(asked[int(begin) : int(end)])
        new = Names(pl.concat(parts[-1])["image"])
        claims = {path: Claims(pl.concat(parts[number])) for number, path in enumerate(self.shards)}
        return Claimed(claims, new)


def contents_of(inputs: Iterable[Input]) -> Iterator[tuple[str, str | None]]:
    """The name of each input with the sha256 of its bytes, in hex; None where it cannot be read."""
    left = iter(inputs)
    with ThreadPoolExecutor(_HASHERS) as pool:
        while window := list(islice(left, _WINDOW)):
            yield from zip([item.image for item in window], pool.map(content, window), strict=True)


def content(item: Input) -> str | None:
    """The sha256 of an input's bytes, in hex; None where it cannot be read."""
    try:
        return hashlib.sha256(item.read()).hexdigest()
    except InputError:
        return None


def answers_for(path: Place, claims: Claims) -> bool:
    """Whether a shard's rows are those of the claims already, no more and no less."""
    _, keys = read_keys(path)
    held, wanted = _usable(keys).select("image", "sha256").unique(), claims.keys().unique()
    if _usable(keys).height != keys.height or held.height != wanted.height:
        return False
    return held.join(wanted, on=["image", "sha256"], how="anti").is_empty()


def claimed_rows(path: Place, claims: Claims, others: pl.Expr) -> pl.DataFrame:
    """The rows of a shard that the claims leave, under the pictures' present names.

    Args:
        path: the shard.
        claims: what it answers for.
        others: true of rows whose pictures this run says nothing of; they stay as they are.
    """
    import polars as pl

    stored = read_shard(path)
    usable = _usable(stored)
    # Two files of one content differ in their names, and in what lies beside them: a picture that is held by its
    # own name is copied from there, a new name from the first of this content.
    first = usable.group_by("sha256", maintain_order=True).agg(pl.col("image").first().alias("first"))
    held = usable.select("image", "sha256", pl.col("image").alias("own")).unique()
    wanted = claims.keys().join(held, on=["image", "sha256"], how="left", maintain_order="left")
    wanted = wanted.join(first, on="sha256", how="left", maintain_order="left")
    wanted = wanted.select("image", "sha256", pl.coalesce("own", "first").alias("source"))
    source = usable.rename({"image": "source"})
    rows = wanted.join(source, on=["sha256", "source"], how="inner", maintain_order="left_right")
    rows = rows.select(stored.columns)
    return pl.concat([rows, stored.filter(others)])


def _looks(
    paths: Iterable[Place],
) -> Iterator[tuple[Place, tuple[Shard, pl.DataFrame] | None]]:
    """Every shard with what it says of itself and its keys; None of a damaged one."""

    def look(path: Place) -> tuple[Shard, pl.DataFrame] | None:
        try:
            return read_keys(path)
        except DamagedError:
            return None

    paths = list(paths)
    if not any(isinstance(path, Remote) for path in paths):
        yield from ((path, look(path)) for path in paths)
        return
    with ThreadPoolExecutor(_LOOKS) as pool:
        yield from zip(paths, pool.map(look, paths), strict=True)


def _usable(rows: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    return rows.filter((pl.col("status") != "crashed") & pl.col("sha256").str.contains("^[0-9a-f]{64}$"))
