"""Faces to measure on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import CurateError, InputError

if TYPE_CHECKING:
    from curate.scorers.face import Face


def faces_in(folder: Path, limit: int) -> list[Face]:
    """The largest face of each of at most `limit` pictures of a folder, taken evenly; unreadable ones are left out."""
    from curate.sources import open_source

    inputs = list(open_source(str(folder)))
    if len(inputs) > limit:
        inputs = [inputs[i * len(inputs) // limit] for i in range(limit)]
    return _faces(item.read for item in inputs)


def faces_in_order(paths: Sequence[Path]) -> list[Face]:
    """The largest face of each of these pictures; those without one are left out."""
    return _faces(path.read_bytes for path in paths)


def _faces(pictures: Iterable[Callable[[], bytes]]) -> list[Face]:
    from curate.scorers.decode import decode
    from curate.scorers.face import Face
    from curate.scorers.mesh import FaceMesh

    mesh = FaceMesh()
    faces = []
    for read in pictures:
        try:
            pixels = decode(read()).pixels
        except CurateError:
            continue
        found = [Face(pixels, one.landmarks) for one in mesh.detect([pixels])[0]]
        if found:
            faces.append(max(found, key=lambda face: face.box[2] * face.box[3]))
    return faces


def example_faces() -> Path:
    """The example pictures of a checkout; InputError where this is an installed package, which has none."""
    folder = Path(__file__).resolve().parents[2] / "examples" / "faces"
    if not folder.is_dir():
        raise InputError("there are no faces to measure on", hint="curate models profile --faces FOLDER")
    return folder
