"""`--to jsonl`: the columns as JSON, a face a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from curate.exports.csv import text_columns
from curate.exports.files import Files
from curate.exports.format import Format
from curate.exports.job import Job
from curate.exports.part import Part
from curate.pictures import Picture

FILE = "faces.jsonl"


class Jsonl(Format):
    """`faces.jsonl`: a JSON object a face, every column in every line, null where there is no answer.

    Numbers are as short as they can be without becoming other 32-bit numbers; `phash` is 16 hexadecimal digits.
    """

    name: ClassVar[str] = "jsonl"

    def plan(self, job: Job) -> Sequence[Part]:
        return [Part("faces", (FILE,))]

    def write(self, part: Part, job: Job, files: Files, pictures: Iterator[tuple[int, Picture]]) -> None:
        with files.open(FILE) as file:
            text_columns(job.rows).write_ndjson(file)
