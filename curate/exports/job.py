"""What is exported: the rows, their pictures, and what the pictures are called."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from shlex import quote

import polars as pl

from curate.affect import tables_of
from curate.errors import QueryError
from curate.exports.names import safe_name, split_ending, unique_paths
from curate.pictures import file_of
from curate.querying import search
from curate.recipes.query import parse_condition
from curate.recipes.sql_names import SOURCE
from curate.scoreset import ScoreSet
from curate.sources.webdataset import archive_of, member_of

MANIFEST = "curate-export.json"
FILES = "curate-export.files.jsonl"
# Endings by what the column `format` says.
ENDINGS = {
    "jpeg": ".jpg", "png": ".png", "webp": ".webp", "gif": ".gif", "bmp": ".bmp", "tiff": ".tif", "avif": ".avif",
    "jpeg2000": ".jp2", "jp2": ".jp2",
}  # fmt: skip
_KNOWN_ENDINGS = frozenset((*ENDINGS.values(), ".jpeg", ".tiff", ".jpe", ".jfif"))
_ROW = r"#([^#/]*)/(\d+)$"


@dataclass(frozen=True)
class Job:
    """One export.

    Attributes:
        scores: the score set.
        out: the folder that is written.
        rows: the faces that are handed on, with all columns of the set (without `landmarks`, unless the format wants
            them), a picture's together, in the order of `pictures`, by `face`.
        pictures: their pictures, each once: `image` String, `sha256` String (may be null), `format` String (may be
            null), `first` UInt32 (row number in `rows` of its first face), `faces` UInt32 (how many). In the order of
            their names; rows of a dataset in its order.
        where: the query that they match, if one was asked.
        overwrite: what is there may be replaced.
        left_out_rows: how many rows of the set are not handed on, by why: a status, or `query`.
        renamed: files that are not called what their picture is: path -> the name that was to be.
        left_out: pictures that cannot be had: `image` -> why.
        paths: what `name_pictures` has called them last, in the order of `pictures`.
    """

    scores: ScoreSet
    out: Path
    rows: pl.DataFrame
    pictures: pl.DataFrame
    left_out_rows: dict[str, int]
    where: str | None = None
    overwrite: bool = False
    renamed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)

    def faces(self, picture: int) -> pl.DataFrame:
        """The rows of a picture that are handed on, the first the one with the lowest `face`."""
        return self.rows.slice(self.pictures["first"][picture], self.pictures["faces"][picture])

    def faces_of(self, pictures: Sequence[int]) -> pl.DataFrame:
        """The rows of these pictures, one picture after the other."""
        starts, counts = (self.pictures[name].gather(list(pictures)).to_list() for name in ("first", "faces"))
        return self.rows[
            [row for start, n in zip(starts, counts, strict=True) for row in range(start, start + n)]
        ]

    def first_faces(self) -> pl.DataFrame:
        """For each picture the row of its first face."""
        return self.rows[self.pictures["first"]]

    def handed_on(self) -> pl.DataFrame:
        """`rows` without those whose picture is left out: for `last` parts."""
        if not self.left_out:
            return self.rows
        return self.rows.filter(~pl.col("image").is_in(list(self.left_out)))

    def name_pictures(
        self, folders: Sequence[str] | None = None, *, beside: bool = False, taken: Sequence[str] = ()
    ) -> list[str]:
        """A path below OUT for each picture: its own file name where possible, safe on every system, none twice.

        What had to be called otherwise is noted in `renamed`.

        Args:
            folders: for each the folder it goes to, of safe names with `/` between them; "" for OUT itself.
            beside: files of the same stem will lie beside them, so no two stems may be equal either.
            taken: paths below OUT that the format needs itself.
        """
        wanted = [picture_name(*row) for row in self.pictures.select("image", "format").iter_rows()]
        safe = [safe_name(name) for name in wanted]
        if folders is not None:
            safe = [
                f"{folder}/{name}" if folder else name for folder, name in zip(folders, safe, strict=True)
            ]
        taken = (*taken, MANIFEST, FILES)
        paths = unique_paths(safe, self.pictures["sha256"].to_list(), taken=taken, by_stem=beside)
        for name, path in zip(wanted, paths, strict=True):
            if path.rpartition("/")[2] != name:
                self.renamed[path] = readable(name)
        self.paths[:] = paths
        return paths


def readable(name: str) -> str:
    """A file name as text: bytes that are no UTF-8 as `\\xff`, as in the column `image`."""
    return os.fsencode(name).decode(errors="backslashreplace")


def picture_name(image: str, format: str | None) -> str:
    """What a picture is called: its file's name; a member of an archive by its own, a row of a dataset by its split and
    number.

    It has an ending that tells a picture: by the column `format`, where the name has none.
    """
    row = re.search(_ROW, image)
    if row is not None:
        return f"{row[1]}-{int(row[2]):08}{ENDINGS.get(format or '', '')}"
    inside = archive_of(image) is not None and not os.path.lexists(file_of(image))
    name = PurePosixPath(member_of(image)).name if inside else Path(file_of(image)).name
    if split_ending(name)[1].lower() not in _KNOWN_ENDINGS:
        name += ENDINGS.get(format or "", "")
    return name


def open_job(
    scores: ScoreSet, out: Path, where: str | None, *, landmarks: bool, overwrite: bool = False
) -> Job:
    """Read the rows of a set that are handed on.

    Args:
        scores: the set.
        out: where they go.
        where: a query; None takes every face.
        landmarks: keep that column.
        overwrite: what is there may be replaced.

    Raises:
        QueryError: the query makes no sense.
        InputError: the set cannot be read.
    """
    found = scores.scan()
    schema = scores.schema(found)
    if where is not None:
        chosen = pl.col("_row").is_in(_matching(scores, where, dict(schema)).implode())
    else:
        chosen = pl.lit(True)
    statuses = scores.collect(found.select("status"))["status"]
    numbered = found.with_row_index("_row")
    if "landmarks" in schema and not landmarks:
        numbered = numbered.drop("landmarks")
    rows = scores.collect(numbered.filter(pl.col("status") == "ok", chosen))
    left_out = {status: n for status, n in Counter(statuses).items() if status != "ok"}
    if where is not None:
        left_out["query"] = int((statuses == "ok").sum()) - rows.height
    rows = _ordered(rows, dataset=scores.manifest.source.kind == "dataset").drop("_row")
    pictures = (
        rows.with_row_index("first")
        .group_by("image", maintain_order=True)
        .agg(pl.col("sha256", "format", "first").first(), pl.len().alias("faces"))
    )
    return Job(scores, out, rows, pictures, left_out, where, overwrite)


def _matching(scores: ScoreSet, where: str, schema: dict[str, pl.DataType]) -> pl.Series:
    """Row numbers of the faces for which a query is true."""
    # The shipped words take a while to read, and few queries need them.
    tables = tables_of(scores.folder, scores.manifest) if scores.manifest.own_tables else None
    try:
        query = parse_condition(where, schema, tables.lexicon if tables else None)
    except QueryError as error:
        # A query knows no folders: `curate score SOURCE ...` becomes a command to type.
        here = f"{quote(scores.manifest.source.location)} -o {quote(str(scores.place))}"
        error.hint = error.hint.replace(SOURCE, here)
        raise
    return search(scores, tables, query).numbers


def _ordered(rows: pl.DataFrame, *, dataset: bool) -> pl.DataFrame:
    if not dataset:
        return rows.sort("image", "face")
    split, number = pl.col("image").str.extract(_ROW, 1), pl.col("image").str.extract(_ROW, 2)
    # Splits come in the order in which they were scored: a dataset is read once, from its beginning to its end.
    place = pl.col("_row").min().over(split)
    keys = rows.select(place=place, number=number.cast(pl.UInt64, strict=False))
    ordered = rows.hstack(keys).sort("place", "number", "image", "face", nulls_last=True)
    return ordered.drop("place", "number")
