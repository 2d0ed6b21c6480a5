"""`curate export` as a function: a plan, its parts one after the other, and a manifest at the end."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import polars as pl
from filelock import FileLock, Timeout
from pydantic import ValidationError

from curate.chosen import source_record
from curate.errors import ExportError
from curate.exports.again import again, retold
from curate.exports.exported import Exported, Progress
from curate.exports.files import JOURNAL_FOLDER, Written
from curate.exports.foreseen import check_possible, foreseen
from curate.exports.format import Format
from curate.exports.formats import find_format
from curate.exports.job import Job, open_job
from curate.exports.journal import (
    LOCK,
    Journal,
    read_journal,
    remove_journal,
    remove_lock,
    repair_journal,
    start_journal,
)
from curate.exports.part import Part
from curate.exports.place import check_place, check_sources, list_replaced, look
from curate.exports.record import Finished, Record, first_left_out, licences, write_record
from curate.exports.writing import kept_parts, write_parts
from curate.manifest import now, versions
from curate.output import typed
from curate.place import here
from curate.scorers.columns import suggest
from curate.scoreset import ScoreSet, open_scores

__all__ = ["Exported", "Progress", "export", "make_format"]


def export(
    scores: ScoreSet | str | Path,
    out: str | Path,
    *,
    to: str | Format,
    where: str | None = None,
    dry_run: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    **options: object,
) -> Exported:
    """Hand on the faces of a score set.

    A run that was stopped or killed goes on when it is called again with the same arguments.

    Args:
        scores: the set; its rows with status `ok` are handed on.
        out: a new folder, the same export unfinished, or an empty folder.
        to: a format by name (`curate.exports.formats.FORMATS`), or a format with its options.
        where: a query; only faces for which it is true.
        dry_run: look, count, and write nothing.
        overwrite: replace an export that is there.
        on_progress: is told how far it is.
        options: of the format, where it is given by name.

    Raises:
        ExportError: the options make no sense, `out` is no place for it, or it cannot be written.
        InputError: the set or its dataset cannot be read.
        QueryError: the query makes no sense.
    """
    started = time.monotonic()
    source = scores if isinstance(scores, ScoreSet) else open_scores(scores)
    target = here(out)
    format = make_format(to, options) if isinstance(to, str) else to
    check_place(source, target)
    job = open_job(source, target, where, landmarks=format.wants_landmarks(), overwrite=overwrite)
    if not job.rows.height:
        hint = (
            f"curate show {typed(source.place)} --status says what is in it"
            if where is None
            else "another --where"
        )
        raise ExportError("there is no face to hand on", where=str(source.place), hint=hint)
    check_sources(job.pictures["image"], target)
    parts = _ordered(format.plan(job))
    fingerprint = _fingerprint(job, format, where, parts)

    stopped = (target / JOURNAL_FOLDER).is_dir()  # before this run makes it

    def find() -> Journal | Finished | None:
        found = look(target, fingerprint, overwrite=overwrite)
        if isinstance(found, Finished):
            return again(found, job, format, parts, overwrite=overwrite, stopped=stopped)
        return found

    with _in_words(target):
        found = find()
        if not isinstance(found, Finished):
            check_possible(job, format, parts, every=dry_run)
    if dry_run:
        seconds = time.monotonic() - started
        if isinstance(found, Finished):
            return retold(found, job, len(parts), dry_run=True, seconds=seconds)
        return foreseen(job, format, parts, len(kept_parts(found, format, parts)), seconds)
    with _in_words(target), _locked(target):
        found = find()  # another run may have been here
        if isinstance(found, Finished):
            format.finish(job, target)
            remove_journal(target)
            return retold(found, job, len(parts), dry_run=False, seconds=time.monotonic() - started)
        if found is None:
            found = Journal(target, {"fingerprint": fingerprint, "format": format.name, "created": now()})
            list_replaced(target)
            start_journal(found)
        elif read_journal(target) is None:
            start_journal(found)
        else:
            repair_journal(found)
        journal = found
        kept = kept_parts(journal, format, parts)
        write_parts(job, format, parts, journal, kept, on_progress)
        written = [file for part in parts for file in journal.done[part.key].files]
        record = _record(job, format, where, journal, written)
        write_record(record, written, job)
        format.finish(job, target)
        remove_journal(target)
    return Exported(
        folder=target,
        format=format.name,
        rows=record.rows,
        pictures=record.pictures,
        files=record.files,
        bytes=record.bytes,
        kept=len(kept),
        parts=len(parts),
        left_out_rows=record.left_out_rows,
        left_out=job.left_out,
        renamed=job.renamed,
        dry_run=False,
        seconds=time.monotonic() - started,
    )


def make_format(name: str, options: Mapping[str, object]) -> Format:
    """A format with options that people typed.

    Raises:
        ExportError: there is no such format or option, or a value is none that it takes.
    """
    kind = find_format(name)
    try:
        return kind(**options)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]) if first["loc"] else ""
        flag = f"--{option.replace('_', '-')}" if option else f"--to {name}"
        if first["type"] == "extra_forbidden":
            known = ", ".join(f"--{field.replace('_', '-')}" for field in kind.model_fields) or "none"
            raise ExportError(
                f"is no option of {name}{suggest(option, kind.model_fields)}",
                where=flag,
                hint=f"its options: {known}",
            ) from None
        words = first["msg"].removeprefix("Value error, ")
        raise ExportError(words[:1].lower() + words[1:], where=flag, hint="curate export --help") from None


def _ordered(parts: Sequence[Part]) -> list[Part]:
    """The last parts last."""
    return sorted(parts, key=lambda part: part.last)


def _fingerprint(job: Job, format: Format, where: str | None, parts: Sequence[Part]) -> str:
    """What decides what is written."""
    manifest = job.scores.manifest
    said = {
        "curate": version("curate-faces"),
        "format": [
            format.name,
            format.version,
            format.model_dump(mode="json", exclude=set(format.elsewhere)),
        ],
        "where": where,
        "source": {name: value for name, value in source_record(job.scores).items() if name != "folder"},
        "tables": [
            manifest.derived,
            *(table and table.sha256 for table in (manifest.affect, manifest.lexicon)),
        ],
    }
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    digest.update(_decisions(job.rows))
    for part in parts:
        digest.update(repr(part).encode())
    return digest.hexdigest()


def _decisions(rows: pl.DataFrame) -> bytes:
    """What people decided, which is not in the set's shards."""
    if "decision" not in rows.columns:
        return b""
    return "\n".join(value or "" for value in rows["decision"]).encode()


