"""The Parquet files of a score set: each is written whole or not at all."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

from curate.errors import InputError
from curate.place import PARTIAL, Place, Remote, write_whole

if TYPE_CHECKING:
    import polars as pl

_NAME = re.compile(r"part-(\d{6,})\.parquet")
_METADATA = "curate"
_KEYS = ("image", "sha256", "status")


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a score set.

    Attributes:
        path: where it is.
        rows: fingerprint of everything that decides which rows there are (`Scoring` without its scorers).
        scorers: fingerprint of each scorer whose columns are in it.
        derived: fingerprint of the tables that its derived columns were made with; "" where it has none.
    """

    path: Place
    rows: str
    scorers: Mapping[str, str]
    derived: str = ""


@overload
def list_shards(folder: Path) -> list[Path]: ...
@overload
def list_shards(folder: Place) -> list[Place]: ...
def list_shards(folder: Place) -> Sequence[Place]:
    """The shards of a folder, in the order of their numbers."""
    numbered = [(int(m[1]), path) for path in folder.iterdir() if (m := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(numbered, key=lambda shard: shard[0])]


def next_shard(folder: Place) -> Place:
    """A name that is not in use."""
    last = list_shards(folder)[-1:]
    number = int(last[0].stem.removeprefix("part-")) + 1 if last else 0
    return folder / f"part-{number:06}.parquet"


class DamagedError(InputError):
    """A file of a score set is there and can be read, but makes no sense."""


def open_shard(path: Place) -> Shard:
    """What a shard says of itself; DamagedError where it is damaged or not one of ours."""
    import polars as pl

    with _reading(path):
        said = json.loads(pl.read_parquet_metadata(io.BytesIO(path.read_bytes()))[_METADATA])
        return Shard(path, said["rows"], said["scorers"], said.get("derived", ""))


def read_shard(path: Place) -> pl.DataFrame:
    """Its rows; DamagedError where the file is damaged."""
    import polars as pl

    with _reading(path):
        return pl.read_parquet(io.BytesIO(path.read_bytes()))


def read_keys(path: Place) -> tuple[Shard, pl.DataFrame]:
    """What a shard says of itself, and `image`, `sha256`, `status` of its rows.

    Every byte of a local file is looked at: one that is damaged anywhere is better scored again now. What object
    storage hands out is as it was written, so there no more is fetched than this takes.

    Raises:
        DamagedError: the file is damaged, or not one of ours.
    """
    import polars as pl

    with _reading(path):
        if isinstance(path, Remote):
            import pyarrow.parquet as pq

            with path.opened() as file, pq.ParquetFile(file) as parquet:
                said = json.loads(parquet.metadata.metadata[_METADATA.encode()])
                rows = pl.DataFrame(pl.from_arrow(parquet.read(list(_KEYS))))
        else:
            buffer = io.BytesIO(path.read_bytes())
            said = json.loads(pl.read_parquet_metadata(buffer)[_METADATA])
            rows = pl.read_parquet(buffer).select(_KEYS)
        return Shard(path, said["rows"], said["scorers"], said.get("derived", "")), rows


def set_aside(path: Place) -> Place:
    """Take a damaged file out of the set without losing it; gives its new name."""
    name = f"{path.name}.damaged"
    if isinstance(path, Remote):
        return path.replace(path.with_name(name))
    return path.replace(path.with_name(name))


@contextlib.contextmanager
def _reading(path: Place) -> Iterator[None]:
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
    write_whole(shard.path, buffer.getbuffer())


def remove_partials(folder: Place) -> None:
    """Clear away what killed runs left half written. For whoever holds the lock: nobody else may be writing."""
    if isinstance(folder, Remote):
        return  # what was not written to its end never shows
    for path in folder.glob(f".*{PARTIAL}"):
        path.unlink(missing_ok=True)
