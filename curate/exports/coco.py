"""`--to coco`: boxes and key points of the faces, as COCO has them (https://cocodataset.org/#format-data)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import polars as pl

from curate.browsing.mesh import PARTS, readable
from curate.errors import ExportError
from curate.exports.files import Files
from curate.exports.format import Format
from curate.exports.job import Job
from curate.exports.landmarks import LANDMARKS
from curate.exports.part import Part, picture_parts
from curate.exports.placing import ModeOrReference, file_to_name, place_picture
from curate.exports.rows import plain_rows
from curate.pictures import Picture, file_of

# Names under which FiftyOne's COCODetectionDataset finds them without being told.
FILE, FOLDER = "labels.json", "data"
_BOX = ("box_x", "box_y", "box_w", "box_h")
# What an annotation and its picture say themselves, and what is of no use there.
_SAID = frozenset((
    *_BOX, LANDMARKS, "image", "sha256", "n_faces", "width", "height", "format", "status", "error", "confidence",
))  # fmt: skip
# Names that an annotation has itself, or that a reader makes of it: FiftyOne puts attributes beside them.
_TAKEN = frozenset((
    "id", "image_id", "category_id", "segmentation", "bbox", "area", "iscrowd", "score", "keypoints", "num_keypoints",
    "attributes", "label", "bounding_box", "mask", "tags", "index", "instance", "points", "visible", "supercategory",
))  # fmt: skip
# The parts of the face whose outline is closed.
_CLOSED = frozenset(("eye left", "eye right", "lips outer", "lips inner"))
_ROWS = 5_000


class Coco(Format):
    """`labels.json`, and the pictures in `data/`.

    One category, `face`; an annotation a face: `bbox` in pixels of the upright picture, `score` (confidence of the
    expression), and `attributes` with expression, action units, temperature and the other columns, as CVAT has them.
    Where the set has landmarks, 68 of them are `keypoints`.

    Attributes:
        mode: how the pictures get there; `reference` leaves them where they are, and `file_name` is their path.
    """

    name: ClassVar[str] = "coco"
    landmarks: ClassVar[bool] = True

    mode: ModeOrReference = "copy"

    def plan(self, job: Job) -> Sequence[Part]:
        if not {*_BOX, "width", "height"} <= {*job.rows.columns}:
            raise ExportError(
                "the set has no boxes of faces", where=str(job.scores.place), hint="--to folder"
            )
        without = job.rows.filter(pl.any_horizontal(pl.col(*_BOX, "width", "height").is_null())).height
        if without:
            raise ExportError(
                f"faces without a box: {without:,} of {job.rows.height:,}",
                where=str(job.scores.place),
                hint='--where "box_w >= 0", or --to folder',
            )
        if self.mode == "reference":
            parts = picture_parts([()] * job.pictures.height)
        else:
            parts = picture_parts([(p,) for p in job.name_pictures([FOLDER] * job.pictures.height)])
        return [*parts, Part("labels", (FILE,), last=True)]

    def write(self, part: Part, job: Job, files: Files, pictures: Iterator[tuple[int, Picture]]) -> None:
        for number, picture in pictures:
            if self.mode == "reference":
                file_to_name(picture)
            else:
                (path,) = part.files_of(number)
                place_picture(files, path, picture, job.pictures["sha256"][number], self.mode)
        if part.last:
            with files.open(FILE) as file:
                for text in self._labels(job):
                    file.write(text.encode())

    def copies(self) -> bool:
        return self.mode == "copy"

    def _labels(self, job: Job) -> Iterator[str]:
        """The JSON file, piece by piece."""
        about = {"description": "faces scored by curate", "version": "1", "contributor": "", "url": ""}
        yield f'{{"info": {json.dumps(about)},\n"licenses": [],\n"categories": '
        yield json.dumps([category(points=LANDMARKS in job.rows.columns)])
        yield ',\n"images": [\n'
        yield from _joined(self._images(job))
        yield '\n],\n"annotations": [\n'
        yield from _joined(_annotations(job))
        yield "\n]}\n"

    def _images(self, job: Job) -> Iterator[dict[str, Any]]:
        faces = job.first_faces().select("image", "sha256", "width", "height")
        for number, (image, sha256, width, height) in enumerate(faces.iter_rows()):
            if image not in job.left_out:
                name = file_of(image) if self.mode == "reference" else job.paths[number].partition("/")[2]
                known = {"id": number + 1, "file_name": name, "width": width, "height": height}
                yield known | {"sha256": sha256}


def category(*, points: bool) -> dict[str, Any]:
    """The category of faces; with `points` also their names, and which are joined by a line (from 1)."""
    face: dict[str, Any] = {"id": 1, "name": "face", "supercategory": "person"}
    if not points:
        return face
    names: list[str] = []
    lines: list[list[int]] = []
    for part, numbers in PARTS.items():
        first, count = len(names) + 1, len(numbers)
        names += [f"{part} {i}" for i in range(1, count + 1)]
        lines += [[i, i + 1] for i in range(first, first + count - 1)]
        if part in _CLOSED:
            lines.append([first + count - 1, first])
    return face | {"keypoints": names, "skeleton": lines}


def _annotations(job: Job) -> Iterator[dict[str, Any]]:
    numbers = {image: number + 1 for number, image in enumerate(job.pictures["image"])}
    rows, made = job.handed_on(), 0
    for begin in range(0, rows.height, _ROWS):
        some = rows.slice(begin, _ROWS)
        meshes = some[LANDMARKS] if LANDMARKS in some.columns else None
        for i, row in enumerate(plain_rows(some.drop(LANDMARKS, strict=False))):
            made += 1
            mesh = meshes[i] if meshes is not None else None
            yield {"id": made, "image_id": numbers[row["image"]], **annotation(row, mesh)}


def annotation(row: Mapping[str, Any], mesh: Any = None) -> dict[str, Any]:
    """A face as an annotation without its ids.

    Args:
        row: its columns, as JSON takes them.
        mesh: 478 x 3 float32 as a series, or None.

    Returns:
        `bbox` (x, y, width, height in px, cut at the picture's edges), `area` (px²), and what `Coco` says.
    """
    width, height = row["width"], row["height"]
    left, top = (min(max(row[name], 0), 1) for name in _BOX[:2])
    right, bottom = min(row["box_x"] + row["box_w"], 1), min(row["box_y"] + row["box_h"], 1)
    box = [left * width, top * height, max(right - left, 0) * width, max(bottom - top, 0) * height]
    said = {
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [round(value, 3) for value in box],
        "area": round(box[2] * box[3], 3),
    }
    if row.get("confidence") is not None:
        said["score"] = row["confidence"]
    said["attributes"] = _attributes(row)
    if mesh is not None:
        points = [place for part in readable(mesh.to_numpy()).values() for place in part]
        said["keypoints"] = [number for x, y in points for number in _point(x, y, width, height)]
        said["num_keypoints"] = sum(0 <= x <= 1 and 0 <= y <= 1 for x, y in points)
    return said


def _attributes(row: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in row.items() if name not in _SAID and value is not None}
    if "seed" in told:
        told["seed"] = str(told["seed"])  # more than readers with 64 bits and a sign can hold
    return {f"{name}_" if name in _TAKEN else name: value for name, value in told.items()}


def _point(x: float, y: float, width: int, height: int) -> tuple[float, float, int]:
    """x, y in px and 2, "labelled and visible"; 0, 0, 0 for what lies outside of the picture."""
    inside = 0 <= x <= 1 and 0 <= y <= 1
    return (round(x * width, 3), round(y * height, 3), 2) if inside else (0, 0, 0)


def _joined(entries: Iterator[dict[str, Any]]) -> Iterator[str]:
    for i, entry in enumerate(entries):
        yield ("" if i == 0 else ",\n") + json.dumps(entry)
