"""The Parquet files of a score set: each is written whole or not at all."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import InputError

if TYPE_CHECKING:
    import polars as pl

_NAME = re.compile(r"part-(\d{6,})\.parquet")
_METADATA = "curate"
_PARTIAL = ".partial"


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a score set.

    Attributes:
        path: where it is.
        rows: fingerprint of everything that decides which rows there are (`Scoring` without its scorers).
        scorers: fingerprint of each scorer whose columns are in it.
        derived: fingerprint of the tables that its derived columns were made with; "" where it has none.
    """

    path: Path
    rows: str
    scorers: Mapping[str, str]
    derived: str = ""


def list_shards(folder: Path) -> list[Path]:
    """The shards of a folder, in the order of their numbers."""
    numbered = [(int(m[1]), path) for path in folder.iterdir() if (m := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(numbered)]


def next_shard(folder: Path) -> Path:
    """A name that is not in use."""
    last = list_shards(folder)[-1:]
    number = int(last[0].stem.removeprefix("part-")) + 1 if last else 0
    return folder / f"part-{number:06}.parquet"


class DamagedError(InputError):
    """A file of a score set is there and can be read, but makes no sense."""


def open_shard(path: Path) -> Shard:
    """What a shard says of itself; DamagedError where it is damaged or not one of ours."""
    import polars as pl

    with _reading(path):
        said = json.loads(pl.read_parquet_metadata(io.BytesIO(path.read_bytes()))[_METADATA])
        return Shard(path, said["rows"], said["scorers"], said.get("derived", ""))


def read_shard(path: Path) -> pl.DataFrame:
    """Its rows; DamagedError where the file is damaged."""
    import polars as pl

    with _reading(path):
        return pl.read_parquet(io.BytesIO(path.read_bytes()))


def set_aside(path: Path) -> Path:
    """Take a damaged file out of the set without losing it; gives its new name."""
    aside = path.with_name(f"{path.name}.damaged")
    path.replace(aside)
    return aside


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """A file that the system cannot read is not damaged: the disk or the permissions are."""
    import polars as pl

    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"cannot be read: {reason}", where=str(path)) from error
    except (pl.exceptions.PolarsError, KeyError, ValueError, TypeError) as error:
        raise DamagedError("this file of the score set is damaged", where=str(path)) from error


def write_shard(shard: Shard, frame: pl.DataFrame) -> None:
    """Write rows under the shard's name, replacing what was there in one step.

    Raises:
        InputError: the disk is full, or may not be written to. The old file, if any, is untouched.
    """
    said = json.dumps({"rows": shard.rows, "scorers": dict(shard.scorers), "derived": shard.derived})
    # By way of memory: a full disk is then Python's plain OSError, whatever Polars would call it.
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", metadata={_METADATA: said})
    with replacing(shard.path) as partial:
        partial.write_bytes(buffer.getbuffer())


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that becomes `path` at the end, on disk for certain, or vanishes.

    Raises:
        InputError: the disk is full, or may not be written to.
    """
    partial = path.with_name(f".{path.name}{_PARTIAL}")
    try:
        yield partial
        with partial.open("r+b") as file:  # Windows syncs what is open for writing only
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"cannot be written: {reason}",
            where=str(path),
            hint="make room or choose another place with -o; the same command then goes on where this one stopped",
        ) from error


def remove_partials(folder: Path) -> None:
    """Clear away what a killed run left half written."""
    for path in folder.glob(f".*{_PARTIAL}"):
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename last, where the system lets folders be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
