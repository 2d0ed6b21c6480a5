"""How a picture gets into an export: as a copy, as a link, or not at all."""

from __future__ import annotations

from typing import Literal

from curate.errors import ExportError
from curate.exports.files import Files
from curate.pictures import Picture

Mode = Literal["copy", "hardlink", "symlink"]
# `reference`: the pictures stay where they are, and the export names their paths.
ModeOrReference = Literal["copy", "hardlink", "symlink", "reference"]


def place_picture(files: Files, path: str, picture: Picture, sha256: str, mode: Mode) -> None:
    """Write a picture, or make a link to its file.

    Args:
        files: of the part.
        path: what it is called, below OUT.
        picture: verified.
        sha256: of its content.
        mode: `copy` writes what was verified.

    Raises:
        ExportError: it has no file that could be linked, or the file systems do not have this link.
    """
    if mode == "copy":
        files.write(path, picture.data, sha256=sha256)
    else:
        symbolic = mode == "symlink"
        files.link(path, file_to_name(picture), symbolic=symbolic, size=len(picture.data), sha256=sha256)


def file_to_name(picture: Picture) -> str:
    """The file of a picture; ExportError where it is a row of a dataset and has none."""
    if picture.path is None:
        raise ExportError(
            "is a row of a dataset and no file that could be linked or named",
            where=picture.image,
            hint="--mode copy",
        )
    return picture.path