def _record(
    job: Job, format: Format, where: str | None, journal: Journal, written: Sequence[Written]
) -> Record:
    rows = job.handed_on().height
    left_out_rows = dict(job.left_out_rows)
    if rows < job.rows.height:
        left_out_rows["picture"] = job.rows.height - rows
    return Record(
        format=format.name,
        options=format.model_dump(mode="json"),
        where=where,
        fingerprint=journal.head["fingerprint"],
        created=journal.head["created"],
        finished=now(),
        source=source_record(job.scores),
        scores=job.scores.manifest.model_dump(mode="json"),
        licences=licences(job),
        rows=rows,
        pictures=job.pictures.height - len(job.left_out),
        files=len(written),
        bytes=sum(file.bytes for file in written),
        left_out_rows=left_out_rows,
        left_out_pictures=len(job.left_out),
        left_out=first_left_out(job),
        renamed=len(job.renamed),
        versions=versions(),
    )


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    """One run at a time in a folder."""
    folder = out / JOURNAL_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink():
        raise ExportError("is a link, and nothing is written through links", where=str(folder))
    try:
        with FileLock(folder / LOCK, timeout=0):
            yield
        if os.name == "nt" and not (folder / "journal.jsonl").exists():
            remove_lock(out)
    except Timeout:
        raise ExportError(
            "another run is writing here", where=str(out), hint="wait for it, or choose another place"
        ) from None


@contextlib.contextmanager
def _in_words(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ExportError(
            f"cannot be written: {reason}",
            where=error.filename if isinstance(error.filename, str) else str(out),
            hint="make room or choose another place; the same command then goes on where this one stopped",
        ) from error
