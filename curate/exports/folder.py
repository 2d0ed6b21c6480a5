"""`--to folder`: the pictures as files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from curate.errors import ExportError
from curate.exports.files import Files
from curate.exports.format import Format
from curate.exports.job import Job
from curate.exports.names import safe_name, split_ending, unique_paths
from curate.exports.part import Part, picture_parts
from curate.exports.placing import Mode, place_picture
from curate.exports.rows import plain_faces, row_json
from curate.pictures import Picture
from curate.scorers.columns import suggest

# What a null is called as a folder.
_NOTHING = "none"


class Folder(Format):
    """Pictures as files under their own names.

    Attributes:
        mode: `copy` writes what was verified; `hardlink` gives the file a second name, on the same file system (what
            is written to one is in the other); `symlink` points to where the file is.
        by: a column; each of its values becomes a sub-folder, null becomes `none`. A picture goes by its first face.
        sidecar: beside each picture `NAME.json` with the columns of its faces.
    """

    name: ClassVar[str] = "folder"

    mode: Mode = "copy"
    by: str | None = None
    sidecar: bool = False

    def plan(self, job: Job) -> Sequence[Part]:
        names = job.name_pictures(self._folders(job), beside=self.sidecar)
        return picture_parts([(name, _sidecar(name)) if self.sidecar else (name,) for name in names])

    def write(self, part: Part, job: Job, files: Files, pictures: Iterator[tuple[int, Picture]]) -> None:
        told = plain_faces(job, part.pictures) if self.sidecar else iter(())
        for number, picture in pictures:
            path, *beside = part.files_of(number)
            place_picture(files, path, picture, job.pictures["sha256"][number], self.mode)
            if beside:
                files.write(beside[0], row_json(next(rows for n, rows in told if n == number)))

    def copies(self) -> bool:
        return self.mode == "copy"

    def _folders(self, job: Job) -> list[str] | None:
        if self.by is None:
            return None
        if self.by not in job.rows.columns:
            raise ExportError(
                f"no column `{self.by}`{suggest(self.by, job.rows.columns)}",
                where="--by",
                hint="curate columns",
            )
        values = [_NOTHING if value is None else _text(value) for value in job.first_faces()[self.by]]
        distinct = sorted(set(values))
        safe = [safe_name(value, otherwise="_") for value in distinct]
        folders = dict(zip(distinct, unique_paths(safe, [None] * len(safe)), strict=True))
        return [folders[value] for value in values]


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _sidecar(path: str) -> str:
    return f"{split_ending(path)[0]}.json"
