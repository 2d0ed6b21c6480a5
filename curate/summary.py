"""What a run did, and what its user should know of the set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from curate.affect import Tables
from curate.metadata import Metadata
from curate.place import Place, Remote
from curate.scoreset import open_scores
from curate.shards import list_shards, read_keys

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    Attributes:
        folder: the score set.
        inputs: pictures in it.
        statuses: how many of its rows have which status.
        scored, kept: inputs worked on in this run, and inputs whose rows were there already.
        seconds: how long this run took.
        warnings: what the user should know, a line each.
    """

    folder: Place
    inputs: int
    statuses: dict[str, int]
    scored: int
    kept: int
    seconds: float
    warnings: tuple[str, ...]

    @property
    def faces(self) -> int:
        """How many faces were scored."""
        return self.statuses.get("ok", 0)

    @property
    def complete(self) -> bool:
        """Whether every input was scored."""
        return set(self.statuses) <= {"ok"}


def count_rows(folder: Place) -> tuple[int, dict[str, int]]:
    """Pictures in a set, and how many rows have which status."""
    import polars as pl

    rows = _keys(folder)
    counted = rows.group_by("status").len().sort("status")
    statuses = dict(counted.select(pl.col("status"), pl.col("len").cast(pl.Int64)).iter_rows())
    return rows["image"].n_unique(), statuses


def not_in_the_table(folder: Place, metadata: Metadata, *, are_files: bool) -> list[str]:
    """A line where the named metadata table says nothing of some pictures of the set."""
    if metadata.named is None:
        return []
    rows = _keys(folder).select("image", "sha256").unique("image")
    warning = metadata.missed(rows.iter_rows(), are_files=are_files)
    return [warning] if warning else []


def dead_columns(folder: Place, tables: Tables, faces: int) -> list[str]:
    """What speaks against the action units of a set; no more of its `faces` are read than are looked at."""
    import polars as pl

    from curate.recipes.signal import ENOUGH, READS, dead_heads

    rows = open_scores(folder).scan(tables)
    rows = rows.select(name for name in rows.collect_schema().names() if name in ("status", *READS))
    rows = rows.filter(pl.col("status") == "ok").drop("status")
    return dead_heads(rows.gather_every(max(faces // ENOUGH, 1)).collect(), tables.affect)


def _keys(folder: Place) -> pl.DataFrame:
    """Image, sha256 and status of every row: of a set at a URL no more is fetched."""
    import polars as pl

    if not isinstance(folder, Remote):
        return open_scores(folder).scan().select("image", "sha256", "status").collect()
    schema = {"image": pl.String, "sha256": pl.String, "status": pl.String}
    return pl.concat([pl.DataFrame(schema=schema), *(read_keys(path)[1] for path in list_shards(folder))])
