"""Pictures in the cells of tables, one after the other, by readers that stay open in the process that reads.

A row of a Parquet file can be had only by decoding what stands before it in its row group. The reader of a file goes
forward in small batches, and remembers the last two: rows that are asked for in order, or nearly so (by a few threads,
say), cost one pass, and memory for some pictures, not for a row group. Arrow files are mapped; there a row costs
nothing but itself.
"""

from __future__ import annotations

import bisect
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from curate.errors import InputError
from curate.sources.remote import is_url, open_url, patiently, reason

_BATCH = 16
_OPEN = 4

_readers: OrderedDict[tuple[object, ...], _Parquet | _Arrow] = OrderedDict()
_lock = threading.Lock()


def read_cell(path: str, number: int, column: str) -> bytes | None:
    """The bytes in a cell; None where it is null.

    Raises:
        InputError: the file cannot be read, or has no such row.
    """
    try:
        return patiently(lambda: _reader(path, column).read(number))
    except InputError:
        raise
    except Exception as error:  # of many kinds: stores, systems, and Arrow's own
        if isinstance(error, OSError) or is_url(path):
            said = reason(error)
        else:
            said = f"the table cannot be read: {' '.join(str(error).split())[:200]}"
        forget_cells()  # a file that was half read is opened anew
        raise InputError(said) from None


def forget_cells() -> None:
    """Close all readers of this process: files behind URLs may be others now."""
    with _lock:
        _readers.clear()


def _reader(path: str, column: str) -> _Parquet | _Arrow:
    state: tuple[int, ...] = ()
    if not is_url(path):
        status = os.stat(path)  # noqa: PTH116 - once a picture
        state = (status.st_mtime_ns, status.st_size, status.st_ino)
    key = (os.getpid(), path, column, *state)
    with _lock:
        reader = _readers.get(key)
        if reader is None:
            reader = _Arrow(path, column) if path.endswith(".arrow") else _Parquet(path, column)
            _readers[key] = reader
            while len(_readers) > _OPEN:
                _readers.popitem(last=False)
        _readers.move_to_end(key)
        return reader


class _Parquet:
    """Goes through the row groups of a file; threads take turns."""

    def __init__(self, path: str, column: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._file = pq.ParquetFile(
            open_url(path, 4 << 20) if is_url(path) else path, buffer_size=1 << 20, pre_buffer=False
        )
        schema = self._file.schema_arrow
        if column not in schema.names:
            raise InputError(f"the table has no column {column} any more")
        self._column = column
        self._leaf = f"{column}.bytes" if pa.types.is_struct(schema.field(column).type) else column
        groups = self._file.metadata.num_row_groups
        sizes = [self._file.metadata.row_group(group).num_rows for group in range(groups)]
        self._begins = [0, *accumulate(sizes)]
        self._next = -1  # the row that the next batch begins with
        self._end = -1
        self._batches: Iterator[Any] = iter(())
        self._held: list[tuple[int, Any]] = []
        self._turn = threading.Lock()

    def read(self, number: int) -> bytes | None:
        """The bytes in a row."""
        with self._turn:
            for begin, cells in self._held:
                if begin <= number < begin + len(cells):
                    return _bytes(cells[number - begin])
            if not 0 <= number < self._begins[-1]:
                raise InputError("the table has no such row any more")
            if not self._next <= number < self._end:
                self._enter(bisect.bisect_right(self._begins, number) - 1)
            while True:
                try:
                    batch = next(self._batches)
                except Exception:
                    self._next = self._end = -1  # whoever asks again begins anew
                    raise
                begin, self._next = self._next, self._next + batch.num_rows
                if number < self._next:
                    cells = batch.column(0)
                    self._held = [*self._held[-1:], (begin, cells)]
                    return _bytes(cells[number - begin])

    def _enter(self, group: int) -> None:
        self._held = []
        self._next, self._end = self._begins[group], self._begins[group + 1]
        self._batches = self._file.iter_batches(
            _BATCH, row_groups=[group], columns=[self._leaf], use_threads=False
        )


class _Arrow:
    """A mapped file in Arrow's stream format."""

    def __init__(self, path: str, column: str) -> None:
        import pyarrow as pa

        with pa.memory_map(path) as file:
            table = pa.ipc.open_stream(file).read_all()
        if column not in table.column_names:
            raise InputError(f"the table has no column {column} any more")
        self._cells = table.column(column)

    def read(self, number: int) -> bytes | None:
        """The bytes in a row."""
        if not 0 <= number < len(self._cells):
            raise InputError("the table has no such row any more")
        return _bytes(self._cells[number])


def _bytes(cell: Any) -> bytes | None:
    """Of a scalar of Arrow's: bytes, or a struct with them."""
    import pyarrow as pa

    if pa.types.is_struct(cell.type):
        if not cell.is_valid:
            return None
        cell = cell["bytes"]
    buffer = cell.as_buffer() if cell.is_valid else None
    return None if buffer is None else buffer.to_pybytes()
