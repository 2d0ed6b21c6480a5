"""The parts of an export, written one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from curate.errors import ExportError
from curate.exports.exported import Progress
from curate.exports.files import JOURNAL_FOLDER, Files
from curate.exports.format import Format
from curate.exports.job import Job
from curate.exports.journal import Journal
from curate.exports.part import Part
from curate.exports.place import check_sources, clear_stale
from curate.exports.stock import Stock
from curate.pictures import Picture


def kept_parts(journal: Journal | None, format: Format, parts: Sequence[Part]) -> frozenset[str]:
    """Parts that are not written again; the last ones only where none is written at all.

    Of links only a copy would tell whether they still lead to what was scored: they are made and compared again.
    """
    if journal is None:
        return frozenset()
    whole = {part.key for part in parts if journal.is_whole(part) and (format.copies() or not part.pictures)}
    if any(not part.last and part.key not in whole for part in parts):
        return frozenset(part.key for part in parts if part.key in whole and not part.last)
    return frozenset(whole)


def write_parts(
    job: Job,
    format: Format,
    parts: Sequence[Part],
    journal: Journal,
    kept: frozenset[str],
    on_progress: Callable[[Progress], None],
) -> None:
    """Write the parts that are not kept; what was there before goes when all pictures are written.

    Raises:
        ExportError: none of the pictures can be had, or one cannot be written.
        OSError: of the disk.
    """
    images, contents = job.pictures["image"], job.pictures["sha256"]
    left = [number for part in parts if part.key not in kept for number in part.pictures]
    wanted = {images[n]: contents[n] for n in left}
    pictured = any(part.pictures for part in parts)

    def size(part: Part) -> int:
        return len(part.pictures) if pictured else 1

    progress = Progress("pictures" if pictured else "parts", sum(map(size, parts)))
    progress.kept = progress.done = sum(size(part) for part in parts if part.key in kept)
    on_progress(progress)
    dataset = job.scores.manifest.source.kind == "dataset"
    settled = False
    with Stock(job.scores.manifest.source, wanted, job.out / JOURNAL_FOLDER) as stock:
        for part in parts:
            if part.last and not settled:
                _settle(job, parts, journal)
                settled = True
            if part.key in kept:
                continue
            problems: dict[str, str] = {}

            def good(part: Part = part, problems: dict[str, str] = problems) -> Iterator[tuple[int, Picture]]:
                for number in part.pictures:
                    picture = stock.take(images[number])
                    if picture.problem is not None:
                        problems[picture.image] = job.left_out[picture.image] = picture.problem
                    else:
                        if dataset and picture.path is not None:
                            check_sources([picture.path], job.out)
                        yield number, picture
                    progress.done += 1
                    on_progress(progress)

            journal.begin(part)
            files = Files(job.out, part.files, journal.write)
            coming = good()
            format.write(part, job, files, coming)
            for _ in coming:
                raise ValueError(f"{format.name} has not taken every picture of {part.key}")
            files.sync()
            journal.end(part, files.written, problems)
            if not pictured:
                progress.done += 1
                on_progress(progress)
    if not settled:
        _settle(job, parts, journal)


def _settle(job: Job, parts: Sequence[Part], journal: Journal) -> None:
    """Once all pictures are written, and not before: away with what was there and is no part of it."""
    pictured = {number for part in parts for number in part.pictures}
    if pictured and len(job.left_out) == len(pictured):
        image, why = next(iter(job.left_out.items()))
        raise ExportError(
            f"none of the pictures can be had: {image}: {why}",
            where=str(job.scores.place),
            hint="put them back as they were scored, or score them again",
        )
    ordinary = [part for part in parts if not part.last]
    kept = {file.path for part in ordinary for file in journal.done[part.key].files}
    kept.update(path for part in parts if part.last for path in part.files)
    clear_stale(job.out, (path for part in ordinary for path in part.files), kept)
