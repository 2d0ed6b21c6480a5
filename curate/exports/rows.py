"""Rows of a score set as JSON that other programs and people read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import polars as pl
import polars.selectors as cs

from curate.exports.job import Job

# So many pictures are put into words at a time.
_PICTURES = 200


def plain_rows(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON takes them: 32-bit numbers as they read, `phash` as 16 hexadecimal digits, no NaN.

    Nulls stay: every row has every column.
    """
    short = rows.with_columns(cs.by_dtype(pl.Float32).cast(pl.Float64).round_sig_figs(7))
    return [{name: _plain(name, value) for name, value in row.items()} for row in short.iter_rows(named=True)]


def plain_faces(job: Job, numbers: Sequence[int]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """The rows of pictures as `plain_rows`, with each picture's number, many pictures at a time."""
    for begin in range(0, len(numbers), _PICTURES):
        some = numbers[begin : begin + _PICTURES]
        counts = job.pictures["faces"].gather(list(some)).to_list()
        rows = iter(plain_rows(job.faces_of(some)))
        for number, count in zip(some, counts, strict=True):
            yield number, list(islice(rows, count))


def row_json(faces: Sequence[Mapping[str, Any]]) -> bytes:
    """A picture's faces as one JSON object: the columns of its first face, and of the others in `more_faces`.

    So that what reads one object a picture (`curate score` does) finds prompt and seed where it looks for them. What is
    null is left out.
    """
    first, *others = faces
    told: dict[str, Any] = {name: value for name, value in first.items() if value is not None}
    if others:
        told["more_faces"] = [{n: v for n, v in row.items() if v is not None} for row in others]
    return (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode()


def _plain(name: str, value: Any) -> Any:
    if name == "phash" and value is not None:
        return f"{value:016x}"
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
