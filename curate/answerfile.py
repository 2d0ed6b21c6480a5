"""A file that a command writes its answer to."""

from __future__ import annotations

from pathlib import Path

from curate.errors import ExportError, InputError
from curate.place import replacing


def check_answer(path: Path, *, overwrite: bool) -> None:
    """Before the work is done: whether the answer may be written there.

    Raises:
        ExportError: there is something and it shall stay, or there is no such folder.
    """
    if path.is_dir() or not path.parent.is_dir():
        words = "this is a folder" if path.is_dir() else "there is no such folder"
        raise ExportError(words, where=str(path if path.is_dir() else path.parent), hint="name a file")
    if path.exists() and not overwrite:
        raise ExportError("it is there already", where=str(path), hint="--overwrite, or choose another name")


def write_answer(path: Path, content: bytes) -> None:
    """Write it whole or not at all; ExportError where that is not possible."""
    try:
        with replacing(path) as partial:
            partial.write_bytes(content)
    except InputError as error:
        raise ExportError(error.message, where=error.where, hint="choose another place") from error
