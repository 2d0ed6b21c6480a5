"""Files of an export: each is written under a temporary name and gets its own when it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from curate.errors import ExportError

# Temporary files and the journal of an unfinished export.
JOURNAL_FOLDER = ".curate-export"
_SYNCING = 8


@dataclass(frozen=True, slots=True)
class Written:
    """A file of an export.

    Attributes:
        path: below OUT, with `/` between folders.
        bytes: its size; of a symbolic link, that of the file it leads to.
        sha256: of its content.
    """

    path: str
    bytes: int
    sha256: str


class Files:
    """Where a part is written.

    Args:
        out: the folder of the export.
        allowed: the files that the part may write.
        noting: is told of a file before it gets its name.
    """

    def __init__(
        self, out: Path, allowed: Collection[str], noting: Callable[[Written], None] = lambda _: None
    ) -> None:
        self._out, self._allowed, self._noting = out, frozenset(allowed), noting
        self._temporary = out / JOURNAL_FOLDER / "partial"
        self._folders: set[Path] = set()
        self._to_sync: list[str] = []
        self.written: list[Written] = []

    def write(self, path: str, data: bytes, *, sha256: str | None = None) -> None:
        """Write a file of these bytes; `sha256` where it is known already."""
        self._clear()
        with self._temporary.open("xb") as file:
            file.write(data)
        self._place(path, len(data), sha256 or hashlib.sha256(data).hexdigest())
        self._to_sync.append(path)

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """A new file to write to; where the block fails there is none."""
        with self.temporary(path) as name, name.open("xb") as file:
            yield file

    @contextlib.contextmanager
    def temporary(self, path: str) -> Iterator[Path]:
        """A name under which something else writes the file; where the block fails there is none."""
        self._clear()
        yield self._temporary
        with self._temporary.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
        self._place(path, size, digest)
        self._to_sync.append(path)

    def link(self, path: str, source: str, *, symbolic: bool, size: int, sha256: str) -> None:
        """A second name of a file.

        Args:
            path: the new name, below OUT.
            source: the file, as the operating system knows it.
            symbolic: a symbolic link to its absolute path instead of a hard link.
            size, sha256: of its content, which was looked at.

        Raises:
            ExportError: the file systems do not have this link.
        """
        self._clear()
        try:
            if symbolic:
                self._temporary.symlink_to(source)
            else:
                # Of a symbolic link, the file it leads to: a link to a link may not last.
                real = os.path.realpath(source) if os.path.islink(source) else source  # noqa: PTH114 - it is many
                os.link(real, self._temporary)
        except OSError as error:
            kind = "symlink" if symbolic else "hardlink"
            reason = (error.strerror or str(error)).lower()
            raise ExportError(
                f"a {kind} to {source} cannot be made: {reason}",
                where=path,
                hint="--mode copy" if symbolic else "--mode copy, or --mode symlink",
            ) from error
        self._place(path, size, sha256)

    def sync(self) -> None:
        """Put on disk for certain what was written: after this, a power cut takes nothing of it.

        All of a part at once, by several threads: file by file it would be most of the time that copies take.
        """
        with ThreadPoolExecutor(_SYNCING) as pool:
            list(pool.map(_sync, (self._out / path for path in self._to_sync)))
        below = {above for file in self.written for above in PurePosixPath(file.path).parents}
        sync_folders(self._out / folder for folder in below)
        self._to_sync.clear()

    def _clear(self) -> None:
        """Away with what a killed run has left; and a rename between two names of one file leaves both."""
        self._temporary.unlink(missing_ok=True)

    def _place(self, path: str, size: int, sha256: str) -> None:
        """Give the temporary file its name. What has that name is replaced, never written to."""
        if path not in self._allowed:
            raise ValueError(f"{path} is not in the part's plan")
        final = self._out / path
        self._make_folder(final.parent)
        self.written.append(Written(path, size, sha256))
        self._noting(self.written[-1])
        self._temporary.replace(final)

    def _make_folder(self, folder: Path) -> None:
        """Folders below OUT, none of them a link that would lead elsewhere."""
        if folder in self._folders or folder == self._out:
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        if folder.is_symlink():
            raise ExportError("is a link, and nothing is written through links", where=str(folder))
        self._folders.add(folder)


def _sync(path: Path) -> None:
    with path.open("r+b" if os.name == "nt" else "rb") as file:  # Windows syncs what is open for writing only
        os.fsync(file.fileno())


def sync_folders(folders: Iterable[Path]) -> None:
    """Make renames in these folders last, where the system lets folders be opened."""
    if os.name == "nt":
        return
    for folder in folders:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
