"""`--to csv`: the columns as a table for spreadsheets and statistics programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import polars as pl
import polars.selectors as cs

from curate.exports.files import Files
from curate.exports.format import Format
from curate.exports.job import Job
from curate.exports.part import Part
from curate.pictures import Picture

FILE = "faces.csv"
# A spreadsheet takes text that begins so for a formula, and runs it (OWASP, CSV injection). The guard itself is
# guarded, so that what is read can be told from what was written.
_FORMULA, _GUARDED = r"^([=+\-@\t\r\n'\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}])", "'$1"


class Csv(Format):
    """`faces.csv`: RFC 4180 in UTF-8, a row a face, a line of column names first.

    Nulls are empty cells. Numbers are as short as they can be without becoming other 32-bit numbers; `phash` is 16
    hexadecimal digits. Text that a spreadsheet would take for a formula (it begins with = + - @, one of these in
    full width, a tab, a line feed or a carriage return), or that begins with an apostrophe, has an
    apostrophe before it.
    """

    name: ClassVar[str] = "csv"

    def plan(self, job: Job) -> Sequence[Part]:
        return [Part("faces", (FILE,))]

    def write(self, part: Part, job: Job, files: Files, pictures: Iterator[tuple[int, Picture]]) -> None:
        with files.open(FILE) as file:
            guarded(text_columns(job.rows)).write_csv(file, line_terminator="\r\n", quote_style="non_numeric")


def text_columns(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows as text formats have them: no NaN, and `phash` (UInt64) as 16 hexadecimal digits."""
    frame = rows.with_columns(cs.float().fill_nan(None))
    if "phash" not in frame.columns:
        return frame
    digits = pl.col("phash").map_elements("{:016x}".format, return_dtype=pl.String)
    return frame.with_columns(digits)


def guarded(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows none of whose texts a spreadsheet takes for a formula."""
    return rows.with_columns(cs.string().str.replace(_FORMULA, _GUARDED))
