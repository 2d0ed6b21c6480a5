"""`curate-export.json`: what an export says of itself, and `curate-export.files.jsonl`, its files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from curate.exports.files import Files, Written
from curate.exports.job import FILES, MANIFEST, Job

FORMAT = 1
# So many pictures that are left out are named in the manifest; all of them in the list of files.
_NAMED = 100


class Licence(BaseModel):
    """A model pack that made columns of the set."""

    pack: str
    title: str
    licence: str


class LeftOut(BaseModel):
    """A picture that could not be had, and why."""

    image: str
    reason: str


class Record(BaseModel):
    """The manifest of an export. Times are UTC in ISO 8601.

    Attributes:
        curate_export: version of this file.
        format, options, where: what was asked for.
        fingerprint: of the plan; two exports with one fingerprint are to hold the same.
        created, finished: when it was begun and finished, possibly by several runs.
        source: the score set: folder, rows, sha256 of its shards.
        scores: its whole manifest, with the choice that made it, if one did.
        licences: of the model packs that its columns were made with.
        rows, pictures: faces and pictures that are in the export.
        files, bytes: that it consists of, without these two.
        left_out_rows: rows of the set that are not in it, by why: a status, `query`, or `picture`.
        left_out: pictures that could not be had, the first hundred of `left_out_pictures`.
        renamed: how many pictures are called otherwise than in their source.
        versions: of curate, Python, and packages.
    """

    curate_export: int = FORMAT
    format: str
    options: dict[str, Any]
    where: str | None
    fingerprint: str
    created: str
    finished: str
    source: dict[str, Any]
    scores: dict[str, Any]
    licences: list[Licence]
    rows: int
    pictures: int
    files: int
    bytes: int
    left_out_rows: dict[str, int]
    left_out_pictures: int
    left_out: list[LeftOut]
    renamed: int
    versions: dict[str, str]


def licences(job: Job) -> list[Licence]:
    """Of the model packs that made columns of a set, by their names."""
    packs = job.scores.manifest.packs
    return [Licence(pack=n, title=p.title, licence=p.licence) for n, p in sorted(packs.items())]


def first_left_out(job: Job) -> list[LeftOut]:
    """The first pictures that could not be had."""
    return [LeftOut(image=image, reason=why) for image, why in sorted(job.left_out.items())[:_NAMED]]


@dataclass(frozen=True)
class Finished:
    """A finished export that is there.

    Attributes:
        record: what it says of itself.
        files: what it consists of.
        left_out: pictures that could not be had: `image` -> why.
    """

    record: Record
    files: tuple[Written, ...]
    left_out: dict[str, str]


def read_finished(out: Path) -> Finished | None:
    """The finished export in a folder; None where there is none, or none that can be read."""
    try:
        record = Record.model_validate_json((out / MANIFEST).read_bytes())
        lines = [json.loads(line) for line in (out / FILES).read_text("utf-8").splitlines()]
        files = tuple(
            Written(line["path"], line["bytes"], line["sha256"]) for line in lines if "path" in line
        )
        left_out = {str(line["image"]): str(line["left_out"]) for line in lines if "left_out" in line}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Finished(record, files, left_out)


def write_record(record: Record, written: Iterable[Written], job: Job) -> None:
    """Write both files, the list first: a folder with a manifest is finished."""
    files = Files(job.out, (FILES, MANIFEST))
    with files.open(FILES) as listing:
        for file in written:
            line: dict[str, Any] = {"path": file.path, "bytes": file.bytes, "sha256": file.sha256}
            if file.path in job.renamed:
                line["named"] = job.renamed[file.path]
            listing.write(json.dumps(line).encode() + b"\n")
        for image, reason in sorted(job.left_out.items()):
            listing.write(json.dumps({"image": image, "left_out": reason}).encode() + b"\n")
    files.sync()
    files.write(MANIFEST, (record.model_dump_json(indent=2) + "\n").encode())
    files.sync()
