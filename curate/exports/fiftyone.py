"""`--to fiftyone`: a folder that `fiftyone.Dataset.from_dir` loads with all fields, colours and saved views."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from curate.browsing import store
from curate.browsing.database import check_database, connect
from curate.browsing.fields import DIGEST_FIELD, declared, documents
from curate.browsing.rows import DIGEST
from curate.browsing.sidebar import arrange
from curate.browsing.views import save_views
from curate.exports.files import JOURNAL_FOLDER, Files
from curate.exports.format import Format
from curate.exports.job import Job
from curate.exports.landmarks import check_landmarks
from curate.exports.part import Part, picture_parts
from curate.exports.placing import ModeOrReference, file_to_name, place_picture
from curate.pictures import Picture, file_of

# What FiftyOne calls them.
SAMPLES, DATASET, FOLDER = "samples.json", "metadata.json", "data"
# Samples that are made at a time.
_ROWS = 5_000


class FiftyOne(Format):
    """`metadata.json`, `samples.json` and the pictures in `data/`: FiftyOne's own `FiftyOneDataset`.

    One sample a face, with the fields that `curate browse` shows. FiftyOne writes the files from a dataset that is
    there for as long as that takes, so it and its database are needed.

    Attributes:
        mode: how the pictures get there; `reference` leaves them where they are, and samples have their paths.
        with_landmarks: also the fields `mesh` and `keypoints`.
    """

    name: ClassVar[str] = "fiftyone"

    mode: ModeOrReference = "copy"
    with_landmarks: bool = False

    def wants_landmarks(self) -> bool:
        return self.with_landmarks

    def plan(self, job: Job) -> Sequence[Part]:
        check_database()
        if self.with_landmarks:
            check_landmarks(job)
        if self.mode == "reference":
            parts = picture_parts([()] * job.pictures.height)
        else:
            parts = picture_parts([(p,) for p in job.name_pictures([FOLDER] * job.pictures.height)])
        return [*parts, Part("dataset", (SAMPLES, DATASET), last=True)]

    def write(self, part: Part, job: Job, files: Files, pictures: Iterator[tuple[int, Picture]]) -> None:
        connect()  # before the first picture is copied, not after the last
        for number, picture in pictures:
            if self.mode == "reference":
                file_to_name(picture)
            else:
                (path,) = part.files_of(number)
                place_picture(files, path, picture, job.pictures["sha256"][number], self.mode)
        if part.last:
            # FiftyOne writes where it is told; from there each file is placed as any other.
            with tempfile.TemporaryDirectory(dir=job.out / JOURNAL_FOLDER) as folder:
                with _temporary_dataset() as dataset:
                    self._fill(dataset, job)
                    _write_dataset(dataset, Path(folder))
                for name in (SAMPLES, DATASET):
                    with files.temporary(name) as place:
                        (Path(folder) / name).replace(place)

    def copies(self) -> bool:
        return self.mode == "copy"

    def _fill(self, dataset: Any, job: Job) -> None:
        rows = job.handed_on()
        fields = declared(rows.schema)
        # Only an import from a score set has a digest to compare.
        fields.pop(DIGEST_FIELD)
        rows = rows.with_columns(pl.lit(None, pl.Int64).alias(DIGEST))
        dataset.add_dynamic_sample_fields(fields)
        number, names = store.dataset_id(dataset), self._names(job)
        for begin in range(0, rows.height, _ROWS):
            made = documents(rows.slice(begin, _ROWS), names, number, datetime.now(UTC))
            store.write(dataset, made, (), ())
        dataset.reload()
        source = {"scores": job.scores.location, "format": self.name}
        dataset.info["curate_export"] = source
        dataset.save()
        arrange(dataset, job.rows.columns)
        save_views(dataset)

    def _names(self, job: Job) -> dict[str, str]:
        """`image` -> the `filepath` of its samples: below the folder, or where the picture lies."""
        if self.mode == "reference":
            return {image: file_of(image) for image in job.pictures["image"]}
        return dict(zip(job.pictures["image"], job.paths, strict=True))


@contextlib.contextmanager
def _temporary_dataset() -> Iterator[Any]:
    import fiftyone as fo

    name = f"curate-export-{uuid.uuid4()}"
    dataset = fo.Dataset(name)
    try:
        dataset.media_type = "image"
        yield dataset
    finally:
        fo.delete_dataset(name)


def _write_dataset(dataset: Any, folder: Path) -> None:
    """What FiftyOne says of a dataset, as files in a folder; nothing is said on the terminal meanwhile."""
    import fiftyone as fo

    logger = logging.getLogger("fiftyone")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        dataset.export(
            export_dir=str(folder), dataset_type=fo.types.FiftyOneDataset, export_media=False, progress=False
        )
    finally:
        logger.setLevel(level)
