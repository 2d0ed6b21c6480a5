"""What every shard looks like that a run writes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from curate.affect import Tables, derive
from curate.models.pack import find_pack
from curate.place import Place
from curate.scorers.columns import IDENTITY, Column
from curate.scorers.scorer import MESH_PACK, fingerprint, of_picture
from curate.scoring import ROWS_VERSION, Scoring
from curate.shards import Shard, write_shard

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Form:
    """The columns of a run's shards, and what they depend on. Make one with `form_of`; it travels to workers.

    Attributes:
        rows: fingerprint of everything that decides which rows a picture has.
        scorers: fingerprint of each scorer, by name, in the order of their columns.
        of_picture: names of the scorers that answer for the picture rather than the face.
        columns: of the scorers, in order.
        tables: what derived columns are made with.
    """

    rows: str
    scorers: Mapping[str, str]
    of_picture: frozenset[str]
    columns: tuple[Column, ...]
    tables: Tables

    def stale(self, shard: Shard) -> tuple[str, ...]:
        """The scorers whose columns a shard lacks, or has from other weights or options."""
        same_rows = shard.rows == self.rows
        return tuple(
            name
            for name, current in self.scorers.items()
            if not same_rows or shard.scorers.get(name) != current
        )

    def whole(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with every column of the run, null where a row has no answer, and what is derived from them."""
        import polars as pl

        types = {column.name: column.polars for column in (*IDENTITY, *self.columns)}
        columns = [
            pl.col(name) if name in rows.columns else pl.lit(None, dtype=dtype).alias(name)
            for name, dtype in types.items()
        ]
        return derive(rows.select(columns).lazy(), self.tables).collect()

    def write(self, path: Place, rows: pl.DataFrame) -> None:
        """Write rows as a shard; InputError where that cannot be done."""
        write_shard(Shard(path, self.rows, self.scorers, self.tables.fingerprint), self.whole(rows))


def form_of(scoring: Scoring, tables: Tables) -> Form:
    """The form of the shards that a scoring gives; ModelError where a model pack is missing."""
    return Form(
        _rows_fingerprint(scoring),
        {scorer.name: fingerprint(scorer, scoring.mesh) for scorer in scoring.scorers},
        frozenset(scorer.name for scorer in scoring.scorers if of_picture(scorer)),
        tuple(column for scorer in scoring.scorers for column in scorer.columns),
        tables,
    )


def _rows_fingerprint(scoring: Scoring) -> str:
    """What decides which rows a picture has, in 16 hexadecimal digits."""
    parts = [ROWS_VERSION, scoring.faces]
    if scoring.needs_mesh:
        parts += [scoring.mesh, find_pack(MESH_PACK).fingerprint]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
