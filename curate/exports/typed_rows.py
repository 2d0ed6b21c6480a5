"""Rows of a score set as `datasets` types them, a picture a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from curate.scorers.columns import CATALOGUE

# Columns of faces beyond a picture's first, where an export has such.
MORE = "more_faces"
# Paths of this machine, and what is the same of every row that is handed on.
PLACES = ("image", "status", "error")
_TYPES: dict[Any, str] = {
    pl.String: "string", pl.Boolean: "bool", pl.Int8: "int8", pl.Int16: "int16", pl.Int32: "int32", pl.Int64: "int64",
    pl.UInt8: "uint8", pl.UInt16: "uint16", pl.UInt32: "uint32", pl.UInt64: "uint64", pl.Float32: "float32",
    pl.Float64: "float64",
}  # fmt: skip


def without_places(rows: pl.DataFrame) -> pl.DataFrame:
    """Without `PLACES`: what is uploaded is read by others."""
    return rows.drop(PLACES)


def picture_features(rows: pl.DataFrame, *, several: bool, classes: bool) -> dict[str, Any]:
    """The type of each column of `picture_rows`.

    `phash` is 16 hexadecimal digits; a column of another type than numbers, words and truth is words.

    Args:
        rows: of a score set.
        several: pictures have several faces.
        classes: columns with fixed words (`expression`, `band` ...) are `ClassLabel`s with the catalogue's words. In
            `more_faces` they stay words: nobody trains on a list.
    """
    import datasets

    plain = {name: datasets.Value(_type(name, dtype)) for name, dtype in rows.schema.items()}
    columns: dict[str, Any] = dict(plain)
    for column in CATALOGUE if classes else ():
        known = column.values and column.name in columns
        if known and set(rows[column.name].drop_nulls()) <= set(column.values):
            columns[column.name] = datasets.ClassLabel(names=list(column.values))
    return columns | {MORE: datasets.List(plain)} if several else columns


def picture_rows(
    rows: Sequence[Mapping[str, Any]], faces: Sequence[int], *, several: bool
) -> Iterator[dict[str, Any]]:
    """For each picture one row: its first face's, and its other faces in `more_faces`.

    Args:
        rows: pictures' faces, one picture after the other.
        faces: how many rows each has.
        several: whether there is a column `more_faces`.
    """
    begin = 0
    for count in faces:
        first, *others = rows[begin : begin + count]
        yield {**first, MORE: others} if several else dict(first)
        begin += count


def _type(name: str, dtype: pl.DataType) -> str:
    return "string" if name == "phash" else _TYPES.get(dtype.base_type(), "string")
