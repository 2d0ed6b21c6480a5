"""The rows of Parquet and Arrow files as inputs: a reference each, and what their words say; no pixels are read.

Where a picture is a struct of `bytes` and `path`, the file's statistics tell whether the bytes are there. Only a row
group that has some pictures inside and some outside is read to tell which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from curate.scorers.said import Said
from curate.sources.reference import Row
from curate.sources.remote import is_url, open_url
from curate.sources.source import Input, as_text, url_input

# Rows whose words are held at a time, and pictures where they have to be.
_WORDS = 1024
_PICTURES = 16


@dataclass(frozen=True)
class Columns:
    """What of a data set is looked at.

    Attributes:
        picture: the column that holds the pictures.
        words: the columns that tell how they were made, with their types (of `datasets`).
    """

    picture: str
    words: Mapping[str, Any]


def parquet_inputs(files: Iterable[str], name: str, columns: Columns) -> Iterator[Input]:
    """The rows of Parquet files (paths or URLs), called `NAME/0`, `NAME/1` ... through all of them."""
    number = 0
    for file in files:
        for item in _of_parquet(file, columns):
            yield Input(f"{name}/{number}", item.path, item.data, item.said, item.at)
            number += 1


def text_cells(files: Iterable[str], columns: Columns) -> Iterator[tuple[str, str | None, tuple[Said, ...]]]:
    """For every row of Parquet files whose picture column is text: the file, the text, and what the words say."""
    for file in files:
        with _opened(file) as table:
            for batch in table.iter_batches(_WORDS, columns=_there(table, [columns.picture, *columns.words])):
                rows = batch.to_pylist()
                yield from ((file, row[columns.picture], told(row, columns.words)) for row in rows)


def arrow_inputs(files: Iterable[str], name: str, columns: Columns) -> Iterator[Input]:
    """The rows of Arrow files that `save_to_disk` wrote, called as `parquet_inputs` does."""
    import pyarrow as pa

    number = 0
    for file in files:
        with pa.memory_map(file) as mapped, pa.ipc.open_stream(mapped) as stream:
            begin = 0
            for batch in stream:
                words = batch.select(
                    [word for word in columns.words if word in batch.schema.names]
                ).to_pylist()
                inside = _inside(batch.column(columns.picture))
                paths = _paths(batch.column(columns.picture), inside)
                for row in range(batch.num_rows):
                    said = told(words[row], columns.words)
                    yield _input(
                        f"{name}/{number}", Row(file, begin + row, columns.picture), paths.get(row), said
                    )
                    number += 1
                begin += batch.num_rows


def told(row: Mapping[str, Any], words: Mapping[str, Any]) -> tuple[Said, ...]:
    """What the words of a row say; a class by its name."""
    import datasets

    found = {}
    for name, feature in words.items():
        value = row.get(name)
        if isinstance(feature, datasets.ClassLabel):
            known = isinstance(value, int) and 0 <= value < feature.num_classes
            value = feature.int2str(value) if known else None
        if value is not None:
            found[name] = value
    return (Said("dataset", found),) if found else ()


def pointed_at(image: str, path: str, said: tuple[Said, ...]) -> Input:
    """The input of a row that says where its picture is."""
    if is_url(path):
        there = url_input(path)
        return Input(image, said=said, at=there.at, problem=there.problem)
    return Input(image, path=path, said=said)


def rows_of(files: Iterable[str]) -> int:
    """How many rows Parquet files have, by their footers."""
    count = 0
    for file in files:
        with _opened(file) as table:
            count += table.metadata.num_rows
    return count


def features_of(file: str) -> Any:
    """The columns of a Parquet file with their types, as `datasets` sees them."""
    import datasets

    with _opened(file) as table:
        return datasets.Features.from_arrow_schema(table.schema_arrow)


def _opened(file: str) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(open_url(file) if is_url(file) else file, buffer_size=1 << 20, pre_buffer=False)


def _there(table: Any, names: Iterable[str]) -> list[str]:
    return [name for name in names if name in table.schema_arrow.names]


def _of_parquet(file: str, columns: Columns) -> Iterator[Input]:
    """The rows of one file, without a name."""
    with _opened(file) as table:
        column, words = columns.picture, _there(table, columns.words)
        if column not in table.schema_arrow.names:
            raise ValueError(f"{as_text(file)} has no column {column}")
        number = 0
        for group in range(table.metadata.num_row_groups):
            paths = _paths_of_group(table, group, column)
            batches = table.iter_batches(_WORDS, row_groups=[group], columns=words) if words else ()
            said = (told(row, columns.words) for batch in batches for row in batch.to_pylist())
            for row in range(table.metadata.row_group(group).num_rows):
                about = next(said) if words else ()
                yield _input("", Row(file, number, column), paths.get(row), about)
                number += 1


def _input(image: str, row: Row, path: str | None, said: tuple[Said, ...]) -> Input:
    return Input(image, said=said, at=row) if path is None else pointed_at(image, path, said)


def _paths_of_group(table: Any, group: int, column: str) -> dict[int, str]:
    """Row -> path, of the rows of a group whose picture is not in it."""
    import pyarrow as pa

    kind = table.schema_arrow.field(column).type
    if not pa.types.is_struct(kind) or "path" not in {field.name for field in kind}:
        return {}
    about = table.metadata.row_group(group)
    leaves = {about.column(i).path_in_schema: about.column(i) for i in range(about.num_columns)}
    statistics = leaves[f"{column}.bytes"].statistics if f"{column}.bytes" in leaves else None
    nulls = statistics.null_count if statistics is not None and statistics.has_null_count else None
    if nulls == 0:
        return {}
    asked = f"{column}.path" if nulls == about.num_rows else column
    paths: dict[int, str] = {}
    begin = 0
    for batch in table.iter_batches(
        _WORDS if asked != column else _PICTURES, row_groups=[group], columns=[asked]
    ):
        cells = batch.column(0)
        inside = _inside(cells) if asked == column else None
        paths |= {begin + row: path for row, path in _paths(cells, inside).items()}
        begin += batch.num_rows
    return paths


def _inside(cells: Any) -> Any:
    """Which cells hold bytes (numpy, bool); None: all that can be known is that they may."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_struct(cells.type) or "bytes" not in {field.name for field in cells.type}:
        return None
    return pc.is_valid(pc.struct_field(cells, "bytes")).to_numpy(zero_copy_only=False)


def _paths(cells: Any, inside: Any) -> dict[int, str]:
    """Cell -> path, of the cells of a struct that are not `inside`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_struct(cells.type) or "path" not in {field.name for field in cells.type}:
        return {}
    paths = pc.struct_field(cells, "path").to_pylist()
    return {
        row: path
        for row, path in enumerate(paths)
        if isinstance(path, str) and (inside is None or not inside[row])
    }
