"""Folders and patterns behind URLs: the rules and the order of folders on this machine (see `folder`).

A listing comes page by page, and what is kept of it are the names of one folder. Of an object store that has millions
of keys under one name nothing else is held.
"""

from __future__ import annotations

import fnmatch
import glob
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from curate.errors import InputError
from curate.sources.folder import is_other, passed_over
from curate.sources.reference import Remote
from curate.sources.remote import patiently, scheme_of, shown, source_errors, system_of
from curate.sources.sidecars import beside
from curate.sources.source import Input, Kind, Source, as_text, short_name, url_input

# Counting more than so many would list a bucket twice for nothing but a progress bar.
_COUNTED = 10_000

Keep = Callable[[str], bool]
"""Whether a file of this path, relative to the root, is an input."""


def open_url_folder(url: str) -> Source:
    """The pictures below a URL.

    Raises:
        InputError: there is none, or it cannot be listed.
    """
    root = url.rstrip("/")
    return _source(root, _all, _all, "folder", location=root)


def open_url_pattern(url: str) -> Source:
    """What a pattern matches, folder by folder; a folder that it matches counts with all that is in it, without `**`.

    Raises:
        InputError: it matches nothing that is an input.
    """
    root, keep, enter = _matcher(url)
    return _source(root, keep, enter, "files", location=url)


def url_matches(url: str) -> Iterator[str]:
    """The URLs of the files that a pattern matches, pictures or not."""
    root, keep, enter = _matcher(url)
    for folder, files in _folders(root, enter):
        yield from (f"{root}/{folder}{name}" for name in files or () if keep(folder + name))


def _source(root: str, keep: Keep, enter: Keep, kind: Kind, *, location: str) -> Source:
    with source_errors(location):
        if _first(root, keep, enter) is None:
            raise InputError(
                "there are no pictures here",
                where=shown(location),
                hint="hidden files, tables and captions are no pictures; pass single files by name",
            )

    def inputs() -> Iterator[Input]:
        with source_errors(location):
            yield from walk_url(root, keep, enter)

    def count() -> int | None:
        with source_errors(location):
            try:
                some = sum(1 for _ in islice(walk_url(root, keep, enter, _COUNTED), _COUNTED + 1))
            except OverflowError:
                return None
        return some if some <= _COUNTED else None

    name = short_name("/" + shown(root).partition("://")[2])
    return Source(name=name, kind=kind, location=shown(location), inputs=inputs, counter=count)


def _first(root: str, keep: Keep, enter: Keep) -> str | None:
    """Some input, if there is one: in the first page of the listing, most often."""
    for files, _ in _pages(root):
        for name in files:
            if name and not is_other(name) and keep(name):
                return name
    return next((item.image for item in walk_url(root, keep, enter)), None)


def kind_of(url: str, *, needed: bool = False) -> str | None:
    """`file` or `directory`; None where there is nothing.

    Raises:
        InputError: the store cannot be asked; or there is nothing, and something is `needed`.
    """
    with source_errors(url):
        system, path = system_of(url)
        try:
            kind: str = patiently(lambda: system.info(path))["type"]
        except FileNotFoundError:
            if needed:
                raise
            return None
    return kind


def only(root: str, ending: str) -> bool:
    """Whether the names of all inputs in a folder, and there are some, end so."""
    with source_errors(root):
        first = _first(root, _all, _all)
        return (
            first is not None
            and first.endswith(ending)
            and all(item.image.endswith(ending) for item in walk_url(root))
        )


def _all(_: str) -> bool:
    return True


def walk_url(root: str, keep: Keep = _all, enter: Keep = _all, most: int | None = None) -> Iterator[Input]:
    """The inputs below a URL, in order.

    Args:
        root: without a slash at its end.
        keep: which files; what a folder passes over is passed over in any case.
        enter: which folders.
        most: files that a folder may have.

    Raises:
        OverflowError: a folder has more than `most`.
    """
    for folder, files in _folders(root, enter, most):
        if files is None:
            yield Input(as_text(shown(f"{root}/{folder}")), problem="cannot be listed: access is denied")
            continue
        there = frozenset(files)
        for name in files:
            if is_other(name) or not keep(folder + name):
                continue
            at = f"{root}/{folder}"
            yield url_input(at + name, beside(name, there, partial(_object, at)))


