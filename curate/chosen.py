"""A chosen part of a score set, written as a score set of its own."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.affect import Tables, keep_tables, tables_of
from curate.decisions import carry
from curate.decisions import fingerprint as decided
from curate.errors import InputError
from curate.manifest import FILE, now, versions
from curate.scoreset import ScoreSet, open_scores
from curate.shards import Shard, list_shards, next_shard, write_shard

if TYPE_CHECKING:
    import polars as pl

# Rows a shard; with landmarks a row has 6 kB.
_SHARD_ROWS, _SHARD_ROWS_LANDMARKS = 50_000, 8_000
# Where a run keeps which options made the rows, a chosen set says that it was chosen: `curate score` sees that
# these are not the rows it would write.
_ROWS = "chosen"
_ALL = "all.parquet"


def source_record(source: ScoreSet) -> dict[str, str | int | None]:
    """What a `choice` says of the set that was chosen from.

    Its folder, its rows, one sha256 of all its shards, and one of what people had decided; None where nothing was.
    """
    content = hashlib.sha256()
    for path in list_shards(source.folder):
        with path.open("rb") as file:
            content.update(hashlib.file_digest(file, "sha256").digest())
    return {
        "folder": source.location,
        "sha256": content.hexdigest(),
        "decisions": decided(source.folder),
        "rows": source.manifest.rows,
    }


def check_place(source: ScoreSet, out: Path, *, overwrite: bool) -> None:
    """That something chosen from a set may be written to `out`.

    Raises:
        InputError: it is the set itself, lies in it or holds it; or it is there already.
    """
    here, there = out.resolve(), source.folder.resolve()
    if here == there or there in here.parents or here in there.parents:
        raise InputError(
            "a choice is never written onto, into or around the score set that it is made from",
            where=str(out),
            hint="choose another place with -o",
        )
    for above in here.parents:
        if (above / FILE).is_file():
            raise InputError("lies in another score set", where=str(out), hint="choose another place with -o")
    if not out.exists():
        return
    if not overwrite:
        raise InputError(
            "is there already", where=str(out), hint="add --overwrite, or choose another with -o"
        )
    if out.is_dir() and not (out / FILE).is_file():
        raise InputError("is a folder and no score set", where=str(out), hint="choose another place with -o")


def rows_at(rows: pl.LazyFrame, numbers: pl.Series) -> pl.LazyFrame:
    """The rows with these numbers, in the order in which they stand."""
    import polars as pl

    number = pl.col("_row")
    return rows.with_row_index("_row").filter(number.is_in(numbers.implode())).drop("_row")


def write_chosen(
    source: ScoreSet,
    rows: pl.LazyFrame | pl.DataFrame,
    out: Path,
    *,
    choice: dict[str, Any],
    overwrite: bool = False,
    tables: Tables | None = None,
    more: Callable[[Path], None] = lambda _: None,
) -> ScoreSet:
    """Write rows of a set as a set: whole, or not at all. What people decided goes with it.

    Args:
        source: where the rows are from; its manifest is carried on.
        rows: rows of `source.scan()`, in the order in which they are to be written. A LazyFrame is never wholly
            in memory.
        out: a folder.
        choice: how they were chosen, for the manifest.
        overwrite: take the place of a score set that is there; what was decided in that one stays.
        tables: what the derived columns of `rows` were made with; None where they are as the source has them stored.
        more: writes what else belongs to it into the new folder.

    Raises:
        InputError: `out` is no place for it (`check_place`), the disk is full, or the source cannot be read.
    """
    started = time.monotonic()
    check_place(source, out, overwrite=overwrite)
    if out.is_symlink() or out.is_file():
        raise InputError("is no folder of its own", where=str(out), hint="choose another place with -o")
    with _replacing_folder(out) as folder:
        written = _write_rows(source, rows, folder)
        more(folder)
        carry(source.folder, folder, before=out if out.is_dir() else None)
        if tables is not None or source.manifest.own_tables:  # the shipped words take a while to read
            keep_tables(tables or tables_of(source.folder, source.manifest), folder)
        derived: dict[str, Any] = {}
        if tables is not None:
            derived = {**tables.records(written["columns"]), "derived": tables.fingerprint}
        manifest = source.manifest.model_copy(
            update={
                "created": now(),
                "finished": now(),
                "seconds": round(time.monotonic() - started, 3),
                "versions": versions(),
                "inputs": written["inputs"],
                "rows": written["rows"],
                "statuses": written["statuses"],
                "choice": choice,
                **derived,
            }
        )
        manifest.write(folder)
    return open_scores(out)


def _write_rows(source: ScoreSet, rows: pl.LazyFrame | pl.DataFrame, folder: Path) -> dict[str, Any]:
    import polars as pl

    scorers = {name: record.fingerprint for name, record in source.manifest.scorers.items()}
    whole = folder / _ALL
    try:
        if isinstance(rows, pl.LazyFrame):
            # Streamed to one file first, which is then cut: one pass over the source, whatever the rows depend on.
            rows.sink_parquet(whole, compression="lz4", row_group_size=_SHARD_ROWS_LANDMARKS)
            kept = pl.scan_parquet(whole, glob=False)
        else:
            kept = rows.lazy()
        schema = kept.collect_schema()
        step = _SHARD_ROWS_LANDMARKS if "landmarks" in schema else _SHARD_ROWS
        height = kept.select(pl.len()).collect().item()
        for begin in range(0, max(height, 1), step):  # no rows have columns, too
            shard = kept.slice(begin, step).collect()
            write_shard(Shard(next_shard(folder), _ROWS, scorers), shard)
        statuses = kept.group_by("status").agg(pl.len().alias("n")).sort("n", "status").collect()
        inputs = kept.select(pl.col("image").n_unique()).collect().item()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"the rows cannot be read or written: {reason}", where=str(folder)) from error
    whole.unlink(missing_ok=True)
    return {
        "rows": height,
        "inputs": inputs,
        "statuses": dict(statuses.iter_rows()),
        "columns": schema.names(),
    }


@contextlib.contextmanager
def _replacing_folder(out: Path) -> Iterator[Path]:
    """A new folder beside `out` that takes its place at the end, or vanishes."""
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        try:
            yield partial
            if out.exists():
                out.replace(old)
            try:
                partial.replace(out)
            except OSError:
                if old.exists():
                    old.replace(out)
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"cannot be written: {reason}", where=str(out)) from error
