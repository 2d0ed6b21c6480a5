"""A text file that names pictures, one path a line.

A relative path is looked for beside the list first, then in the current folder. Empty lines and lines that
begin with `#` are skipped, as is the blank space around a path (write `./#1.png` for a file that begins so).
What does not exist is an input all the same, and its row says so. `-` is the standard input.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from curate.errors import InputError
from curate.sources.source import Input, Source, absolute, as_text, file_input


def open_list(path: str) -> Source:
    """The pictures that a list names.

    Raises:
        InputError: the list cannot be read, or names nothing.
    """
    if path == "-":
        # It can be read once only; a list in a file is read line by line, each time anew.
        data = sys.stdin.buffer.read()
        folder, name, location = Path.cwd(), "stdin", "-"

        def lines() -> Iterator[str]:
            return _lines(io.BytesIO(data))
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


def _input(line: str, folder: Path) -> Input:
    if Path(line).is_absolute():
        return file_input(absolute(line))
    beside = absolute(str(folder / line))
    try:
        found = Path(beside).exists()
    except (OSError, ValueError):  # no possible name: reading it will say so
        found = True
    return file_input(beside if found else _in_current_folder(line, beside))


def _in_current_folder(line: str, beside: str) -> str:
    here = absolute(line)
    return here if Path(here).exists() else beside
