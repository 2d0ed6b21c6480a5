"""The fields of a sample: what each column of a score set becomes in FiftyOne, and the documents of a batch of rows."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from curate.browsing.mesh import readable
from curate.browsing.rows import DIGEST, LANDMARKS, RECIPE_FIELD, ROW
from curate.decisions import COLUMN as DECISION
from curate.scorers.columns import CATALOGUE, EXPRESSIONS

EXPRESSION, DETECTION, MESH, KEYPOINTS = "expression", "detection", "mesh", "keypoints"
# What a sample was made from, so that the next import knows whether it has to be written again.
DIGEST_FIELD = "row_digest"
# These FiftyOne has itself, or they are something else there than in a score set.
_RENAMED = {"metadata": "metadata_source", "id": "id_source", "filepath": "filepath_source", "tags": "tags_source",
            "created_at": "created_at_source", "last_modified_at": "last_modified_at_source",
            "media_type": "media_type_source", "detection": "detection_source", "keypoints": "keypoints_source",
            "mesh": "mesh_source"}  # fmt: skip
_HEX, _TEXT = ("phash",), ("seed",)
_BOX = ("box_x", "box_y", "box_w", "box_h")
_AU = re.compile(r"au\d\d(_p)?")
_DOCS = {column.name: column.doc for column in CATALOGUE}
_MIME = {"jpeg": "image/jpeg", "jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "bmp": "image/bmp",
         "gif": "image/gif", "tiff": "image/tiff"}  # fmt: skip


def field_name(column: str) -> str:
    """What a column is called in FiftyOne."""
    name = _RENAMED.get(column, column)
    return re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "column"


def declared(schema: Mapping[str, pl.DataType]) -> dict[str, Any]:
    """The fields (path -> `fiftyone.Field`) of a set with these columns, in the order of the columns.

    Floats are FloatField, whole numbers IntField, words StringField. Exceptions: `image` is `filepath`, `metadata`
    `metadata_source`, `phash` (16 hexadecimal digits) and `seed` (may not fit 63 bits) are words, `expression` a
    Classification with the probabilities, `detection` the face's box with the action units, `landmarks` the fields
    `mesh` and `keypoints`.
    """
    import fiftyone as fo

    fields: dict[str, Any] = {}
    for column, dtype in schema.items():
        if column not in ("image", "status", LANDMARKS, EXPRESSION):
            fields[field_name(column)] = _field(column, dtype)
    fields["status"] = fo.StringField(description=_DOCS["status"])
    fields["image"] = fo.StringField(description="the picture's name, where it is not the file that is shown")
    fields[DIGEST_FIELD] = fo.IntField(description="of the row that this was made from; curate's own")

    def label(kind: type, doc: str) -> Any:
        return fo.EmbeddedDocumentField(kind, description=doc)

    if EXPRESSION in schema:
        fields[EXPRESSION] = label(fo.Classification, _DOCS[EXPRESSION])
        for name in EXPRESSIONS:
            if name in schema:
                fields[f"{EXPRESSION}.{name}"] = fo.FloatField(description=_DOCS[name])
    if set(_BOX) <= set(schema):
        fields[DETECTION] = label(fo.Detections, "the face, by the landmarks' bounding box")
        for name in _units(schema):
            fields[f"{DETECTION}.detections.{name}"] = fo.FloatField(description=_DOCS.get(name))
    if LANDMARKS in schema:
        fields[MESH] = fo.VectorField(description=f"{_DOCS[LANDMARKS]}, point by point")
        fields[KEYPOINTS] = label(fo.Keypoints, "68 of the mesh's points, by parts of the face")
    return fields


def _field(column: str, dtype: pl.DataType) -> Any:
    import fiftyone as fo

    doc = _DOCS.get(column)
    if column.startswith(RECIPE_FIELD):
        doc = "kept, or the clause of the recipe that rejected it"
    elif column == DECISION:
        doc = "what a person decided: accept or reject"
    if column in _HEX or column in _TEXT:
        return fo.StringField(description=doc)
    if dtype == pl.Boolean:
        return fo.BooleanField(description=doc)
    if dtype.is_integer():
        return fo.IntField(description=doc)
    return fo.FloatField(description=doc) if dtype.is_numeric() else fo.StringField(description=doc)


def _units(schema: Iterable[str]) -> list[str]:
    return [name for name in schema if _AU.fullmatch(name)]


def documents(
    rows: pl.DataFrame, files: Mapping[str, str], dataset_id: Any, at: datetime
) -> list[dict[str, Any]]:
    """The samples of a batch, as FiftyOne writes them: a document each, without `_id`; what is null is left out.

    Args:
        rows: the columns of a set, `_row` and `_digest`.
        files: `image` -> the file to show, where that is another.
        dataset_id: of the FiftyOne dataset (ObjectId).
        at: the time (UTC).
    """
    schema = rows.schema
    flat = [_plain(name, dtype).alias(field_name(name)) for name, dtype in schema.items() if _is_flat(name)]
    boxed, units = set(_BOX) <= set(schema), _units(schema)
    said = rows.select(
        image="image",
        expression=EXPRESSION if EXPRESSION in schema else pl.lit(None),
        status="status",
        format="format" if "format" in schema else pl.lit(None),
    )
    fields = rows.select(*flat, pl.col(DIGEST).alias(DIGEST_FIELD))
    meshes = rows[LANDMARKS] if LANDMARKS in schema else None
    found = []
    for i, (values, (image, expression, status, kind)) in enumerate(
        zip(fields.iter_rows(named=True), said.iter_rows(), strict=True)
    ):
        sample = {name: value for name, value in values.items() if value is not None}
        sample["filepath"] = files.get(image, image)
        if sample["filepath"] != image:
            sample["image"] = image
        sample |= {"tags": [status], "status": status, "_media_type": "image", "_rand": _rand(),
                   "_dataset_id": dataset_id, "created_at": at, "last_modified_at": at}  # fmt: skip
        if "width" in sample:
            known = {"_cls": "ImageMetadata", "width": sample["width"], "height": sample.get("height")}
            if kind in _MIME:
                known["mime_type"] = _MIME[kind]
            sample["metadata"] = known
        if expression is not None:
            sample[EXPRESSION] = _classification(expression, sample)
        if boxed and all(name in sample for name in _BOX):
            sample[DETECTION] = _detection(expression, sample, units)
        if meshes is not None and (mesh := meshes[i]) is not None:
            sample |= _landmarks(mesh)
        found.append(sample)
    return found


def _is_flat(name: str) -> bool:
    return name not in ("image", "status", EXPRESSION, LANDMARKS, ROW, DIGEST)


def _plain(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column as values that MongoDB takes."""
    column = pl.col(name)
    if name in _HEX:
        return column.map_elements("{:016x}".format, return_dtype=pl.String)
    if dtype.is_float():
        return column.fill_nan(None)
    if name in _TEXT or not (dtype.is_numeric() or dtype in (pl.String, pl.Boolean)):
        return column.cast(pl.String)
    return column


