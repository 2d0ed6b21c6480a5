"""What people decided about faces: `decisions.jsonl` in a score set.

A line a decision, never rewritten; the latest of a face counts. Faces are known by their content (the picture's sha256
and the number of the face), so a picture that was renamed, moved or scored again keeps what was said of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from curate.errors import InputError
from curate.mirror import mirror_of
from curate.place import sync_folder
from curate.shards import list_shards

if TYPE_CHECKING:
    import polars as pl

Decision = Literal["accept", "reject"]

FILE = "decisions.jsonl"
COLUMN = "decision"
DECISIONS = ("accept", "reject")
_LOCK = ".decisions.lock"
# Nobody writes for so many seconds: who still waits then would wait for ever.
_PATIENCE = 30.0
_KEY = ("sha256", "face")


def decide(
    folder: str | Path, keys: Iterable[tuple[str | None, int | None]], decision: Decision | None
) -> int:
    """Write down what a person decided about faces.

    Args:
        folder: a score set.
        keys: sha256 and face of each, as they stand in its rows.
        decision: `accept`, `reject`, or None to take back what was decided.

    Returns:
        How many faces it is about. Those of which it is said already are counted, and not written again.

    Raises:
        InputError: a row has no sha256, there is no such set, or it cannot be written; nothing is written then.
    """
    path = Path(folder)
    if decision is not None and decision not in DECISIONS:
        raise InputError(f"`{decision}` is no decision", where=str(path), hint="accept or reject")
    if not path.is_dir():
        raise InputError("no such score set", where=str(path), hint="curate score FOLDER")
    if (url := mirror_of(path)) is not None:
        raise InputError(
            "decisions cannot be written to a set at a URL: this is its copy in the cache, which follows it",
            where=url,
            hint="copy the set into a folder, decide there, and copy decisions.jsonl back",
        )
    faces = list(dict.fromkeys(keys))
    if any(sha256 is None for sha256, _ in faces):
        raise InputError(
            "a picture that could not be read has no content by which a decision could be kept",
            where=str(path),
            hint=f"leave it out; curate show {path.name} --status says which they are",
        )
    with _locked(path):
        said = {(sha256, face): was for sha256, face, was in _latest(path).select(*_KEY, COLUMN).iter_rows()}
        new = [key for key in faces if said.get(key, "") != decision]
        if new:
            images = _images(path, {str(sha256) for sha256, _ in new})
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            lines = (
                {"sha256": key[0], "face": key[1], "image": images.get(key), COLUMN: decision, "at": at}
                for key in new
            )
            _append(path / FILE, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return len(faces)


def decisions(folder: str | Path) -> pl.DataFrame:
    """The faces that are decided: sha256 (String), face (Int32), decision (String, `accept` or `reject`).

    Raises:
        InputError: the file of decisions makes no sense.
    """
    return _latest(Path(folder)).drop_nulls(COLUMN).select(*_KEY, COLUMN)


def with_decisions(rows: pl.LazyFrame, folder: str | Path) -> pl.LazyFrame:
    """Rows with the column `decision`, at the end or where they have it already; null where nobody decided.

    The file of decisions counts more than what stands in the rows. Nothing is paid by who does not read the column.

    Raises:
        InputError: the file of decisions makes no sense.
    """
    import polars as pl

    names = rows.collect_schema().names()
    latest = _latest(Path(folder)).select(*_KEY, COLUMN)
    if not latest.height or not set(_KEY) <= set(names):
        return rows if COLUMN in names else rows.with_columns(pl.lit(None, pl.String).alias(COLUMN))
    reads = [*_KEY, COLUMN] if COLUMN in names else [*_KEY]
    looked_up = pl.struct(reads).map_batches(
        lambda asked: _looked_up(asked.struct.unnest(), latest), return_dtype=pl.String, is_elementwise=True
    )
    return rows.with_columns(looked_up.alias(COLUMN))


def fingerprint(folder: str | Path) -> str | None:
    """One sha256 of what is decided; None where nothing is."""
    decided = decisions(folder)
    if not decided.height:
        return None
    lines = sorted(f"{sha256} {face} {decision}" for sha256, face, decision in decided.iter_rows())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def carry(source: Path, out: Path, before: Path | None = None) -> None:
    """Take what was decided in a set along into one that is made from it.

    Args:
        source, out: the set, and the folder of the new one.
        before: the set whose place the new one takes: what was decided there is not lost.

    Raises:
        InputError: a file of decisions makes no sense, or the new one cannot be written.
    """
    import polars as pl

    histories = [_history(folder) for folder in (source, before) if folder is not None]
    told = pl.concat(histories).unique(maintain_order=True).sort("at", nulls_last=False, maintain_order=True)
    if told.height:
        _append(out / FILE, told.write_ndjson())


def _looked_up(asked: pl.DataFrame, latest: pl.DataFrame) -> pl.Series:
    import polars as pl

    had = (
        asked[COLUMN]
        if COLUMN in asked.columns
        else pl.repeat(None, asked.height, dtype=pl.String, eager=True)
    )
    # By content first: few rows of a large set are decided, and joins by two columns are slow.
    place = asked["sha256"].is_in(latest["sha256"].implode()).fill_null(value=False).arg_true()
    if not len(place):
        return had.alias(COLUMN)
    found = asked[place].select(*_KEY).join(
        latest.with_columns(said=True), on=_KEY, how="left", nulls_equal=True, maintain_order="left"
    )  # fmt: skip
    said = found["said"].is_not_null()
    return had.scatter(place.filter(said), found[COLUMN].filter(said)).alias(COLUMN)


def _latest(folder: Path) -> pl.DataFrame:
    """Of each face the latest line; null in `decision` where it was taken back."""
    return _history(folder).unique(_KEY, keep="last", maintain_order=True)


def _history(folder: Path) -> pl.DataFrame:
    """Every line: sha256, face, image, decision, at. The last one may be torn: it then counts for nothing."""
    import polars as pl

    path = folder / FILE
    types = {"sha256": pl.String, "face": pl.Int32, "image": pl.String, COLUMN: pl.String, "at": pl.String}
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return pl.DataFrame(schema=types)
    except OSError as error:
        raise InputError(f"cannot be read: {_reason(error)}", where=str(path)) from error
    whole = content[: _end(content)]
    if not whole.strip():
        return pl.DataFrame(schema=types)
    try:
        lines = pl.read_ndjson(io.BytesIO(whole), schema=types)
        sound = lines["sha256"].is_not_null() & lines[COLUMN].is_in(DECISIONS).fill_null(value=True)
    except (pl.exceptions.PolarsError, UnicodeDecodeError):
        sound = None
    if sound is None or not sound.all():
        raise InputError(
            "this line is no decision",
            where=f"{path}:{_damaged(whole)}",
            hint="take the line out of the file: each of the others stands for itself",
        )
    return lines


def _end(content: bytes) -> int:
    """How many bytes are whole lines; a last one without its line break counts if it is whole."""
    end = content.rfind(b"\n") + 1
    return len(content) if _is_line(content[end:]) else end


def _damaged(content: bytes) -> int:
    """The number of the first line, from 1, that is no decision."""
    lines = content.split(b"\n")
    return next((n for n, line in enumerate(lines, 1) if line.strip() and not _is_line(line)), 1)


def _is_line(text: bytes) -> bool:
    try:
        said: Any = json.loads(text)
    except ValueError:
        return False
    return (
        isinstance(said, dict)
        and isinstance(said.get("sha256"), str)
        and isinstance(said.get("face"), int | None)
        and (said.get(COLUMN) is None or said[COLUMN] in DECISIONS)
    )


def _append(path: Path, text: str) -> None:
    """Add lines, on disk for certain; the file is what it was before where that cannot be done."""
    try:
        with path.open("a+b") as file:
            file.seek(0)
            content = file.read()
            end = _end(content)
            file.truncate(end)  # what a killed run left half written
            try:
                file.write((b"\n" if end and content[end - 1 : end] != b"\n" else b"") + text.encode())
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(file.fileno(), end)
                raise
        sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"cannot be written: {_reason(error)}", where=str(path)) from error


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time; the lock ends with its process, however that ends."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout:
        raise InputError("another program is deciding about these faces", where=str(folder)) from None
    except OSError as error:
        raise InputError(f"cannot be written: {_reason(error)}", where=str(folder / FILE)) from error
    try:
        yield
    finally:
        lock.release()


def _images(folder: Path, contents: set[str]) -> dict[tuple[str | None, int | None], str]:
    """The pictures of faces, for people who read the file."""
    import polars as pl

    found: dict[tuple[str | None, int | None], str] = {}
    for path in list_shards(folder):
        rows = pl.scan_parquet(path, glob=False).select(*_KEY, "image")
        some = rows.filter(pl.col("sha256").is_in(list(contents))).collect()
        found |= {(sha256, face): image for sha256, face, image in some.iter_rows()}
    return found


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
