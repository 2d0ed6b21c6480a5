"""Words in a file beside a picture: a caption or AUTOMATIC1111's text in `x.txt`, fields in `x.json`."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from curate.metadata_text import text_of
from curate.scorers.said import Said
from curate.sources.source import as_text

MAX_BYTES = 1 << 20
# The second one is what gallery-dl and its like write.
_JSON = ("{stem}.json", "{name}.json")
_TEXT = ("{stem}.txt", "{stem}.caption")
# Windows has neither; a link and a pipe are told apart afterwards there, too.
_FLAGS = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)


def read_sidecars(picture: str) -> tuple[Said, ...]:
    """What stands beside a picture: JSON first, which says more, then text; () where nothing does.

    Only regular files count, none is reached through a link, and none larger than `MAX_BYTES` is read. A text
    without a single letter (the boxes of a detector, say) is no caption.

    Args:
        picture: the path of its file.
    """
    path = Path(picture)
    found: list[Said] = []
    for key, patterns in (("json", _JSON), ("parameters", _TEXT)):
        for pattern in patterns:
            beside = path.with_name(pattern.format(stem=path.stem, name=path.name))
            if beside == path:
                continue
            text, error = _read(beside)
            errors = (f"{as_text(beside.name)} {error}",) if error else ()
            if any(letter.isalpha() for letter in text):
                found.append(Said("sidecar", {key: text}, errors))
                break
            if errors:
                found.append(Said("sidecar", errors=errors))
    return tuple(found)


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