def _rand() -> float:
    # As FiftyOne draws it: a little below 1, so that those of older versions come first.
    return random.random() * 0.001 + 0.999  # noqa: S311


def _classification(expression: str, sample: Mapping[str, Any]) -> dict[str, Any]:
    from bson import ObjectId

    label: dict[str, Any] = {"_id": ObjectId(), "_cls": "Classification", "tags": [], "label": expression}
    if "confidence" in sample:
        label["confidence"] = sample["confidence"]
    return label | {name: sample[name] for name in EXPRESSIONS if name in sample}


def _detection(expression: str | None, sample: Mapping[str, Any], units: Iterable[str]) -> dict[str, Any]:
    from bson import ObjectId

    face: dict[str, Any] = {"_id": ObjectId(), "_cls": "Detection", "attributes": {}, "tags": []}
    if expression is not None:
        face["label"] = expression
    face["bounding_box"] = [sample[name] for name in _BOX]
    if "confidence" in sample:
        face["confidence"] = sample["confidence"]
    face |= {name: sample[name] for name in units if name in sample}
    return {"_cls": "Detections", "detections": [face]}


def _landmarks(mesh: pl.Series) -> dict[str, Any]:
    import fiftyone.core.utils as fou
    from bson import ObjectId

    points = mesh.to_numpy()
    marks: list[dict[str, Any]] = [
        {"_id": ObjectId(), "_cls": "Keypoint", "attributes": {}, "tags": [], "label": name, "points": places,
         "confidence": None}
        for name, places in readable(points).items()
    ]  # fmt: skip
    return {
        MESH: fou.serialize_numpy_array(points.ravel()),
        KEYPOINTS: {"_cls": "Keypoints", "keypoints": marks},
    }
