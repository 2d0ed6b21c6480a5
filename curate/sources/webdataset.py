"""WebDataset: tar archives of samples, and any other uncompressed tar with pictures in it.

Every member is an input, except what a folder would pass over, and what WebDataset has beside pictures (classes,
arrays, sound, films). A sample's `.json`, `.txt` and `.caption` tell how its picture was made, as beside a file: they
are found by the picture's name without its ending, or by the sample's key, which ends at the first dot.

The `image` of a picture is `PATH/shard.tar#member/name.png`.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from curate.errors import InputError
from curate.sources.folder import is_other, passed_over
from curate.sources.reference import Slice
from curate.sources.remote import is_url, may_pass, open_url, patiently, reason, shown
from curate.sources.sidecars import beside, sidecar_names
from curate.sources.source import Beside, Input, Source, as_text
from curate.sources.tar import Member, members

ENDING = ".tar"
_PACKED = re.compile(r"\.(tar\.(gz|bz2|xz|zst)|tgz|tbz2?|txz)\Z", re.IGNORECASE)
_ARRAYS = (
    ".cls .cls2 .class .index .inx .id .count .target .transcript .pickle .pyd .mp .msg .ten .tenbin .cbor"
)
_SOUND_AND_FILMS = ".wav .flac .mp3 .m4a .ogg .mp4 .m4v .avi .mov .mkv .webm .ogv .mjpeg"
_NOT_PICTURES = frozenset(f"{_ARRAYS} {_SOUND_AND_FILMS}".split())
# Looking through more archives than so many for nothing but a progress bar would take a while.
_COUNTED = 64
# Archives behind URLs whose headers are looked through at the same time, and the bytes a request fetches.
_AHEAD = 4
_BLOCK = 1 << 18
_OF_AN_ARCHIVE = re.compile(r"(.*?\.tar)#(.+)", re.DOTALL | re.IGNORECASE)


def is_packed(path: str) -> bool:
    """Whether this is a compressed archive, by its name."""
    return _PACKED.search(path) is not None


def refuse_packed(path: str) -> InputError:
    """What to say of one."""
    return InputError(
        "a compressed archive can only be read from its beginning, picture by picture",
        where=as_text(shown(path)),
        hint="unpack it to a plain .tar (gunzip, bunzip2, unxz): pictures are compressed already",
    )


def open_archives(paths: Sequence[str], *, location: str, name: str, partial: bool) -> Source:
    """Tar archives, one after the other.

    Args:
        paths: absolute ones, or URLs.
        location: for the manifest.
        name: of the source.
        partial: they are some of those at the location.

    Raises:
        InputError: there are no pictures in them, or the first is no archive.
    """

    def inputs() -> Iterator[Input]:
        return archive_inputs(paths)

    first = next(inputs(), None)
    if first is None:
        raise InputError("there are no pictures in this archive", where=as_text(shown(location)))
    if len(paths) == 1 and first.problem and first.image == as_text(shown(paths[0])):
        raise InputError(first.problem, where=first.image)
    return Source(
        name=name,
        kind="webdataset",
        location=as_text(shown(location)),
        inputs=inputs,
        counter=lambda: (
            None if len(paths) > _COUNTED or any(map(is_url, paths)) else sum(1 for _ in inputs())
        ),
        some=partial,
    )


def archive_inputs(paths: Sequence[str]) -> Iterator[Input]:
    """The pictures in archives, in order; several behind URLs are looked through ahead."""
    if not any(map(is_url, paths)):
        for path in paths:
            yield from _of_archive(path)
        return
    todo = iter(paths)
    with ThreadPoolExecutor(_AHEAD) as threads:
        ahead = [threads.submit(_of_archive, path) for path in islice(todo, _AHEAD)]
        try:
            while ahead:
                yield from ahead.pop(0).result()
                ahead += [threads.submit(_of_archive, path) for path in islice(todo, 1)]
        finally:
            for left in ahead:
                left.cancel()


def archive_of(image: str) -> str | None:
    """The path or URL of the archive that a picture of this name lies in; None where it is no member of one."""
    found = _OF_AN_ARCHIVE.fullmatch(image)
    return found[1] if found else None


def member_of(image: str) -> str:
    """The name of the member, of a picture in an archive."""
    found = _OF_AN_ARCHIVE.fullmatch(image)
    assert found is not None  # noqa: S101 - whoever asks has seen that it is one
    return found[2]


def _of_archive(path: str) -> list[Input]:
    """The inputs of one archive, whose members' names fit into memory; one with a problem where it is none."""
    shown_path = as_text(shown(path))
    try:
        found = patiently(lambda: _members(path))
    except InputError as error:
        return [Input(shown_path, problem=error.message)]
    except Exception as error:  # of as many kinds as there are stores
        if may_pass(error):  # an archive that is merely out of reach would look like one without its pictures
            raise InputError(reason(error), where=shown_path, hint="the same command goes on later") from None
        return [Input(shown_path, problem=reason(error))]
    if len(found) == 1 and not found[0].name:
        return [Input(shown_path, problem="this is no tar archive, or a damaged one")]
    places = {member.name: member for member in found if not member.problem}
    named: Counter[str] = Counter()
    inputs = []
    for member in found:
        if not member.name:
            inputs.append(Input(shown_path, problem=member.problem))
            continue
        if not is_picture(member.name):
            continue
        named[member.name] += 1
        again = f" ({named[member.name]})" if named[member.name] > 1 else ""
        image = f"{shown_path}#{as_text(member.name)}{again}"
        if member.problem:
            inputs.append(Input(image, problem=member.problem))
        else:
            at = Slice(path, member.offset, member.size)
            inputs.append(Input(image, at=at, beside=_beside(member.name, places, path)))
    return inputs


def _members(path: str) -> list[Member]:
    if is_url(path):
        with open_url(path, _BLOCK) as file:
            return list(members(file, file.size))
    try:
        with Path(path).open("rb") as file:
            if not Path(path).is_file():
                raise InputError("not a regular file")
            return list(members(file, os.fstat(file.fileno()).st_size))
    except FileNotFoundError:
        raise InputError("no such file") from None
    except OSError as error:
        raise InputError(f"cannot be read: {(error.strerror or str(error)).lower()}") from None


def is_picture(name: str) -> bool:
    """Whether a member of this name is an input."""
    *folders, last = name.split("/")
    ending = posixpath.splitext(last)[1].lower()
    hidden = any(map(passed_over, (folder for folder in folders if folder not in ("", ".", ".."))))
    return bool(last) and not is_other(last) and not hidden and ending not in _NOT_PICTURES


def _beside(name: str, places: dict[str, Member], path: str) -> tuple[Beside, ...]:
    """What tells how a picture was made."""
    folder, slash, last = name.rpartition("/")
    before = folder + slash

    def at(other: str) -> Slice:
        member = places[before + other]
        return Slice(path, member.offset, member.size)

    there = _Names(before, places)
    found = beside(last, there, at)
    key = last.partition(".")[0]
    if not found and key != posixpath.splitext(last)[0]:
        found = tuple(
            Beside(other, at(other))
            for names in sidecar_names(f"{key}.").values()
            for other in names
            if other in there
        )
    return found


class _Names:
    """The names in a folder of an archive."""

    def __init__(self, before: str, places: dict[str, Member]) -> None:
        self._before, self._places = before, places

    def __contains__(self, name: object) -> bool:
        return f"{self._before}{name}" in self._places
