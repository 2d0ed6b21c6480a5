"""FER+: the pictures of FER2013, each with the votes of ten people over eight expressions.

Barsoum et al. 2016. The votes are Microsoft's (MIT, https://github.com/microsoft/FERPlus); the pictures are
Kaggle's FER2013.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import InputError
from curate.models.datasets.labelled import EXPRESSIONS, labelled, missing, split_named

if TYPE_CHECKING:
    import polars as pl

LAYOUT = (
    "a folder with fer2013new.csv (github.com/microsoft/FERPlus) and fer2013.csv (Kaggle), or the folder data/ "
    "that its generate_training_data.py makes (FER2013Train, FER2013Valid, FER2013Test, each with label.csv), "
    "or one .parquet file with name, split, image and votes"
)
_SIDE = 48
_VOTES = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"
)  # fmt: skip
_USAGE = {"Training": "train", "PublicTest": "valid", "PrivateTest": "test"}
_FOLDERS = {"FER2013Train": "train", "FER2013Valid": "valid", "FER2013Test": "test"}


def read_ferplus(root: Path) -> pl.DataFrame:
    """The labelled frame, with shares of votes and `majority`.

    Votes for `unknown` and `NF` (no face) do not count; a picture that got no others has no row. `majority`
    is false where `unknown` or `NF` got more votes than any expression.

    Raises:
        InputError: nothing is there, or it is not as expected.
    """
    if root.is_file():
        return _read_parquet(root)
    if (root / "fer2013new.csv").is_file():
        return _read_csv(root)
    for folder in (root, root / "data"):
        if any((folder / name / "label.csv").is_file() for name in _FOLDERS):
            return _read_generated(folder)
    raise missing(root, "there is no FER+ in it", LAYOUT)


def _read_parquet(path: Path) -> pl.DataFrame:
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"cannot be read as Parquet: {error}", where=str(path), hint=LAYOUT) from None
    lacking = {"name", "split", "image", *_VOTES} - set(frame.columns)
    if lacking:
        raise missing(path, f"no column {', '.join(sorted(lacking))}", LAYOUT)
    frame = frame.select(pl.col("name"), pl.col("split"), pl.col("image").alias("pixels"), *_VOTES)
    return _labelled(frame.rename({"name": "image"}), path, first=0, unit="row")


def _read_csv(root: Path) -> pl.DataFrame:
    import numpy as np
    import polars as pl
    from PIL import Image

    votes_file, pictures_file = root / "fer2013new.csv", root / "fer2013.csv"
    if not pictures_file.is_file():
        raise missing(root, "there are votes (fer2013new.csv), but no pictures (fer2013.csv)", LAYOUT)
    votes, pictures = _csv(votes_file), _csv(pictures_file)
    for path, table, needed in (
        (votes_file, votes, ("Usage", *_VOTES)),
        (pictures_file, pictures, ("pixels", "Usage")),
    ):
        lacking = set(needed) - set(table.columns)
        if lacking:
            raise missing(path, f"no column {', '.join(sorted(lacking))}", LAYOUT)
    if votes.height != pictures.height:
        raise InputError(
            f"{pictures.height:,} pictures, but fer2013new.csv has votes for {votes.height:,}",
            where=str(pictures_file),
            hint="the two files go together line by line: take both whole",
        )
    encoded: list[bytes] = []
    for number, text in enumerate(pictures["pixels"], start=2):
        try:
            grey = np.array(str(text).split(), np.uint8).reshape(_SIDE, _SIDE)
        except (ValueError, OverflowError):
            raise InputError(
                f"line {number}: not {_SIDE * _SIDE} grey values of 0..255", where=str(pictures_file)
            ) from None
        file = io.BytesIO()
        Image.fromarray(grey).save(file, "PNG", compress_level=1)
        encoded.append(file.getvalue())
    frame = votes.select(
        pl.format("fer{}.png", pl.int_range(pl.len()).cast(pl.String).str.zfill(7)).alias("image"),
        pl.Series("pixels", encoded, pl.Binary),
        pl.col("Usage").replace(_USAGE).alias("split"),
        *_VOTES,
    )
    return _labelled(frame, votes_file, first=2, unit="line")


def _read_generated(root: Path) -> pl.DataFrame:
    import polars as pl

    parts = []
    for name, split in _FOLDERS.items():
        path = root / name / "label.csv"
        if not path.is_file():
            continue
        table = _csv(path, header=False)
        if table.width != 2 + len(_VOTES):
            raise InputError(
                f"{table.width} columns; a picture, its box and {len(_VOTES)} votes are expected",
                where=str(path),
                hint=LAYOUT,
            )
        folder = str(path.parent.absolute())
        names = dict(zip(table.columns, ("image", "box", *_VOTES), strict=True))
        frame = table.rename(names).select(
            pl.format("{}/{}", pl.lit(folder), pl.col("image")).alias("image"),
            pl.lit(split).alias("split"),
            *_VOTES,
        )
        parts.append(_labelled(frame, path, first=1, unit="line"))
    return pl.concat(parts)


def _csv(path: Path, *, header: bool = True) -> pl.DataFrame:
    import polars as pl

    try:
        return pl.read_csv(path, has_header=header, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path), hint=f"expected: {LAYOUT}") from None


def _labelled(frame: pl.DataFrame, where: Path, *, first: int, unit: str) -> pl.DataFrame:
    """From votes to shares."""
    import polars as pl

    frame = frame.with_row_index("row")
    counts = frame.select(pl.col(_VOTES).cast(pl.Int32, strict=False))
    wrong = counts.select(~pl.all_horizontal(pl.all().is_between(0, 100).fill_null(False))).to_series()
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        raise InputError(
            f"{unit} {row + first}: {', '.join(map(str, frame.select(_VOTES).row(row)))} are not votes",
            where=str(where),
        )
    for row, word in enumerate(frame["split"]):
        if split_named(str(word)) is None:
            raise InputError(f"{unit} {row + first}: `{word}` is no part of FER+", where=str(where))
    votes = pl.sum_horizontal(EXPRESSIONS)
    best = pl.max_horizontal(EXPRESSIONS)
    frame = (
        frame.with_columns(counts.get_columns())
        .with_columns(votes=votes, majority=best >= pl.max_horizontal("unknown", "NF"))
        .filter(pl.col("votes") > 0)
        .with_columns(pl.col(EXPRESSIONS) / pl.col("votes"))
    )
    rows = frame["row"]
    return labelled(frame, where, lambda i: f"{unit} {rows[i] + first}")
