"""Where an export may go, and what becomes of what is there."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from curate.errors import ExportError
from curate.exports.files import JOURNAL_FOLDER
from curate.exports.job import FILES, MANIFEST
from curate.exports.journal import LOCK, Journal, read_journal
from curate.exports.names import same_name
from curate.exports.record import Finished, read_finished
from curate.manifest import FILE
from curate.pictures import file_of

if TYPE_CHECKING:
    from curate.scoreset import ScoreSet

_FILE_ENDINGS = (".csv", ".json", ".jsonl", ".parquet", ".tar", ".txt", ".zip")
# What was there before and is on its way out.
_OLD = "replaced.jsonl"
# What systems put into folders by themselves.
_SYSTEM = frozenset((".DS_Store", "Thumbs.db", "desktop.ini"))
# Links that lead to links, as many as systems follow.
_HOPS = 40
_ELSEWHERE = "choose another place"


def check_place(scores: ScoreSet, out: Path) -> None:
    """That a set may be exported to a place, whatever is there.

    Raises:
        ExportError: it is no folder; or it is, lies in or holds the score set or the folder its pictures are from; or
            it lies in another score set or another export.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise ExportError("is no folder of its own", where=str(out), hint=_ELSEWHERE)
    if out.suffix.lower() in _FILE_ENDINGS and not out.exists():
        hint = f"name a folder: {out.with_suffix('')}; single tables: curate query SCORES true -o {out.name}"
        raise ExportError("an export is a folder", where=str(out), hint=hint)
    here = out.resolve()
    homes = [(scores.folder.resolve(), "the score set")]
    source = scores.manifest.source
    if source.kind in ("folder", "dataset", "webdataset") and Path(source.location).is_dir():
        homes.append((Path(source.location).resolve(), "the folder of the pictures"))
    for home, what in homes:
        if here == home or here in home.parents or home in here.parents:
            raise ExportError(
                f"an export is never written onto, into or around {what}: {home}",
                where=str(out),
                hint=_ELSEWHERE,
            )
    for above in here.parents:
        if (above / MANIFEST).is_file() or (above / JOURNAL_FOLDER / "journal.jsonl").is_file():
            raise ExportError(f"lies in another export: {above}", where=str(out), hint=_ELSEWHERE)
        if (above / FILE).is_file() and next(above.glob("part-*.parquet"), None):
            raise ExportError(f"lies in a score set: {above}", where=str(out), hint=_ELSEWHERE)


def check_sources(images: Iterable[str], out: Path) -> None:
    """That a folder that is there holds none of the pictures.

    Raises:
        ExportError: it does.
    """
    if not out.exists():
        return
    here = os.path.join(os.path.realpath(out), "")  # noqa: PTH118 - of strings, it is many
    real: dict[str, str] = {}
    for image in images:
        # A picture that is a link is wherever the link leads, and at every link on the way.
        at, hops = file_of(image), 0
        while True:
            folder, _ = os.path.split(at)
            if folder not in real:
                real[folder] = os.path.join(os.path.realpath(folder), "")  # noqa: PTH118
            if real[folder].startswith(here):
                raise ExportError(f"pictures of the set lie in it: {image}", where=str(out), hint=_ELSEWHERE)
            if not os.path.islink(at) or hops == _HOPS:  # noqa: PTH114
                break
            at, hops = os.path.join(real[folder], os.readlink(at)), hops + 1  # noqa: PTH115, PTH118


def look(out: Path, fingerprint: str, *, overwrite: bool) -> Journal | Finished | None:
    """What is in the place: this very export, unfinished (its journal) or finished; None where there is room.

    Raises:
        ExportError: something else is there that may not be replaced.
    """
    if not out.exists():
        return None
    journal = read_journal(out)
    if journal is None:
        finished = read_finished(out)
        if finished is not None and finished.record.fingerprint == fingerprint:
            return finished
    if journal is None and not (out / MANIFEST).is_file():
        if not _is_empty(out):
            raise ExportError(
                "is a folder with other things in it, and no export", where=str(out), hint=_ELSEWHERE
            )
        return None
    ours = set(_written(out, journal))
    strange = [path for path in _everything(out) if path not in ours]
    going_on = journal is not None and journal.head["fingerprint"] == fingerprint
    if not ours and not strange and not going_on:
        return None  # it was begun and came to nothing
    if not overwrite and not going_on:
        what = "holds the unfinished export of something else" if journal else "is there already"
        raise ExportError(what, where=str(out), hint=f"--overwrite, or {_ELSEWHERE}")
    _refuse(out, strange)
    return journal if going_on else None


def check_only_ours(out: Path) -> None:
    """That an export that is there has nothing in it that somebody else wrote.

    Raises:
        ExportError: it has.
    """
    ours = set(_written(out, read_journal(out)))
    _refuse(out, [path for path in _everything(out) if path not in ours])


