"""A text file that names pictures, one path or URL a line; or a column of text in Parquet files.

A relative path is looked for beside the list first, then in the current folder; one of a list behind a URL lies beside
that. Empty lines and lines that begin with `#` are skipped, as is the blank space around a path (write `./#1.png` for a
file that begins so). What does not exist is an input all the same, and its row says so. `-` is the standard input.
"""

from __future__ import annotations

import io
import posixpath
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from curate.errors import InputError
from curate.sources.remote import is_url, open_url, shown, source_errors
from curate.sources.source import Input, Source, absolute, as_text, file_input, url_input
from curate.sources.tables import Columns, rows_of, text_cells


def open_list(path: str) -> Source:
    """The pictures that a list names.

    Raises:
        InputError: the list cannot be read, or names nothing.
    """
    if path == "-":
        # It can be read once only; a list in a file is read line by line, each time anew.
        data = sys.stdin.buffer.read()
        folder: Path | str = Path.cwd()
        name, location = "stdin", "-"

        def lines() -> Iterator[str]:
            return _lines(io.BytesIO(data))
    elif is_url(path):
        location, name = shown(path), Path(shown(path)).stem
        folder = path.rpartition("/")[0]

        def lines() -> Iterator[str]:
            with source_errors(path), open_url(path) as file:
                yield from _lines(file)
    else:
        location = absolute(path)
        folder, name = Path(location).parent, Path(location).stem

        def lines() -> Iterator[str]:
            try:
                with Path(location).open("rb") as file:
                    yield from _lines(file)
            except OSError as error:
                raise InputError(f"cannot be read: {error.strerror}", where=as_text(path)) from None

    if next(lines(), None) is None:
        raise InputError(
            "this list names no pictures",
            where="standard input" if path == "-" else as_text(path),
            hint="write one path a line, relative to the list or to the current folder",
        )
    return Source(
        name=as_text(name),
        kind="list",
        location=as_text(location),
        inputs=lambda: (_input(line, folder) for line in lines()),
        counter=lambda: sum(1 for _ in lines()),
    )


def _lines(file: io.BufferedIOBase) -> Iterator[str]:
    # Not by universal newlines: a name may hold bytes that only the operating system understands.
    for number, raw in enumerate(file):
        line = raw.removeprefix(b"\xef\xbb\xbf") if number == 0 else raw
        text = line.decode("utf-8", "surrogateescape").strip()
        if text and not text.startswith("#"):
            yield text


def open_text_column(name: str, location: str, files: Sequence[str], columns: Columns) -> Source:
    """The pictures that a column of text in Parquet files names; relative ones lie beside the file that names them."""

    def inputs() -> Iterator[Input]:
        row = -1
        for row, (file, text, said) in enumerate(text_cells(files, columns)):
            folder = file.rpartition("/")[0] if is_url(file) else Path(file).parent
            if text is None or not text.strip():
                yield Input(f"{location}#train/{row}", said=said)
            else:
                yield replace(_input(text.strip(), folder), said=said)
        if row < 0:
            raise InputError("this list names no pictures", where=location)

    return Source(name=name, kind="list", location=location, inputs=inputs, counter=lambda: rows_of(files))


def _input(line: str, folder: Path | str) -> Input:
    """The input that a line names.

    Args:
        line: a path or a URL.
        folder: where a relative one begins: a path, or a URL without the last slash.
    """
    if is_url(line):
        return url_input(line)
    if isinstance(folder, str):
        if line.startswith("/"):
            return Input(as_text(line), problem="a list from elsewhere cannot name files of this machine")
        scheme, _, path = f"{folder}/{line}".partition("://")
        return url_input(f"{scheme}://{posixpath.normpath(path)}")
    if Path(line).is_absolute():
        return file_input(absolute(line))
    beside_it = absolute(str(folder / line))
    try:
        found = Path(beside_it).exists()
    except (OSError, ValueError):  # no possible name: reading it will say so
        found = True
    return file_input(beside_it if found else _in_current_folder(line, beside_it))


def _in_current_folder(line: str, beside: str) -> str:
    here = absolute(line)
    return here if Path(here).exists() else beside
