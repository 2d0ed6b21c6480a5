"""What the same command does where its export is finished already."""

from __future__ import annotations

import os
from collections.abc import Sequence

from curate.errors import ExportError
from curate.exports.exported import Exported
from curate.exports.format import Format
from curate.exports.job import Job
from curate.exports.journal import Done, Journal, are_there
from curate.exports.part import Part
from curate.exports.place import check_only_ours
from curate.exports.record import Finished
from curate.pictures import file_of, has_file


def again(
    finished: Finished, job: Job, format: Format, parts: Sequence[Part], *, overwrite: bool, stopped: bool
) -> Journal | Finished | None:
    """Go on with a finished export, if there is something to go on with.

    Args:
        finished: this very export.
        job, format, parts: what is asked for.
        overwrite: what is there may be replaced.
        stopped: the run that finished it was killed before it had cleared up.

    Returns:
        A journal where pictures that were left out are back; the export itself where all that is left to do is to
        finish it again; None where it is to be replaced.

    Raises:
        ExportError: it is there, and there is nothing to do.
    """
    intact = are_there(job.out, finished.files)
    if intact and not overwrite and _back(finished, job):
        check_only_ours(job.out)
        return _journal(finished, job, format, parts)
    if intact and (stopped or format.asks_elsewhere()):
        return finished
    if overwrite:
        check_only_ours(job.out)
        return None
    hint = "--overwrite, or choose another place"
    if finished.left_out:
        hint = f"put the {len(finished.left_out):,} left-out pictures back where they were, or {hint}"
    if not intact:
        raise ExportError("is there already, but not as it was written", where=str(job.out), hint=hint)
    raise ExportError("is there already", where=str(job.out), hint=hint)


def retold(finished: Finished, job: Job, parts: int, *, dry_run: bool, seconds: float) -> Exported:
    """A finished export, told again."""
    record = finished.record
    return Exported(
        folder=job.out,
        format=record.format,
        rows=record.rows,
        pictures=record.pictures,
        files=record.files,
        bytes=record.bytes,
        kept=parts,
        parts=parts,
        left_out_rows=record.left_out_rows,
        left_out=finished.left_out,
        renamed=job.renamed,
        dry_run=dry_run,
        seconds=seconds,
    )


def _back(finished: Finished, job: Job) -> bool:
    """Whether a picture that was left out may be had now. Of what is no file of its own only reading tells."""
    source = job.scores.manifest.source
    return any(
        not has_file(source, image) or os.path.isfile(file_of(image))  # noqa: PTH113 - it is many
        for image in finished.left_out
    )


def _journal(finished: Finished, job: Job, format: Format, parts: Sequence[Part]) -> Journal:
    """The journal that the run would have left: parts without left-out pictures are done.

    Raises:
        ExportError: a part that would be written again needs a picture that is gone since: it would be lost.
    """
    head = {
        "fingerprint": finished.record.fingerprint,
        "format": finished.record.format,
        "created": finished.record.created,
    }
    images, written = job.pictures["image"], {file.path: file for file in finished.files}
    source = job.scores.manifest.source
    journal = Journal(job.out, head)
    for part in parts:
        some = [images[number] for number in part.pictures]
        left_out = {image: finished.left_out[image] for image in some if image in finished.left_out}
        if part.pictures and (left_out or not format.copies()):
            for image in some:
                if image not in left_out and has_file(source, image) and not os.path.isfile(file_of(image)):  # noqa: PTH113
                    raise ExportError(
                        f"is there already; to complete it, this picture would have to be there, too: {image}",
                        where=str(job.out),
                        hint="put it back where it was",
                    )
        files = tuple(written[path] for path in part.files if path in written)
        journal.ended.update(part.files)
        journal.done[part.key] = Done(files, left_out)
    return journal