def _refuse(out: Path, strange: Sequence[str]) -> None:
    if strange:
        more = f" and {len(strange) - 1:,} more" if len(strange) > 1 else ""
        raise ExportError(
            f"holds files that the export did not write: {strange[0]}{more}",
            where=str(out),
            hint=f"move them away, or {_ELSEWHERE}",
        )


def list_replaced(out: Path) -> None:
    """Note what an earlier export wrote, after `look`, for `clear_stale` to remove.

    It stays until the new parts are written: where they cannot be, nothing is lost. A run that is killed at any moment
    leaves a folder that says what it is.
    """
    folder = out / JOURNAL_FOLDER
    partial = folder / f"{_OLD}.partial"
    old = "".join(json.dumps(path) + "\n" for path in _written(out, read_journal(out)))
    partial.write_text(old, encoding="utf-8")
    partial.replace(folder / _OLD)


def clear_stale(out: Path, planned: Iterable[str], kept: Collection[str]) -> None:
    """Remove what `list_replaced` has listed, and what a killed run wrote of pictures that cannot be had any more.

    Folders that are empty then go, too.

    Args:
        out: the export.
        planned: what its parts may have written.
        kept: what is part of it.
    """
    listed = out / JOURNAL_FOLDER / _OLD
    old = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    stale = {*planned, *map(json.loads, old)} - {*kept, MANIFEST, FILES}
    if not stale:
        return
    by_name = {same_name(path): path for path in kept}
    folders: set[Path] = set()
    for path in sorted(stale):
        # Also of files that are gone: a run may have been killed before it came to the folders.
        folders.update(_folders_above(out, path))
        if _is_below(out, path) and not _is_same(out, path, by_name.get(same_name(path))):
            (out / path).unlink(missing_ok=True)
    for folder in sorted(folders, key=lambda f: len(f.parts), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _is_same(out: Path, path: str, new: str | None) -> bool:
    """Whether two names are of one file because the file system does not tell `A` from `a`."""
    if new is None or not (out / new).parent.samefile((out / path).parent):
        return False
    names = os.listdir((out / path).parent)  # noqa: PTH208 - only what is written there tells
    return not {PurePosixPath(path).name, PurePosixPath(new).name} <= set(names)


def _written(out: Path, journal: Journal | None) -> Iterator[str]:
    """The files that an export says it wrote, as far as they are there and lie in the folder."""
    said: set[str] = {MANIFEST, FILES}
    if journal is not None:
        said |= journal.ended
        said |= {path for path in journal.wrote if _is_below(out, path) and journal.is_ours(path)}
    for listing in (out / FILES, out / JOURNAL_FOLDER / _OLD):
        if not listing.is_file() or listing.is_symlink():
            continue
        for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                told = json.loads(line)
                path = told.get("path") if isinstance(told, dict) else told
                if isinstance(path, str):
                    said.add(path)
    yield from (path for path in sorted(said) if _is_below(out, path))


def _is_below(out: Path, path: str) -> bool:
    """Whether a file is there and lies in the folder: nobody's list makes us remove what lies elsewhere."""
    parts = PurePosixPath(path).parts
    if not parts or ".." in parts or PurePosixPath(path).is_absolute():
        return False
    if len(_folders_above(out, path)) < len(parts) - 1:
        return False
    file = out / path
    return file.is_symlink() or file.is_file()


def _folders_above(out: Path, path: str) -> list[Path]:
    """The folders between the export and a file of it, as far as they are there and are no links."""
    parts = PurePosixPath(path).parts
    found: list[Path] = []
    for n in range(1, len(parts)):
        folder = out.joinpath(*parts[:n])
        if ".." in parts or parts[0] == "/" or folder.is_symlink() or not folder.is_dir():
            break
        found.append(folder)
    return found


def _everything(out: Path) -> Iterator[str]:
    """Every file in a folder, ours for unfinished exports left away; links to folders are files here."""
    for folder, names, files in os.walk(out):
        here = Path(folder)
        if here == out and JOURNAL_FOLDER in names:
            names.remove(JOURNAL_FOLDER)
        links = [name for name in names if (here / name).is_symlink()]
        for name in (*(name for name in files if name not in _SYSTEM), *links):
            yield (here / name).relative_to(out).as_posix()


def _is_empty(out: Path) -> bool:
    """Nothing in it, or nothing but what a run left that was killed in its first moment."""
    names = {path.name for path in out.iterdir()} - _SYSTEM
    return not names or (names == {JOURNAL_FOLDER} and _harmless(out / JOURNAL_FOLDER))


def _harmless(folder: Path) -> bool:
    known = (LOCK, "journal.jsonl", "journal.jsonl.partial", _OLD, f"{_OLD}.partial")
    return not folder.is_symlink() and all(path.name in known for path in folder.iterdir())
