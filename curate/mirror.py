"""A copy, in the user's cache, of a score set that lies on object storage: what reads sets reads files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from curate.errors import InputError
from curate.models.pack import cache_dir
from curate.place import PARTIAL, Remote

# What a set may hold. Nothing else is fetched: keys are other people's words.
_FILES = re.compile(r"part-\d{6,}\.parquet|manifest\.json|affect\.yaml|words\.yaml|decisions\.jsonl|recipe\.yaml"
                    r"|shortfall\.csv|prompts\.csv")  # fmt: skip
_FOLDERS = ("", "_rejected")
_STATE = "mirror.json"
_LOCK = ".lock"
# Where single files of a set lie.
_FILES_ALONE = "files"
_AT_ONCE = 8
_PATIENCE = 600.0
KEPT_DAYS = 30
"""Copies that nobody has read for so long go when another is made."""


def mirrored(place: Remote) -> Path:
    """The folder of the cache that holds what lies at a URL now; only files that have changed since are fetched.

    Where it is new, copies go that nobody has read for `KEPT_DAYS`.

    A file has changed where its size or its tag (etag, time) is another one. Each is put in its place whole, the
    manifest last, and what is gone at the URL is taken away.

    Raises:
        InputError: there is no score set; the storage is out of reach; the disk is full.
    """
    home = _home(place)
    folder = home / (re.sub(r"[^\w.-]", "_", place.name).strip(".") or "set")
    files = _listed(place)
    if "manifest.json" not in files:
        what = "this is no score set" if files else "no such score set"
        raise InputError(what, where=str(place), hint=f"curate score SOURCE -o {place}")
    state = home / _STATE
    new = not state.is_file()
    with _writing(folder), _locked(home):
        _bring(place, folder, state, files)
        os.utime(state)
    if new:
        _drop_unused()
    return folder


def copied(place: Remote) -> Path:
    """A small file of a set, as it is now, in the cache.

    Raises:
        InputError: it is not there; the storage is out of reach; the disk is full.
    """
    target = _home(place.parent) / _FILES_ALONE / place.name
    with _writing(target.parent):
        _fetch(place, target)
    return target


def size_of_mirrors() -> tuple[int, int]:
    """How many copies there are, and their bytes."""
    count = size = 0
    for home in _homes():
        count += 1
        for path in home.rglob("*"):
            with contextlib.suppress(OSError):
                size += path.lstat().st_size
    return count, size


def _home(place: Remote) -> Path:
    return _all() / hashlib.sha256(place.url.encode()).hexdigest()[:16]


def _all() -> Path:
    return cache_dir() / "scores"


def _homes() -> list[Path]:
    """Where copies lie; what is left of one that was dropped is none."""
    if not _all().is_dir():
        return []
    return [home for home in _all().iterdir() if _last_used(home) is not None]


def _last_used(home: Path) -> float | None:
    """When a copy was read last, in seconds since 1970; None where there is none."""
    times = []
    for path in (home / _STATE, home / _FILES_ALONE):
        with contextlib.suppress(OSError):
            times.append(path.stat().st_mtime)
    return max(times, default=None)


def _drop_unused() -> None:
    """Make room: away with the copies that nobody has read for long. One that is being fetched is in use."""
    from filelock import FileLock, Timeout

    def unused(home: Path) -> bool:
        used = _last_used(home)
        return used is not None and time.time() - used > KEPT_DAYS * 86_400

    for home in filter(unused, _homes()):
        with contextlib.suppress(OSError, Timeout), FileLock(home / _LOCK, timeout=0):
            if not unused(home):
                continue
            # What says that it is whole goes first, and the lock stays: somebody may wait for it.
            (home / _STATE).unlink(missing_ok=True)
            for folder in home.iterdir():
                if folder.is_dir() and not folder.is_symlink():
                    shutil.rmtree(folder)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Make a folder of the cache, and say in words why it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "make room, or name another folder for the cache in CURATE_CACHE"
        raise InputError(f"cannot be written: {reason}", where=str(folder), hint=hint) from error


def _fetch(place: Remote, target: Path) -> None:
    """Put a file in its place, whole."""
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        place.download(partial)
        partial.replace(target)
    except FileNotFoundError:
        hint = "the same command again"
        raise InputError("the score set changed while it was read", where=str(place), hint=hint) from None
    finally:
        partial.unlink(missing_ok=True)


def mirror_of(folder: Path) -> str | None:
    """The URL of which a folder is the mirror; None where it is a folder like any other."""
    state = folder.resolve().parent / _STATE
    try:
        said = json.loads(state.read_text(encoding="utf-8"))
        return str(said["url"]) if state.is_relative_to(cache_dir().resolve()) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _listed(place: Remote) -> dict[str, tuple[int, str]]:
    """The files of a set, by their names within it, with their bytes and tags."""
    files = {}
    for below in _FOLDERS:
        for name, state in (place / below if below else place).listing().items():
            if _FILES.fullmatch(name):
                files[f"{below}/{name}" if below else name] = state
    return files


def _bring(place: Remote, folder: Path, state: Path, files: dict[str, tuple[int, str]]) -> None:
    """Make the folder what the URL is."""
    had: dict[str, list[object]] = {}
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        had = dict(json.loads(state.read_text(encoding="utf-8"))["files"])

    def current(name: str) -> bool:
        path = folder / name
        size, tag = files[name]
        return had.get(name) == [size, tag] and path.is_file() and path.stat().st_size == size

    def fetch(name: str) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        _fetch(_at(place, name), folder / name)

    wanted = [name for name in files if not current(name)]
    gone = [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).as_posix() not in files
    ]
    if not wanted and not gone and state.is_file():
        return
    # Until all is there, the state says nothing of what is about to be fetched.
    _write_state(state, place, {name: file for name, file in files.items() if name not in wanted})
    wanted.sort(key="manifest.json".__eq__)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(fetch, wanted[:-1]):
            pass
    for name in wanted[-1:]:
        fetch(name)
    for path in gone:
        path.unlink(missing_ok=True)
    _write_state(state, place, files)


def _at(place: Remote, name: str) -> Remote:
    for part in name.split("/"):
        place /= part
    return place


def _write_state(state: Path, place: Remote, files: dict[str, tuple[int, str]]) -> None:
    partial = state.with_name(f".{state.name}{PARTIAL}")
    partial.write_text(json.dumps({"url": place.url, "files": files}), encoding="utf-8")
    partial.replace(state)


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One process at a time brings a mirror up to date; the next one finds it so."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(home / _LOCK, timeout=_PATIENCE):
            yield
    except Timeout:
        hint = "wait for the other `curate` that fetches it"
        raise InputError(
            "another program has been fetching this set for long", where=str(home), hint=hint
        ) from None
