"""What an export would come to: errors that can be told beforehand, and what a dry run says."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from curate.errors import ExportError
from curate.exports.exported import Exported
from curate.exports.format import Format
from curate.exports.job import Job
from curate.exports.part import Part
from curate.pictures import file_of, has_file, read_pictures


def check_possible(job: Job, format: Format, parts: Sequence[Part], *, every: bool = False) -> None:
    """That the pictures can be had and the files be written, as far as a look tells.

    Args:
        job, format, parts: the export.
        every: where links are wanted of rows of a dataset, read all of them, not the first alone: a dry run says what
            a run would find on its way.

    Raises:
        ExportError: the place is not to be written to; a folder is where a file goes; pictures cannot be linked; or
            none of them is there.
        InputError: a dataset of which links are wanted cannot be opened any more.
    """
    _check_writable(job.out)
    if job.out.exists():
        for path in (path for part in parts for path in part.files):
            _check_room(job.out, path)
    pictured = sorted({number for part in parts for number in part.pictures})
    if not pictured:
        return
    images = job.pictures["image"]
    source = job.scores.manifest.source
    without = [n for n in pictured if not has_file(source, images[n])]
    if without:
        if format.way() != "copy":
            contents = job.pictures["sha256"]
            _check_have_files(job, {images[n]: contents[n] for n in (without if every else without[:1])})
        return
    device = _existing(job.out).stat().st_dev
    known: dict[str, bool] = {}
    there = False
    for number in pictured:
        file = file_of(images[number])
        there = there or os.path.exists(file)  # noqa: PTH110 - of strings, it is many
        if format.way() != "hardlink":
            if there:
                break
            continue
        real = os.path.realpath(file) if os.path.islink(file) else file  # noqa: PTH114
        folder, _ = os.path.split(real)
        # Of folders: some systems of layers say something of their own for files.
        if folder not in known:
            known[folder] = not os.path.isdir(folder) or os.stat(folder).st_dev == device  # noqa: PTH112, PTH116
        if not known[folder]:
            raise ExportError(
                f"a hardlink to {images[number]} cannot be made: it is on another file system",
                where=str(job.out),
                hint="--mode copy, or --mode symlink",
            )
    if not there:
        raise ExportError(
            f"none of the pictures is there any more: {images[pictured[0]]}",
            where=str(job.scores.place),
            hint="put them back where they were scored, or score them again",
        )


def foreseen(job: Job, format: Format, parts: Sequence[Part], kept: int, seconds: float) -> Exported:
    """What would be written, by a look at the files' names and sizes."""
    pictured = sorted({number for part in parts for number in part.pictures})
    size: int | None = 0 if pictured else None
    for number in pictured:
        image = job.pictures["image"][number]
        try:
            if not has_file(job.scores.manifest.source, image):
                size = None
                continue
            found = Path(file_of(image)).stat().st_size
            size = size + found if size is not None and format.copies() else size
        except FileNotFoundError:
            job.left_out[image] = "no such file"
        except OSError as error:
            job.left_out[image] = f"cannot be read: {(error.strerror or str(error)).lower()}"
    return Exported(
        folder=job.out,
        format=format.name,
        rows=job.handed_on().height,
        pictures=job.pictures.height - len(job.left_out),
        files=sum(len(part.files) for part in parts),
        bytes=size,
        kept=kept,
        parts=len(parts),
        left_out_rows=job.left_out_rows,
        left_out=job.left_out,
        renamed=job.renamed,
        dry_run=True,
        seconds=seconds,
    )


def _existing(path: Path) -> Path:
    """The nearest folder above that is there, or the path itself."""
    here = path.resolve()
    return next(folder for folder in (here, *here.parents) if folder.exists())


def _check_writable(out: Path) -> None:
    folder = _existing(out)
    if not folder.is_dir():
        raise ExportError("is a file, and no folder can be made in it", where=str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ExportError("cannot be written to", where=str(folder), hint="choose another place")


def _check_room(out: Path, path: str) -> None:
    """That nothing but a file is where a file goes, and nothing but a folder above it."""
    hint = "move it away, or choose another place"
    file = out / path
    if file.is_dir() and not file.is_symlink():
        raise ExportError("is a folder, and a file is to be written there", where=str(file), hint=hint)
    for above in PurePosixPath(path).parents:
        folder = out / above
        if folder == out:
            break
        if folder.is_symlink():
            raise ExportError("is a link, and nothing is written through links", where=str(folder), hint=hint)
        if folder.exists() and not folder.is_dir():
            raise ExportError("is a file, and a folder is to be made there", where=str(folder), hint=hint)


def _check_have_files(job: Job, wanted: Mapping[str, str | None]) -> None:
    """That rows of a dataset, members of an archive or objects have files of their own."""
    for picture in read_pictures(job.scores.manifest.source, wanted):
        if picture.problem is None and picture.path is None:
            raise ExportError(
                "is no file of its own here that could be linked or named",
                where=picture.image,
                hint="--mode copy",
            )
