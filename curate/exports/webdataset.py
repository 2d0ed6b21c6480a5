"""`--to webdataset`: tar shards."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Annotated, Any, ClassVar

import polars as pl
import polars.selectors as cs
from pydantic import AfterValidator

from curate.exports.card import CARD, write_card
from curate.exports.files import Files
from curate.exports.format import Format
from curate.exports.job import ENDINGS, Job, picture_name
from curate.exports.names import safe_name, split_ending, unique_paths
from curate.exports.part import Part
from curate.exports.rows import plain_faces
from curate.exports.shard_sizes import checked_size, shards
from curate.exports.typed_rows import MORE, PLACES, picture_features, picture_rows, without_places
from curate.pictures import Picture

# Bytes of a key: a tar header has a hundred for the whole name.
_KEY_BYTES = 80
# `datasets` learns the columns from so many samples.
_LEARNT_FROM = 5


def checked_name(name: str) -> str:
    """A shard's name; ValueError where it is not fit for one."""
    if safe_name(name) != name:
        raise ValueError(f"is no name for a file; `{safe_name(name)}` is one")
    return name


class WebDataset(Format):
    """Shards `NAME-000000.tar`: for each picture `KEY.png`, `KEY.json` with the columns of its faces, `KEY.txt`.

    The same set gives the same bytes. `KEY.txt` is the prompt, empty where there is none, in sets that have prompts.
    A set of several formats has one ending for all its pictures, its most frequent one: readers look into the bytes,
    and want samples of one kind.

    Attributes:
        shard_size: pictures a shard (`1000`), or bytes of pictures (`500MB`).
        shard_name: what the shards are called.
    """

    name: ClassVar[str] = "webdataset"

    shard_size: Annotated[str, AfterValidator(checked_size)] = "1000"
    shard_name: Annotated[str, AfterValidator(checked_name)] = "faces"

    def plan(self, job: Job) -> Sequence[Part]:
        _name_samples(job)
        order = _telling_first(job)
        parts = []
        for number, some in enumerate(shards(job, self.shard_size, order)):
            name = f"{self.shard_name}-{number:06}.tar"
            parts.append(Part(name, (name,), some))
        return [*parts, Part(CARD, (CARD,), last=True)]

    def write(self, part: Part, job: Job, files: Files, pictures: Iterator[tuple[int, Picture]]) -> None:
        if part.key == CARD:
            write_card(job, files, self._head(job), without_places(job.rows).columns)
            return
        first = next(pictures, None)
        if first is None:
            return  # none of them can be had, and readers do not like empty archives
        with files.open(part.files[0]) as file, tarfile.open(fileobj=file, mode="w") as tar:
            told = plain_faces(job, part.pictures)
            several, prompts = _several(job), _has_prompts(job)
            texts = _texts(job.rows)
            for number, picture in chain((first,), pictures):
                rows = next(faces for n, faces in told if n == number)
                faces = [_told(row, texts) for row in rows]
                (row,) = picture_rows(faces, [len(faces)], several=several)
                row = {"file_name": _file_name(job, number), **row}
                key = split_ending(job.paths[number])[0]
                _add(tar, job.paths[number], picture.data)
                _add(tar, f"{key}.json", json.dumps(row, ensure_ascii=False).encode())
                if prompts:
                    _add(tar, f"{key}.txt", (rows[0]["prompt"] or "").encode())

    def _head(self, job: Job) -> dict[str, Any]:
        import datasets

        rows = without_places(job.rows)
        typed = rows.with_columns(cs.by_name(_texts(rows)).cast(pl.String))
        columns = picture_features(typed, several=_several(job), classes=False)
        floats = {
            n: datasets.Value("float64") for n, t in columns.items() if getattr(t, "dtype", "") == "float32"
        }
        told = {"file_name": datasets.Value("string"), **columns, **floats}
        fields = {split_ending(job.paths[0])[1].removeprefix("."): datasets.Image(), "json": told}
        if _has_prompts(job):
            fields["txt"] = datasets.Value("string")
        words = {"__key__": datasets.Value("string"), "__url__": datasets.Value("string")}
        features = datasets.Features({**fields, **words})
        return {
            "configs": [
                {
                    "config_name": "default",
                    "data_files": [{"split": "train", "path": f"{self.shard_name}-*.tar"}],
                }
            ],
            "dataset_info": {"features": features._to_yaml_list()},
        }


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """A file with nothing in its header that is of this time, machine or user."""
    header = tarfile.TarInfo(name)
    header.size = len(data)
    tar.addfile(header, io.BytesIO(data))


def _texts(rows: pl.DataFrame) -> list[str]:
    """Columns of numbers beyond 2^63, such as seeds: readers of JSON with 64 bits and a sign cannot hold them."""
    return rows.select(cs.by_dtype(pl.UInt64)).columns


def _told(row: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """A face as `KEY.json` has it."""
    told = {name: value for name, value in row.items() if name not in PLACES}
    for name in texts:
        if told[name] is not None:
            told[name] = str(told[name])
    return told


def _file_name(job: Job, number: int) -> str:
    """What a picture's file was called, or a dataset's row is."""
    image, format = job.pictures.select("image", "format").row(number)
    return picture_name(image, format).encode("utf-8", "replace").decode()


def _several(job: Job) -> bool:
    return job.rows.height > job.pictures.height


def _has_prompts(job: Job) -> bool:
    return "prompt" in job.rows.columns and job.rows["prompt"].null_count() < job.rows.height


def _name_samples(job: Job) -> None:
    """Keys without dots, which end a key; and the one ending, in `job.paths`."""
    paths = job.name_pictures(beside=True)
    known = Counter(ENDINGS[format] for format in job.pictures["format"] if format in ENDINGS)
    known = known or Counter(split_ending(path)[1].lower() for path in paths)
    ending = min(known, key=lambda e: (-known[e], e)) or ".png"
    keys = [_key(split_ending(path)[0]) + ending for path in paths]
    job.paths[:] = unique_paths(keys, job.pictures["sha256"].to_list(), by_stem=True)
    named = {was: job.renamed.get(was, was) for was in paths}
    job.renamed.clear()
    for was, path in zip(paths, job.paths, strict=True):
        if split_ending(path)[0] != split_ending(named[was])[0]:
            job.renamed[path] = named[was]


def _key(stem: str) -> str:
    short = stem.replace(".", "_").encode()[:_KEY_BYTES].decode(errors="ignore")
    # Readers pass over names that begin like this.
    return f"p{short}" if short.startswith("__") else short


def _telling_first(job: Job) -> list[int]:
    """All pictures, first some that between them have a value in every column that has any.

    `datasets` learns from the first samples what a column holds, and of nulls alone learns nothing.
    """
    faces = job.first_faces()
    has = faces.select(~pl.all().is_null()).with_columns((job.pictures["faces"] > 1).alias(MORE))
    todo = [name for name in has.columns if has[name].any() and not has[name].all()]
    first: list[int] = []
    while todo and len(first) < _LEARNT_FROM:
        gains = has.select(pl.sum_horizontal(pl.col(name).cast(pl.Int32) for name in todo)).to_series()
        best = gains.arg_max()
        if best is None:
            break
        first.append(best)
        todo = [name for name in todo if not has[name][best]]
    return [*first, *(n for n in range(faces.height) if n not in set(first))]
