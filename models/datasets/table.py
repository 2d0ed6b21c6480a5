"""A table of pictures and labels, CSV or Parquet: the way in for data of one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import InputError
from curate.models.datasets.labelled import (
    EXPRESSIONS,
    LABELS,
    expression_help,
    expression_named,
    labelled,
    missing,
    split_named,
)

if TYPE_CHECKING:
    import polars as pl

LAYOUT = (
    "a .csv or .parquet file with a column `image` (paths relative to the file's folder or, in Parquet, encoded "
    "pictures), label columns named as `curate columns` lists them, and perhaps `subject` and `split`"
)


def read_table(root: Path) -> pl.DataFrame:
    """The labelled frame of a table.

    `image` holds paths (relative ones start at the table's folder), bytes, or structs {bytes, path}. Labels
    are any of the catalogue's: `au01` ... intensity 0..5, `au01_p` ... 0..1, the eight expressions' shares, or
    `expression`. An expression whose column is missing or null beside others counts as 0. Other columns are
    left alone.

    Raises:
        InputError: the table cannot be read, has no labels, or a value is out of its range.
    """
    import polars as pl

    if not root.is_file():
        raise missing(root, "this is no table", LAYOUT)
    parquet = root.suffix.lower() in (".parquet", ".pq")
    try:
        frame = pl.read_parquet(root) if parquet else pl.read_csv(root, infer_schema_length=None)
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise InputError(f"cannot be read: {error}", where=str(root), hint=f"expected: {LAYOUT}") from None
    if "image" not in frame.columns:
        raise missing(root, f"no column `image`, only {', '.join(frame.columns)}", LAYOUT)
    shares = [name for name in EXPRESSIONS if name in frame.columns]
    labels = [name for name in LABELS if name in frame.columns]
    if not labels and "expression" not in frame.columns:
        raise missing(root, "no column is a label", LAYOUT)

    def line(row: int) -> str:
        return f"row {row + 1}" if parquet else f"line {row + 2}"

    frame = _pictures(frame, root, line)
    if shares and "expression" in frame.columns:
        frame = frame.drop("expression")  # as a score set has both, and the shares say more
    if shares:
        told = pl.any_horizontal(pl.col(shares).is_not_null())
        absent = [pl.lit(None, pl.Float32).alias(name) for name in EXPRESSIONS if name not in shares]
        frame = frame.with_columns(absent)
        frame = frame.with_columns(pl.when(told).then(pl.col(EXPRESSIONS).fill_null(0)))
    if "subject" in frame.columns:
        frame = frame.with_columns(pl.col("subject").cast(pl.String))
    for name, meant in (("expression", expression_named), ("split", split_named)):
        if name in frame.columns:
            frame = frame.with_columns(_words(frame[name], meant, root, line))
    return labelled(frame, root, line)


def _pictures(frame: pl.DataFrame, root: Path, line: Callable[[int], str]) -> pl.DataFrame:
    """`image` as absolute paths, or as names beside `pixels`."""
    import polars as pl

    image = frame["image"]
    if image.null_count():
        raise InputError(f"{line(int(image.is_null().arg_max() or 0))}: no image", where=str(root))
    if isinstance(image.dtype, pl.Struct) and {"bytes"} <= {field.name for field in image.dtype.fields}:
        image = image.struct.field("bytes")
    if image.dtype == pl.Binary:
        frame = frame.with_columns(image.alias("pixels"))
        if "name" in frame.columns:
            return frame.with_columns(pl.col("name").cast(pl.String).alias("image"))
        return frame.with_columns(
            pl.format("{}/{}", pl.lit(root.name), pl.int_range(pl.len())).alias("image")
        )
    if image.dtype != pl.String:
        raise InputError(f"`image` holds {image.dtype}, neither paths nor bytes", where=str(root))
    folder = root.absolute().parent
    return frame.with_columns(pl.Series("image", [str(folder / path) for path in image], pl.String))


def _words(
    series: pl.Series, meant: Callable[[str], str | None], root: Path, line: Callable[[int], str]
) -> pl.Series:
    """Everyday words as ours; InputError for one that means nothing."""
    import polars as pl

    words: list[str | None] = []
    for row, word in enumerate(series):
        known = None if word is None else meant(str(word))
        if word is not None and known is None:
            hint = expression_help(str(word)) if series.name == "expression" else "train, valid or test"
            raise InputError(f"{line(row)}: {series.name} `{word}`", where=str(root), hint=hint)
        words.append(known)
    return pl.Series(series.name, words, pl.String)
