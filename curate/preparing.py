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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from curate.cutting import SIZES, VERSION, CropKind, Crops, Cutting, Pictures
from curate.engines.local import LocalEngine
from curate.engines.work import Failure
from curate.errors import InputError
from curate.sources.source import Input

if TYPE_CHECKING:
    import polars as pl

    from curate.models.training.sets import Crop, SetWriter

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
