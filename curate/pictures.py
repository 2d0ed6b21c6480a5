"""The pictures behind the rows of a score set, read again: to be looked at, and to be handed on."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from curate.errors import InputError
from curate.manifest import SourceRecord
from curate.sources import open_source
from curate.sources.source import Input

_READERS = 4
# So many pictures are read ahead.
_WINDOW = 32
CHANGED = "the picture has changed since it was scored"
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a score set, as it is now.

    Attributes:
        image: what the `image` column says.
        path: the file, as the operating system knows it; None for a dataset's row that has no file of its own.
        data: its encoded bytes; empty where there is a problem.
        problem: why it cannot be had, in words: it is missing, cannot be read, or is not what was scored.
    """

    image: str
    path: str | None
    data: bytes
    problem: str | None = None


def read_pictures(source: SourceRecord, wanted: Mapping[str, str | None]) -> Iterator[Picture]:
    """Read pictures and compare them with what was scored.

    Args:
        source: what the set's manifest says of where its pictures are from.
        wanted: `image` and `sha256` of each, as in the set's columns; None for the content takes whatever is there.

    Yields:
        One `Picture` for each, with its bytes or with what is wrong. Files come in the order of `wanted`, rows of a
        dataset in the order of the dataset, which is read once.

    Raises:
        InputError: a dataset cannot be opened any more.
    """
    if source.kind != "dataset":
        yield from _compared((_file(image) for image in wanted), wanted)
        return
    left = dict(wanted)
    for picture in _compared(_rows(source, left), wanted):
        if picture.problem != CHANGED:  # the rows may have moved: see below
            del left[picture.image]
            yield picture
    by_content: dict[str, list[str]] = {}
    for image, sha256 in left.items():
        if sha256 is not None:
            by_content.setdefault(sha256, []).append(image)
    if by_content:
        for item in open_source(source.location, split=source.split):
            found = _read(item)
            for image in by_content.pop(hashlib.sha256(found.data).hexdigest(), ()):
                del left[image]
                yield Picture(image, found.path, found.data)
            if not by_content:
                break
    for image in left:
        yield Picture(image, None, b"", "the dataset has no such picture any more")


def file_of(image: str) -> str:
    """The path of a file as the operating system knows it, from the `image` column, where odd bytes are escaped."""
    if "\\x" not in image or os.path.lexists(image):
        return image
    return os.fsdecode(_ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), image.encode()))


def _file(image: str) -> Input:
    return Input(image, path=file_of(image))


def _rows(source: SourceRecord, left: Mapping[str, str | None]) -> Iterator[Input]:
    """The wanted rows of a dataset, by their names; stops at the last."""
    missing = len(left)
    for item in open_source(source.location, split=source.split):
        if item.image in left:
            yield item
            missing -= 1
            if not missing:
                return


def _compared(items: Iterable[Input], wanted: Mapping[str, str | None]) -> Iterator[Picture]:
    """Pictures read ahead by a few threads (hashing and reading let others run), in order."""

    def one(item: Input) -> Picture:
        found = _read(item)
        sha256 = wanted[item.image]
        if found.problem is None and sha256 is not None and hashlib.sha256(found.data).hexdigest() != sha256:
            return Picture(found.image, found.path, b"", CHANGED)
        return found

    todo = iter(items)
    with ThreadPoolExecutor(_READERS) as readers:
        ahead = [readers.submit(one, item) for item in islice(todo, _WINDOW)]
        while ahead:
            yield ahead.pop(0).result()
            ahead += [readers.submit(one, item) for item in islice(todo, 1)]


def _read(item: Input) -> Picture:
    try:
        return Picture(item.image, item.path, item.read())
    except InputError as problem:
        return Picture(item.image, item.path, b"", problem.message)
