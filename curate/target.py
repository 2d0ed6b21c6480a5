"""The folder that a run writes to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from curate.decisions import FILE as DECISIONS
from curate.errors import InputError
from curate.lease import leased
from curate.manifest import FILE, SourceRecord, read_manifest
from curate.place import Place, Remote, place_of
from curate.scoreset import SUFFIX
from curate.sources.source import Source

# Files cannot be written there, or each would be a commit.
_READ_ONLY = ("hf", "http", "https")


def default_folder(source: Source) -> Path:
    """`NAME.scores` in the working directory; where that is among the pictures, beside their folder."""
    here = Path.cwd()
    pictures = Path(source.location)
    if source.kind != "folder":
        first = next(iter(source), None)
        pictures = Path(first.path).parent if first is not None and first.path else pictures
    if pictures.is_absolute() and here.is_relative_to(pictures):
        here = pictures.parent
    return here / f"{source.name}{SUFFIX}"


def check_folder(folder: Place, source: SourceRecord, *, partial: bool, overwrite: bool) -> None:
    """A folder that is ours to write to, and was not made from something else.

    Args:
        folder: where the score set is to be.
        source: what is to be scored.
        partial: whether it names some pictures and says nothing of others.
        overwrite: whether the set is to be started anew.

    Raises:
        InputError: it is a file, holds something else, was made from another source, or was chosen by a recipe.
    """
    if isinstance(folder, Remote) and folder.url.partition("://")[0] in _READ_ONLY:
        raise InputError(
            "a score set cannot be written there",
            where=str(folder),
            hint="-o NAME.scores, s3://... or gs://...; curate export --to hf --push shares one on the hub",
        )
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError("this is a file; a score set is a folder", where=str(folder), hint="-o NAME.scores")
    # What people decided outlives the rest of a set.
    content = [p.name for p in folder.iterdir() if not p.name.startswith(".") and p.name != DECISIONS]
    if content and FILE not in content:
        raise InputError(
            "the folder holds something that is not a score set", where=str(folder), hint="-o NAME.scores"
        )
    if not content or overwrite:
        return
    manifest = read_manifest(folder)
    if manifest.choice is not None:
        raise InputError(
            "this set was chosen from others by a recipe; scoring into it would undo the choice",
            where=str(folder),
            hint="score into the set it was chosen from and apply the recipe again, or choose another place with -o",
        )
    # Single pictures can be added to any set.
    if partial and source.kind in ("files", "list"):
        return
    old = manifest.source
    # A folder that has moved is the same folder; one that is still there is another one.
    moved = old.kind == source.kind and old.kind in ("folder", "list") and not place_of(old.location).exists()
    if (old.kind, old.location, old.split) != (source.kind, source.location, source.split) and not moved:
        split = f" ({old.split})" if old.split else ""
        raise InputError(
            f"the score set was made from {old.location}{split}",
            where=str(folder),
            hint="choose another place with -o, or --overwrite to start anew",
        )


@contextlib.contextmanager
def locked(folder: Place) -> Iterator[None]:
    """Make the folder, with one writer at a time; the lock ends with its process, however that ends.

    At a URL it is a lease (`curate.lease` says what it can promise).

    Raises:
        InputError: another run writes it; it cannot be written to.
    """
    if isinstance(folder, Remote):
        with leased(folder):
            yield
        return
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            "another `curate score` is writing this score set", where=str(folder), hint="wait for it, or -o"
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"cannot be written: {reason}", where=str(folder), hint="-o NAME.scores") from error
    try:
        yield
    finally:
        lock.release()
