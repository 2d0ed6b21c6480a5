"""Words in a file beside a picture: a caption or AUTOMATIC1111's text in `x.txt`, fields in `x.json`.

Beside a file of this machine one looks; of what lies beside a picture in an archive or a bucket its source knows.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from curate.errors import InputError
from curate.metadata_text import text_of
from curate.scorers.said import Said
from curate.sources.reference import Reference
from curate.sources.sidecars import sidecar_names
from curate.sources.source import Input, as_text

MAX_BYTES = 1 << 20
# Windows has neither; a link and a pipe are told apart afterwards there, too.
_FLAGS = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)


def read_sidecars(item: Input) -> tuple[Said, ...]:
    """What stands beside a picture: JSON first, which says more, then text; () where nothing does.

    Only regular files count, none is reached through a link, and none larger than `MAX_BYTES` is read. A text
    without a single letter (the boxes of a detector, say) is no caption.
    """
    if item.path is None:
        there = {other.name: other for other in item.beside}
        ending = {os.path.splitext(name)[1]: name for name in there}  # noqa: PTH122 - a name
        kinds = {
            "json": [name for name in there if name.endswith(".json")],
            "parameters": [ending[end] for end in (".txt", ".caption") if end in ending],
        }
        return _first(kinds, lambda name: _fetched(there[name].at))
    path = Path(item.path)
    names = {
        kind: [name for name in some if name != path.name] for kind, some in sidecar_names(path.name).items()
    }
    return _first(names, lambda name: _read(path.with_name(name)))


def _first(names: Mapping[str, Sequence[str]], read: Callable[[str], tuple[str, str]]) -> tuple[Said, ...]:
    """Of each kind the first that says something, and what is wrong with those before it."""
    found: list[Said] = []
    for kind, some in names.items():
        for name in some:
            text, error = read(name)
            errors = (f"{as_text(name)} {error}",) if error else ()
            if any(letter.isalpha() for letter in text):
                found.append(Said("sidecar", {kind: text}, errors))
                break
            if errors:
                found.append(Said("sidecar", errors=errors))
    return tuple(found)


def _fetched(at: Reference) -> tuple[str, str]:
    """As `_read`, of a member of an archive or an object."""
    try:
        return text_of(at.read(MAX_BYTES))
    except InputError as error:
        return "", error.message if error.message.startswith("cannot") else f"cannot be read: {error.message}"


def _read(path: Path) -> tuple[str, str]:
    """The text of a file, and why it, or some of it, could not be read; nothing of both where there is none."""
    try:
        handle = os.open(path, _FLAGS)
    except FileNotFoundError:
        return "", ""
    except OSError as error:
        return "", f"cannot be read: {(error.strerror or str(error)).lower()}"
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        return "", "is not a regular file"
    with os.fdopen(handle, "rb") as file:
        if status.st_size > MAX_BYTES:
            return "", f"is too large: {status.st_size:,} bytes, and {MAX_BYTES:,} are read"
        try:
            data = file.read(MAX_BYTES + 1)
        except OSError as error:
            return "", f"cannot be read: {(error.strerror or str(error)).lower()}"
    return text_of(data)
