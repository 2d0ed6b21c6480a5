"""`--to parquet`: the columns in one file, with what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import polars as pl

from curate.exports.files import Files
from curate.exports.format import Format
from curate.exports.job import Job
from curate.exports.landmarks import LANDMARKS, check_landmarks
from curate.exports.part import Part
from curate.pictures import Picture
from curate.scorers.columns import CATALOGUE

FILE = "faces.parquet"
# Rows of one group; with landmarks a row has 6 kB.
_GROUP, _GROUP_LANDMARKS = 100_000, 8_000


class Parquet(Format):
    """`faces.parquet` (zstd): a row a face, the types of the score set.

    The schema's fields carry what the catalogue says of their columns: `description`, and `unit` where there is one.

    Attributes:
        with_landmarks: also the 478 x 3 points of each face.
    """

    name: ClassVar[str] = "parquet"

    with_landmarks: bool = False

    def wants_landmarks(self) -> bool:
        return self.with_landmarks

    def plan(self, job: Job) -> Sequence[Part]:
        if self.with_landmarks:
            check_landmarks(job)
        return [Part("faces", (FILE,))]

    def write(self, part: Part, job: Job, files: Files, pictures: Iterator[tuple[int, Picture]]) -> None:
        import pyarrow.parquet as pq

        table = described(job.rows)
        group = _GROUP_LANDMARKS if LANDMARKS in job.rows.columns else _GROUP
        with files.temporary(FILE) as path:
            pq.write_table(table, path, compression="zstd", row_group_size=group)


def described(rows: pl.DataFrame) -> Any:
    """Rows as a `pyarrow.Table` whose fields say what they are."""
    import pyarrow as pa

    known = {column.name: column for column in CATALOGUE}
    table = rows.to_arrow()
    fields = []
    for field in table.schema:
        # Polars' own kind of text is not read by everything.
        plain = field.with_type(pa.string()) if pa.types.is_large_string(field.type) else field
        column = known.get(field.name)
        if column is not None:
            said = {"description": column.doc, **({"unit": column.unit} if column.unit else {})}
            plain = plain.with_metadata(said)
        fields.append(plain)
    return table.cast(pa.schema(fields))
