"""Words in a file beside a picture: a caption or AUTOMATIC1111's text in `x.txt`, fields in `x.json`."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from curate.scorers.said import Said

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
            if error:
                found.append(Said("sidecar", errors=(f"{beside.name} {error}",)))
            elif any(letter.isalpha() for letter in text):
                found.append(Said("sidecar", {key: text}))
                break
    return tuple(found)


def _read(path: Path) -> tuple[str, str]:
    """The text of a file, and why it could not be read; nothing of both where there is none."""
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
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace"), ""
    return data.decode("utf-8-sig", "replace"), ""
