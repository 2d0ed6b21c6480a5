"""What a score set holds already, looked up by content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import InputError
from curate.shards import Shard, list_shards, open_shard, read_shard
from curate.sources.source import Input

if TYPE_CHECKING:
    import polars as pl

_HASHERS = 4
_WINDOW = 4096


@dataclass(slots=True)
class Claims:
    """The inputs that a shard answers for from now on, with the content they have."""

    inputs: list[Input] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)


class Known:
    """The shards of a set, and which of them holds a given content.

    Attributes:
        shards: the readable ones, by path.
        damaged: files that were not, and are to be removed.
    """

    def __init__(self, folder: Path) -> None:
        self.shards: dict[Path, Shard] = {}
        self.damaged: list[Path] = []
        self._by_content: dict[str, Path] = {}
        self._by_image: dict[str, tuple[str, Path]] = {}
        for path in list_shards(folder):
            try:
                shard, rows = open_shard(path), read_shard(path)
            except InputError:
                self.damaged.append(path)
                continue
            self.shards[path] = shard
            for image, content in (
                _usable(rows).select("image", "sha256").unique(maintain_order=True).iter_rows()
            ):
                self._by_content.setdefault(content, path)
                self._by_image[image] = (content, path)

    def claim(self, inputs: Iterable[Input]) -> tuple[dict[Path, Claims], list[Input]]:
        """Sort inputs into those whose content is known, by shard, and new ones.

        Content decides: a renamed or copied file is known, a changed one is not. Inputs that could not be
        read, and those that crashed a worker, count as new: the reason may be gone.
        """
        claims = {path: Claims() for path in self.shards}
        new = []
        for item, content in _contents(inputs):
            if content is None:
                new.append(item)
                continue
            own_content, own = self._by_image.get(item.image, ("", None))
            path = own if own_content == content else self._by_content.get(content)
            if path is None:
                new.append(item)
            else:
                claims[path].inputs.append(item)
                claims[path].contents.append(content)
        return claims, new


def claimed_rows(path: Path, claims: Claims, keep_unclaimed: bool) -> tuple[pl.DataFrame, bool]:
    """The rows of a shard that the claims leave, under the inputs' present names.

    Args:
        path: the shard.
        claims: what it answers for.
        keep_unclaimed: keep the rows of pictures that nobody asked for, too.

    Returns:
        The rows, and whether they differ from what the file holds.
    """
    import polars as pl

    stored = read_shard(path)
    usable = _usable(stored)
    # Two files of one content have the same rows but for their names: one of them is enough to copy from.
    first = usable.group_by("sha256", maintain_order=True).agg(pl.col("image").first())
    source = usable.join(first, on=["sha256", "image"], how="semi").drop("image")
    wanted = pl.DataFrame(
        {"image": [item.image for item in claims.inputs], "sha256": claims.contents},
        schema={"image": pl.String, "sha256": pl.String},
    )
    rows = wanted.join(source, on="sha256", how="inner", maintain_order="left_right").select(stored.columns)
    if keep_unclaimed:
        rows = pl.concat([rows, stored.join(wanted, on="image", how="anti")])
    same = rows.height == stored.height and rows.sort("image", "face").equals(stored.sort("image", "face"))
    return rows, not same


def _usable(rows: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    return rows.filter((pl.col("status") != "crashed") & pl.col("sha256").is_not_null())


def _contents(inputs: Iterable[Input]) -> Iterator[tuple[Input, str | None]]:
    """Each input with the sha256 of its bytes; None where it cannot be read."""
    left = iter(inputs)
    with ThreadPoolExecutor(_HASHERS) as pool:
        while window := list(islice(left, _WINDOW)):
            yield from zip(window, pool.map(_content, window), strict=True)


def _content(item: Input) -> str | None:
    try:
        return hashlib.sha256(item.read()).hexdigest()
    except InputError:
        return None
