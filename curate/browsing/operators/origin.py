"""Where a set was chosen from: the rows that its recipe rejected are browsed with it, and are rows only there."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from curate.browsing.operators.faces import KEY
from curate.browsing.rows import rows_of
from curate.errors import CurateError
from curate.scoreset import ScoreSet, open_scores


def origin(source: ScoreSet) -> Path | None:
    """The folder of the set that a recipe chose this one from; None where no recipe did."""
    choice = source.manifest.choice or {}
    return Path(choice["source"]["folder"]) if choice.get("kind") == "recipe" else None


def standing(source: ScoreSet, faces: pl.DataFrame) -> pl.DataFrame:
    """Faces (`sha256`, `face`) with two columns more, Boolean: `row` of the set, or one that its recipe `rejected`."""
    row = _among(source, source.scan(), faces)
    if row.all() or origin(source) is None:
        rejected = pl.repeat(value=False, n=faces.height, eager=True)
    else:
        rejected = _among(source, rows_of(source, landmarks=False), faces) & ~row
    return faces.with_columns(row.alias("row"), rejected.alias("rejected"))


def in_origin(folder: Path, faces: pl.DataFrame) -> pl.Series:
    """Of faces (`sha256`, `face`): whether they are rows of the set in this folder; of none, if none is there."""
    try:
        there = open_scores(folder)
        return _among(there, there.scan(), faces)
    except CurateError:  # gone, or no longer a score set: nothing can be decided there
        return pl.repeat(value=False, n=faces.height, eager=True)


def _among(scores: ScoreSet, rows: pl.LazyFrame, faces: pl.DataFrame) -> pl.Series:
    wanted = faces["sha256"].drop_nulls().unique()
    keys = rows.select(KEY).filter(pl.col("sha256").is_in(wanted.implode()))
    found = scores.collect(keys).unique().with_columns(_there=True)
    joined = faces.select(KEY).join(found, on=KEY, how="left", nulls_equal=True, maintain_order="left")
    return joined["_there"].fill_null(value=False)
