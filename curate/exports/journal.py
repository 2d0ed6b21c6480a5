"""The journal of an unfinished export: which parts are done, and what may lie half written.

`OUT/.curate-export/journal.jsonl`, a JSON object a line: a head with the fingerprint of the plan, then for each part
that it is begun, each file before it gets its name and, when all is on disk, what it has written. A line that a kill
has cut short does not count.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate.exports.files import JOURNAL_FOLDER, Written
from curate.exports.part import Part

_FILE = "journal.jsonl"
LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Done:
    """A part that is on disk.

    Attributes:
        files: what it wrote.
        left_out: pictures of it that could not be had: `image` -> why.
    """

    files: tuple[Written, ...]
    left_out: Mapping[str, str]


@dataclass
class Journal:
    """The journal of the export in a folder.

    Attributes:
        out: the folder.
        head: `fingerprint`, `format`, `created`.
        ended: files of parts that were done once.
        wrote: files that may be there, of parts that were begun: path -> what was written. What else is there at their
            paths is somebody else's.
        done: parts by their key.
    """

    out: Path
    head: dict[str, Any]
    ended: set[str] = field(default_factory=set)
    wrote: dict[str, Written] = field(default_factory=dict)
    done: dict[str, Done] = field(default_factory=dict)

    def begin(self, part: Part) -> None:
        """A part is about to be written."""
        self.done.pop(part.key, None)
        self._append({"begin": part.key})

    def write(self, file: Written) -> None:
        """A file of the part that was begun is whole, and about to get its name."""
        self._append({"wrote": _told(file)}, sync=False)

    def end(self, part: Part, files: Sequence[Written], left_out: Mapping[str, str]) -> None:
        """A part is on disk."""
        self._append(_end(part.key, files, left_out))
        self.done[part.key] = Done(tuple(files), left_out)

    def is_whole(self, part: Part) -> bool:
        """Whether a part was written, nothing of it was left out, and all of it is still there."""
        done = self.done.get(part.key)
        return done is not None and not done.left_out and are_there(self.out, done.files)

    def is_ours(self, path: str) -> bool:
        """Whether a file that is there was written by this export, as far as its part is not done."""
        if path in self.ended:
            return True
        said = self.wrote.get(path)
        try:
            with (self.out / path).open("rb") as file:
                same = said is not None and os.fstat(file.fileno()).st_size == said.bytes
                return (
                    same
                    and said is not None
                    and hashlib.file_digest(file, "sha256").hexdigest() == said.sha256
                )
        except OSError:
            # Of a link that leads nowhere any more there is nothing to lose.
            return said is not None and (self.out / path).is_symlink()

    def _append(self, line: dict[str, Any], *, sync: bool = True) -> None:
        with (self.out / JOURNAL_FOLDER / _FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            if sync:
                os.fsync(file.fileno())


def _told(file: Written) -> dict[str, Any]:
    return {"path": file.path, "bytes": file.bytes, "sha256": file.sha256}


def _end(key: str, files: Sequence[Written], left_out: Mapping[str, str]) -> dict[str, Any]:
    return {"end": key, "files": [_told(file) for file in files], "left_out": dict(left_out)}


def are_there(out: Path, files: Sequence[Written]) -> bool:
    """Whether files that were written are there, by their sizes."""
    try:
        return all((out / file.path).stat().st_size == file.bytes for file in files)
    except OSError:
        return False


def start_journal(journal: Journal) -> None:
    """Write the journal of an export that begins, in place of any other, with the parts that are done already."""
    path = journal.out / JOURNAL_FOLDER / _FILE
    lines: list[dict[str, Any]] = [journal.head]
    for key, done in journal.done.items():
        lines.append({"begin": key})
        lines.append(_end(key, done.files, done.left_out))
    partial = path.with_name(f"{_FILE}.partial")
    partial.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    partial.replace(path)


def remove_journal(out: Path) -> None:
    """The export is finished: away with its journal and what lies beside it.

    The journal goes before the lock: as long as it is there, the same command clears up, and no other begins anew.
    """
    folder = out / JOURNAL_FOLDER
    for path in folder.iterdir():
        if path.name not in (_FILE, LOCK):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    (folder / _FILE).unlink(missing_ok=True)
    if os.name != "nt":  # there, what is open cannot be removed
        remove_lock(out)


def remove_lock(out: Path) -> None:
    """The last of what `remove_journal` removes."""
    with contextlib.suppress(OSError):
        (out / JOURNAL_FOLDER / LOCK).unlink(missing_ok=True)
        (out / JOURNAL_FOLDER).rmdir()


def read_journal(out: Path) -> Journal | None:
    """The journal of what is unfinished in a folder; None where there is none, or not yet a head."""
    path = out / JOURNAL_FOLDER / _FILE
    if (out / JOURNAL_FOLDER).is_symlink() or not path.is_file():
        return None
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    lines = []
    for line in whole.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:  # a power cut, not a kill: what follows is no more to be trusted
            break
    if not lines or "fingerprint" not in lines[0]:
        return None
    journal = Journal(out, lines[0])
    for line in lines[1:]:
        if "begin" in line:
            journal.done.pop(line["begin"], None)
        elif "wrote" in line:
            written = Written(**line["wrote"])
            journal.wrote[written.path] = written
        else:
            files = tuple(Written(**file) for file in line["files"])
            journal.done[line["end"]] = Done(files, line["left_out"])
            for file in files:
                journal.ended.add(file.path)
                journal.wrote.pop(file.path, None)
    return journal


def repair_journal(journal: Journal) -> None:
    """Cut away the half line of a kill, so that the next line begins a line."""
    path = journal.out / JOURNAL_FOLDER / _FILE
    with path.open("r+b") as file:
        file.truncate(file.read().rfind(b"\n") + 1)
