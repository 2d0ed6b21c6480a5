"""The pictures behind the rows of a score set, read again: to be looked at, and to be handed on."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from curate.errors import InputError
from curate.manifest import SourceRecord
from curate.sources import open_source
from curate.sources.remote import is_url, scheme_of
from curate.sources.source import Input, url_input
from curate.sources.webdataset import archive_inputs, archive_of

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
        path: the file, as the operating system knows it; None where the picture is no file of its own here.
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
        One `Picture` for each, with its bytes or with what is wrong. Files and objects come in the order of `wanted`,
        then rows of a dataset and members of archives in their own order, each archive looked through once.

    Raises:
        InputError: a dataset cannot be opened any more.
    """
    single = {image for image in wanted if has_file(source, image) or _is_object(source, image)}
    yield from _compared((_single(image) for image in wanted if image in single), wanted)
    left = {image: sha256 for image, sha256 in wanted.items() if image not in single}
    if not left:
        return
    places = _places(source, left)
    for picture in _compared(_named(places, left), wanted):
        if picture.problem != CHANGED:  # the rows may have moved: see below
            del left[picture.image]
            yield picture
    by_content: dict[str, list[str]] = {}
    for image, sha256 in left.items():
        if sha256 is not None:
            by_content.setdefault(sha256, []).append(image)
    if by_content:
        for item in places():
            found = _read(item)
            for image in by_content.pop(hashlib.sha256(found.data).hexdigest(), ()):
                del left[image]
                yield Picture(image, found.path, found.data)
            if not by_content:
                break
    for image in left:
        what = "archive" if archive_of(image) else "list" if is_url(image) else "dataset"
        yield Picture(image, None, b"", f"the {what} has no such picture any more")


def has_file(source: SourceRecord, image: str) -> bool:
    """Whether a picture is, or was, a file of its own on this machine."""
    if is_url(image) or (source.kind == "dataset" and "#" in image and not os.path.lexists(file_of(image))):
        return False
    return archive_of(image) is None or os.path.lexists(file_of(image))


def all_files(source: SourceRecord, images: Iterable[str]) -> bool:
    """Whether all of them are; else sizes and links are not to be had without reading."""
    return all(has_file(source, image) for image in images)


def file_of(image: str) -> str:
    """The path of a file as the operating system knows it, from the `image` column, where odd bytes are escaped."""
    if "\\x" not in image or os.path.lexists(image):
        return image
    return os.fsdecode(_ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), image.encode()))


def _is_object(source: SourceRecord, image: str) -> bool:
    """Whether a picture is one that a URL leads to; that of a list may have had more to it than is shown."""
    if not is_url(image) or archive_of(image) is not None:
        return False
    if source.kind == "dataset":
        return not image.startswith(f"{source.location}#")
    return source.kind != "list" or scheme_of(image) not in ("http", "https")


def _single(image: str) -> Input:
    return url_input(image) if is_url(image) else Input(image, path=file_of(image))


def _places(source: SourceRecord, left: Iterable[str]) -> Callable[[], Iterator[Input]]:
    """All that lies where these rows, members and pictures of lists were."""
    archives = list(dict.fromkeys(filter(None, map(archive_of, left))))
    others = any(archive_of(image) is None for image in left)

    def everything() -> Iterator[Input]:
        yield from archive_inputs([path if is_url(path) else file_of(path) for path in archives])
        if others:
            yield from open_source(source.location, split=source.split)

    return everything


def _named(places: Callable[[], Iterator[Input]], left: Mapping[str, str | None]) -> Iterator[Input]:
    """The wanted ones, by their names; stops at the last."""
    missing = len(left)
    for item in places():
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
