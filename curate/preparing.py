"""From labelled pictures to a training set: every face found and cut out once, kept on disk.

The folder it makes is what the trainer reads (`curate.models.training.sets`). It is made under another name
and renamed when it is whole, so a folder that is there is complete; a run that was killed starts over.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from curate.engines.local import LocalEngine
from curate.engines.work import Failure
from curate.errors import InputError
from curate.sources.source import Input

if TYPE_CHECKING:
    import polars as pl

    from curate.models.training.sets import Crop, SetWriter
    from curate.scorers.face import Face

CropKind = Literal["lite", "libreface"]

# Raised whenever the same picture may become another crop: enlarging, which face counts.
VERSION = "1"
# Side of the crops in pixels, and of what a network sees of them without augmentation.
SIZES: dict[CropKind, tuple[int, int]] = {"lite": (120, 96), "libreface": (256, 224)}
_LITE_MARGIN = 1.25
# Small pictures are enlarged to this: what the whole pipeline is measured at, and the face mesh likes.
_SHORTER_SIDE = 224
_MAX_PIXELS = 100_000_000
_PIXELS_TOGETHER = 16_000_000
_BATCH = 16


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: pictures looked at, of how many, and the faces found in them."""

    done: int
    total: int
    faces: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A training set on disk.

    Attributes:
        folder: where it lies.
        pictures: labelled pictures there were.
        faces: those with a face: the rows of the set.
        no_face: those without.
        unreadable: those that could not be decoded.
        reused: whether it was there already.
        seconds: what it took.
    """

    folder: Path
    pictures: int
    faces: int
    no_face: int
    unreadable: int
    reused: bool
    seconds: float


def prepare(
    reader: str,
    path: Path,
    *,
    name: str | None = None,
    crop: CropKind = "lite",
    folder: Path | None = None,
    workers: int = 2,
    limit: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Prepared:
    """Read a data set and prepare it, or find it prepared.

    Args:
        reader: which of `curate.models.datasets.reading.READERS`.
        path: the data set, as its owners hand it out.
        name: what its rows are called in `dataset` [default: the reader's name].
        crop: `lite` (120 px) or `libreface` (the aligned square at 256 px).
        folder: where to [default: in the user's cache, by what it is made from].
        workers: processes.
        limit: at most so many pictures, taken evenly from all of them.
        on_progress: called after every batch.

    Raises:
        InputError: the data cannot be read, or nobody's face is in it, or `folder` holds something else.
    """
    from curate.models.datasets.reading import read

    frame = read(reader, path)
    if limit is not None and frame.height > limit:
        frame = frame[np.linspace(0, frame.height - 1, limit).round().astype(int).tolist()]
    return prepare_frame(
        frame,
        reader=reader,
        location=path,
        name=name or reader,
        crop=crop,
        folder=folder,
        workers=workers,
        on_progress=on_progress,
    )


def prepare_frame(
    frame: pl.DataFrame,
    *,
    reader: str,
    location: Path,
    name: str,
    crop: CropKind = "lite",
    folder: Path | None = None,
    workers: int = 2,
    on_progress: Callable[[Progress], None] | None = None,
) -> Prepared:
    """`prepare` for a labelled frame that has been read already."""
    from filelock import FileLock

    from curate.models.pack import cache_dir, sha256_of
    from curate.models.training.sets import write_training_set

    began = time.monotonic()
    key = _key(frame, reader, location.absolute(), name, crop)
    out = folder or cache_dir() / "training" / key
    out.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(out.parent / f".{out.name}.lock"):
        if (before := _made_before(out, key)) is not None:
            return before
        for left in out.parent.glob(f".{out.name}-*"):  # by runs that were killed
            shutil.rmtree(left, ignore_errors=True)
        with write_training_set(out, _crop(crop)) as writer:
            counts = _fill(writer, frame, name, crop, workers, on_progress)
            if not counts.faces:
                raise InputError(
                    f"none of the {counts.pictures:,} pictures has a face that is found", where=str(location)
                )
            writer.source(
                {
                    "name": name,
                    "reader": reader,
                    "location": str(location.absolute()),
                    "sha256": counts.content if location.is_dir() else sha256_of(location),
                    "rows": counts.pictures,
                    "found": counts.faces,
                    "not_found": counts.no_face,
                    "unreadable": counts.unreadable,
                    "key": key,
                }
            )
    return Prepared(
        out,
        counts.pictures,
        counts.faces,
        counts.no_face,
        counts.unreadable,
        reused=False,
        seconds=time.monotonic() - began,
    )


@dataclass(slots=True)
class _Counts:
    """What became of the pictures; `content` is the sha256 of all of their hashes, sorted."""

    pictures: int
    faces: int = 0
    no_face: int = 0
    unreadable: int = 0
    content: str = ""


def _fill(
    writer: SetWriter,
    frame: pl.DataFrame,
    name: str,
    crop: CropKind,
    workers: int,
    on_progress: Callable[[Progress], None] | None,
) -> _Counts:
    """Send the pictures through the workers, and what comes back into the set, in the frame's order."""
    import polars as pl

    counts = _Counts(frame.height)
    labels = frame.drop("pixels", strict=False).with_columns(pl.lit(name).alias("dataset"))
    hashes: list[str] = []
    done = 0
    engine: LocalEngine[Pictures, Crops] = LocalEngine(Cutting(crop), workers=workers)
    for batch, outcome in engine.run(_batches(frame)):
        done += len(batch)
        if isinstance(outcome, Failure):
            counts.unreadable += len(batch)
        else:
            hashes += [sha256 for sha256 in outcome.sha256 if sha256]
            counts.faces += len(outcome.found)
            counts.no_face += outcome.no_face
            counts.unreadable += len(batch) - len(outcome.found) - outcome.no_face
            if outcome.found:
                rows = labels[[batch.rows[i] for i in outcome.found]]
                content = pl.Series("sha256", [outcome.sha256[i] for i in outcome.found], pl.String)
                writer.add(outcome.pixels, outcome.shapes, rows.with_columns(content))
        if on_progress is not None:
            on_progress(Progress(done, frame.height, counts.faces))
    counts.content = hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()
    return counts


def _crop(kind: CropKind) -> Crop:
    from curate.models.training.sets import Crop
    from curate.scorers.crop import VERSION as LITE_VERSION

    side, inner = SIZES[kind]
    return Crop(kind, side=side, inner=inner, version=LITE_VERSION if kind == "lite" else "1")


def _key(frame: pl.DataFrame, reader: str, location: Path, name: str, crop: CropKind) -> str:
    """What a set is made from, in 16 hexadecimal digits: pictures, labels, and the way from them to crops.

    A picture in a file counts by its size and time; reading them all would take as long as preparing them.
    """
    from curate.models.pack import find_pack
    from curate.scorers.scorer import MESH_PACK

    kind = _crop(crop)
    parts = [reader, str(location), name, VERSION, kind.kind, kind.version, find_pack(MESH_PACK).fingerprint]
    digest = hashlib.sha256("\n".join(parts).encode())
    digest.update(frame.drop("pixels", strict=False).write_csv().encode())
    if "pixels" in frame.columns:
        for pixels in frame["pixels"]:
            digest.update(hashlib.sha256(pixels or b"").digest())
    else:
        for image in frame["image"]:
            with contextlib.suppress(OSError):
                state = os.stat(image)  # noqa: PTH116 - a hundred thousand of them
                digest.update(f"{state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _made_before(out: Path, key: str) -> Prepared | None:
    """The set that `out` holds already; InputError where it holds anything else."""
    if not out.exists():
        return None
    try:
        source = json.loads((out / "set.json").read_text(encoding="utf-8"))["sources"][0]
        if source["key"] == key:
            return Prepared(
                out,
                source["rows"],
                source["found"],
                source["not_found"],
                source["unreadable"],
                reused=True,
                seconds=0.0,
            )
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        pass
    raise InputError(
        "there is something else already, not this training set", where=str(out), hint="use another folder"
    )


@dataclass(frozen=True, slots=True)
class Pictures:
    """Labelled pictures that are looked at together: their rows in the frame, and where they are read."""

    rows: tuple[int, ...]
    inputs: tuple[Input, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def singles(self) -> Sequence[Pictures]:
        """One picture a batch."""
        return [Pictures((row,), (item,)) for row, item in zip(self.rows, self.inputs, strict=True)]


def _batches(frame: pl.DataFrame) -> Iterator[Pictures]:
    for start in range(0, frame.height, _BATCH):
        part = frame[start : start + _BATCH]
        images = part["image"].to_list()
        if "pixels" in part.columns:
            pixels = part["pixels"].to_list()
            inputs = [Input(image, data=data) for image, data in zip(images, pixels, strict=True)]
        else:
            inputs = [Input(image, path=image) for image in images]
        yield Pictures(tuple(range(start, start + len(inputs))), tuple(inputs))


@dataclass(frozen=True, slots=True)
class Crops:
    """What a worker made of `Pictures`.

    Attributes:
        sha256: of every picture's bytes; None where it could not be read.
        found: which of the pictures have a face, ascending; the arrays have a row for each of these.
        no_face: how many were decoded and have none.
        pixels: (n, S, S, 3) uint8 RGB.
        shapes: (n, 478, 3) float32, the pose-normalised mesh.
    """

    sha256: tuple[str | None, ...]
    found: tuple[int, ...]
    no_face: int
    pixels: NDArray[np.uint8]
    shapes: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Cutting:
    """What is done to every picture. It travels to the workers; `open` happens there."""

    crop: CropKind

    def open(self) -> OpenCutting:
        """Load the face mesh; ModelError where it is missing."""
        import cv2

        cv2.setNumThreads(1)
        return OpenCutting(self.crop)


class OpenCutting:
    """A Cutting with its models loaded."""

    def __init__(self, crop: CropKind) -> None:
        from curate.scorers.mesh import FaceMesh

        self._crop = crop
        self._mesh = FaceMesh()

    def __call__(self, batch: Pictures) -> Crops:
        """The largest face of every picture, cut out."""
        from curate.scorers.crop import face_shape

        side, _ = SIZES[self._crop]
        hashes: list[str | None] = []
        found: list[int] = []
        crops: list[NDArray[np.uint8]] = []
        meshes: list[NDArray[np.float32]] = []
        sizes: list[tuple[int, int]] = []
        no_face = 0
        for group in self._groups(batch.inputs, hashes):
            faces = self._faces([pixels for _, pixels in group])
            for (i, _), face in zip(group, faces, strict=True):
                if face is None:
                    no_face += 1
                    continue
                found.append(i)
                crops.append(self._cut(face))
                meshes.append(face.mesh)
                sizes.append((face.width, face.height))
        if not found:
            none = np.empty((0, side, side, 3), np.uint8), np.empty((0, 478, 3), np.float32)
            return Crops(tuple(hashes), (), no_face, *none)
        shapes = face_shape(np.stack(meshes), np.array(sizes))
        return Crops(tuple(hashes), tuple(found), no_face, np.stack(crops), shapes)

    def _groups(
        self, inputs: Sequence[Input], hashes: list[str | None]
    ) -> Iterator[list[tuple[int, NDArray[np.uint8]]]]:
        """The pictures that can be read, so many at a time that they fit into memory."""
        from curate.scorers.decode import decode

        group: list[tuple[int, NDArray[np.uint8]]] = []
        together = 0
        for i, item in enumerate(inputs):
            hashes.append(None)
            try:
                data = item.read()
                hashes[i] = hashlib.sha256(data).hexdigest()
                pixels = enlarged(decode(data, max_pixels=_MAX_PIXELS).pixels)
            except InputError:
                continue
            group.append((i, pixels))
            together += pixels.size // 3
            if together >= _PIXELS_TOGETHER:
                yield group
                group, together = [], 0
        if group:
            yield group

    def _faces(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Face | None]:
        """The largest face of each picture."""
        from curate.scorers.face import Face

        largest: list[Face | None] = []
        for pixels, meshes in zip(pictures, self._mesh.detect(pictures), strict=True):
            faces = [Face(pixels, mesh.landmarks) for mesh in meshes]
            largest.append(max(faces, key=lambda face: face.box[2] * face.box[3], default=None))
        return largest

    def _cut(self, face: Face) -> NDArray[np.uint8]:
        from PIL import Image

        from curate.scorers.crop import face_crop

        side, _ = SIZES[self._crop]
        if self._crop == "lite":
            return face_crop(face.pixels, face.mesh, side, _LITE_MARGIN)
        return np.asarray(Image.fromarray(face.aligned).resize((side, side), Image.Resampling.LANCZOS))


def enlarged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture whose shorter side is below 224 pixels, enlarged to that (bicubic); any other as it is.

    Args:
        pixels: (H, W, 3) uint8 RGB.
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    scale = _SHORTER_SIDE / min(height, width)
    # A strip of a few pixels would become a giant, and has no face.
    if scale <= 1 or max(height, width) * scale > 16 * _SHORTER_SIDE:
        return pixels
    size = (round(width * scale), round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