def _object(folder: str, name: str) -> Remote:
    return Remote(folder + name)


def files_below(root: str, ending: str) -> list[str]:
    """The URLs of all files below a URL whose names end so, in order of their folders."""
    return [
        f"{root}/{folder}{name}"
        for folder, files in _folders(root, _all)
        for name in files or ()
        if name.endswith(ending) and not name.startswith(".")
    ]


def list_url(url: str, most: int | None = None) -> tuple[list[str], list[str]]:
    """The names of the files and of the folders in a folder, each sorted.

    Raises:
        OverflowError: there are more than `most` files.
        Exception: whatever the store raises.
    """
    files: list[str] = []
    folders: list[str] = []
    for some, others in _pages(url):
        files += filter(None, some)  # a key that ends with a slash stands for a folder
        folders += others
        if most is not None and len(files) > most:
            raise OverflowError
    return sorted(files), sorted(folders)


def _pages(url: str) -> Iterator[tuple[list[str], list[str]]]:
    """The names of files and of folders in a folder as they come: of a store that has pages, page by page."""
    system, path = system_of(url)
    if scheme_of(url) in ("s3", "s3a"):
        yield from _pages_of_s3(system, url.partition("://")[2])
        return
    files: list[str] = []
    folders: list[str] = []
    fresh = {"refresh": True} if scheme_of(url) == "hf" else {}
    for entry in patiently(lambda: system.ls(path, detail=True, **fresh)):
        name = entry["name"].rstrip("/").rpartition("/")[2]
        (folders if entry["type"] == "directory" else files).append(name)
    yield files, list(filter(None, folders))


def _pages_of_s3(system: Any, path: str) -> Iterator[tuple[list[str], list[str]]]:
    """As `ls` does, but with no more than the names in memory."""
    bucket, slash, key = path.partition("/")
    prefix = key + slash
    more: dict[str, str] = {}
    while True:
        asked = partial(
            system.call_s3, "list_objects_v2", Bucket=bucket, Prefix=prefix, Delimiter="/", **more
        )
        page = patiently(asked)
        yield (
            [entry["Key"][len(prefix) :] for entry in page.get("Contents", ())],
            [entry["Prefix"][len(prefix) : -1] for entry in page.get("CommonPrefixes", ())],
        )
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def _folders(root: str, enter: Keep, most: int | None = None) -> Iterator[tuple[str, list[str] | None]]:
    """Every folder below a URL (`""`, `a/`, `a/b/`) with the names of its files; None where it is closed to us."""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            files, folders = list_url(f"{root}/{folder}"[:-1] if folder else root, most)
        except PermissionError:
            if not folder:
                raise
            yield folder, None
            continue
        yield folder, files
        waiting += [
            f"{folder}{name}/"
            for name in reversed(folders)
            if not passed_over(name) and enter(f"{folder}{name}")
        ]


def _matcher(url: str) -> tuple[str, Keep, Keep]:
    """The folder above the first wildcard, which paths below it match, and which folders may hold some."""
    parts = url.rstrip("/").split("/")
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    root, rest = "/".join(parts[:first]), parts[first:]
    patterns = [None if part == "**" else re.compile(fnmatch.translate(part)) for part in rest]

    def keep(path: str) -> bool:
        names = path.split("/")
        # A folder that is matched counts with all that is in it; `**` has its files already.
        return _fits(names if None in patterns else names[: len(patterns)], patterns)

    def enter(path: str) -> bool:
        for name, pattern in zip(path.split("/"), patterns, strict=False):
            if pattern is None:
                break
            if not pattern.match(name):
                return False
        return True

    return root, keep, enter


def _fits(names: list[str], patterns: list[re.Pattern[str] | None]) -> bool:
    """Whether the parts of a path match, one by one; None is any number of parts."""
    if not patterns:
        return not names
    first, rest = patterns[0], patterns[1:]
    if first is None:
        return any(_fits(names[i:], rest) for i in range(len(names) + 1))
    return bool(names) and first.match(names[0]) is not None and _fits(names[1:], rest)
