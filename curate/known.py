"""What a score set holds already, looked up by content."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from curate.errors import InputError
from curate.place import Place
from curate.shards import DamagedError, Shard, list_shards, open_shard, read_shard
from curate.sources.source import Input

if TYPE_CHECKING:
    import polars as pl

_HASHERS = 4
# So many inputs are read ahead; those of a data set carry their bytes.
_WINDOW = 64


@dataclass(slots=True)
class Claims:
    """The pictures that a shard answers for from now on, with the content they have."""

    images: list[str] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)


class Known:
    """The shards of a set, and which of them holds a given content.

    Attributes:
        shards: the readable ones, by path.
        damaged: files that were not.
    """

    def __init__(self, folder: Place) -> None:
        self.shards: dict[Place, Shard] = {}
        self.damaged: list[Place] = []
        self._by_content: dict[str, Place] = {}
        self._by_image: dict[str, tuple[str, Place]] = {}
        for path in list_shards(folder):
            try:
                # All columns are read: a file that is damaged anywhere is better scored again now.
                shard, rows = open_shard(path), read_shard(path)
            except DamagedError:
                self.damaged.append(path)
                continue
            self.shards[path] = shard
            for image, content in (
                _usable(rows).select("image", "sha256").unique(maintain_order=True).iter_rows()
            ):
                self._by_content.setdefault(content, path)
                self._by_image[image] = (content, path)

    def claim(self, inputs: Iterable[Input]) -> tuple[dict[Place, Claims], set[str]]:
        """Sort pictures into those whose content is known, by shard, and new ones.

        Content decides: a renamed or copied file is known, a changed one is not. Inputs that could not be
        read, and those that crashed a worker, count as new: the reason may be gone.
        """
        claims = {path: Claims() for path in self.shards}
        new = set()
        for image, content in _contents(inputs):
            own_content, own = self._by_image.get(image, ("", None))
            path = own if own_content == content else self._by_content.get(content or "")
            if content is None or path is None:
                new.add(image)
            else:
                claims[path].images.append(image)
                claims[path].contents.append(content)
        return claims, new


def answers_for(path: Place, claims: Claims) -> bool:
    """Whether a shard's rows are those of the claims already, no more and no less."""
    import polars as pl

    keys = pl.read_parquet(io.BytesIO(path.read_bytes()), columns=["image", "sha256", "status"])
    held = set(_usable(keys).select("image", "sha256").iter_rows())
    return _usable(keys).height == keys.height and held == set(
        zip(claims.images, claims.contents, strict=True)
    )


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
    wanted = pl.DataFrame(
        {"image": claims.images, "sha256": claims.contents}, schema={"image": pl.String, "sha256": pl.String}
    )
    wanted = wanted.join(held, on=["image", "sha256"], how="left", maintain_order="left")
    wanted = wanted.join(first, on="sha256", how="left", maintain_order="left")
    wanted = wanted.select("image", "sha256", pl.coalesce("own", "first").alias("source"))
    source = usable.rename({"image": "source"})
    rows = wanted.join(source, on=["sha256", "source"], how="inner", maintain_order="left_right")
    rows = rows.select(stored.columns)
    return pl.concat([rows, stored.filter(others)])


def _usable(rows: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    return rows.filter((pl.col("status") != "crashed") & pl.col("sha256").is_not_null())


def _contents(inputs: Iterable[Input]) -> Iterator[tuple[str, str | None]]:
    """The name of each input with the sha256 of its bytes; None where it cannot be read."""
    left = iter(inputs)
    with ThreadPoolExecutor(_HASHERS) as pool:
        while window := list(islice(left, _WINDOW)):
            yield from zip([item.image for item in window], pool.map(_content, window), strict=True)


def _content(item: Input) -> str | None:
    try:
        return hashlib.sha256(item.read()).hexdigest()
    except InputError:
        return None
