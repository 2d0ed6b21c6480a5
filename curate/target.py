"""The folder that a run writes to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from curate.errors import InputError
from curate.manifest import FILE, read_manifest
from curate.scoreset import SUFFIX
from curate.sources.source import Source


def default_folder(source: Source) -> Path:
    """`NAME.scores` in the working directory; beside a source that the working directory lies in."""
    here = Path.cwd()
    location = Path(source.location)
    if source.kind == "folder" and here.is_relative_to(location):
        here = location.parent
    return here / f"{source.name}{SUFFIX}"


def check_folder(folder: Path, source: Source, overwrite: bool) -> None:
    """A folder that is ours to write to, and was not made from something else."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError("this is a file; a score set is a folder", where=str(folder), hint="-o NAME.scores")
    content = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    if content and FILE not in content:
        raise InputError(
            "the folder holds something that is not a score set", where=str(folder), hint="-o NAME.scores"
        )
    if not content or overwrite:
        return
    old = read_manifest(folder).source
    # A folder that has moved is the same folder; one that is still there is another one.
    moved = old.kind in ("folder", "list") and not Path(old.location).exists()
    if old.location != source.location and old.kind == source.kind != "files" and not moved:
        raise InputError(
            f"the score set was made from {old.location}, not from {source.location}",
            where=str(folder),
            hint="choose another place with -o, or --overwrite to start anew",
        )


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder, with one writer at a time; the lock ends with its process, however that ends."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise InputError(
            "another `curate score` is writing this score set", where=str(folder), hint="wait for it, or -o"
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"cannot be written: {reason}", where=str(folder), hint="-o NAME.scores") from error
