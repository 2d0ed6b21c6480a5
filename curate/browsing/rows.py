"""The rows of a score set as the app is to show them, read lazily and in batches; and what tells a row from others."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from curate.choosing import REJECTED
from curate.decisions import with_decisions
from curate.errors import InputError
from curate.recipes.funnel import REASON, REJECTED_BY
from curate.scoreset import ScoreSet

KEPT = "kept"
RECIPE_FIELD = "recipe_"
LANDMARKS = "landmarks"
# Numbers of 64 bits: which face it is, where its picture lies, and all that is known of it.
ROW, KEY, PLACE, DIGEST = "_row", "_key", "_place", "_digest"
# Rows in memory at a time; with landmarks a row has 6 kB.
BATCH = 5_000


def recipe_field(name: str) -> str:
    """The column that says what a recipe of this name did with a face."""
    return RECIPE_FIELD + re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")


def chosen_by(scores: ScoreSet) -> str | None:
    """The column of the recipe that the set was chosen by; None where no recipe did."""
    choice = scores.manifest.choice or {}
    return recipe_field(choice["name"]) if choice.get("kind") == "recipe" else None


def rows_of(scores: ScoreSet, *, landmarks: bool) -> pl.LazyFrame:
    """All rows of a set; of a chosen one also those that its recipe rejected.

    A chosen set has one column more, `recipe_<name>`: `kept`, or the clause by which the row was rejected.
    """
    rows = scores.scan()
    if not landmarks:
        rows = rows.drop(LANDMARKS, strict=False)
    field = chosen_by(scores)
    if field is None:
        return rows
    parts = [rows.with_columns(pl.lit(KEPT).alias(field))]
    for path in sorted((scores.folder / REJECTED).glob("part-*.parquet")):
        away = pl.scan_parquet(path, glob=False)
        parts.append(away.rename({REJECTED_BY: field}).drop(REASON, strict=False))
    return with_decisions(pl.concat(parts, how="diagonal_relaxed"), scores.folder)


def key_of() -> pl.Expr:
    """Of frames with `sha256`, `face` and `image`: the face by its content, or by its place where that is unknown."""
    return pl.struct(pl.coalesce("sha256", "image").alias("of"), pl.col("face").cast(pl.Int64)).hash(1)


def place_of() -> pl.Expr:
    """Of frames with `image`: where the picture lies."""
    return pl.col("image").hash(2)


def digests(rows: pl.LazyFrame, salt: str) -> pl.DataFrame:
    """A row for each: number (UInt32), key and place (UInt64), and a digest (Int64) of all its columns.

    Args:
        rows: of `rows_of`.
        salt: what else decides how a row is written; another one gives other digests.

    Digests of another version of Polars may be others: then every row counts as changed.
    """
    names = rows.collect_schema().names()
    whole = pl.struct(*names, pl.lit(f"{salt} {pl.__version__}").alias("_salt"))
    return (
        rows.with_row_index(ROW)
        .select(
            ROW,
            key_of().alias(KEY),
            place_of().alias(PLACE),
            whole.hash(3).reinterpret(signed=True).alias(DIGEST),
        )
        .collect(engine="streaming")
        .sort(ROW)
    )


@contextlib.contextmanager
def reading(scores: ScoreSet) -> Iterator[None]:
    """InputError where a file of the set turns out to be damaged; for rows that are read in another way than whole."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        hint = "run the same `curate score` again: damaged files are scored anew"
        raise InputError(
            f"the score set cannot be read: {reason}", where=str(scores.place), hint=hint
        ) from error


@contextlib.contextmanager
def batches(rows: pl.LazyFrame, numbers: pl.Series) -> Iterator[Iterator[pl.DataFrame]]:
    """The rows with these numbers (UInt32, ascending), with the column `_row`, never more than a batch in memory.

    Many are first written to a temporary file, in one pass: cutting pieces out of what is computed lazily would
    compute the whole for each of them.
    """
    numbered = rows.with_row_index(ROW)
    wanted = numbered.filter(pl.col(ROW).is_in(numbers.implode()))
    if len(numbers) <= BATCH:
        yield iter([wanted.collect()] if len(numbers) else [])
        return
    with tempfile.TemporaryDirectory(prefix="curate-browse-") as folder:
        file = Path(folder) / "rows.parquet"
        try:
            wanted.sink_parquet(file, compression="lz4", row_group_size=BATCH)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise InputError(f"cannot be written: {reason}", where=str(file)) from error
        whole = pl.scan_parquet(file, glob=False)
        yield (whole.slice(begin, BATCH).collect() for begin in range(0, len(numbers), BATCH))
