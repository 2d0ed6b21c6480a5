"""`--to hf`: a folder that `datasets.load_dataset` opens, and the hub shows."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from curate.exports.card import CARD, write_card
from curate.exports.files import Files
from curate.exports.format import Format
from curate.exports.hub import check_hub, push
from curate.exports.job import Job
from curate.exports.part import Part
from curate.exports.shard_sizes import checked_size, shards
from curate.exports.typed_rows import picture_features, picture_rows, without_places
from curate.pictures import Picture

# Rows that are read and written together; the hub's viewer reads one such group at a time.
_GROUP = 100


class HuggingFace(Format):
    """Parquet shards with the pictures in them, a picture a row, and a dataset card.

    `image` is the picture, `file_name` what it is called; the other columns are those of the picture's first face, and
    where pictures have several, `more_faces` is a list of the others. `expression`, `band` and their like are classes.

    Attributes:
        split: what the one split is called.
        shard_size: pictures a shard (`1000`), or bytes of pictures (`500MB`).
        license: of the pictures, for the card, as the hub calls it.
        push: a dataset of the hub, `NAME/REPO`, that the finished folder is uploaded to; private unless `public`.
        public: everybody may see it.
    """

    name: ClassVar[str] = "hf"
    elsewhere: ClassVar[frozenset[str]] = frozenset(("push", "public"))

    split: Annotated[str, Field(pattern=r"^\w+(\.\w+)*$")] = "train"
    shard_size: Annotated[str, AfterValidator(checked_size)] = "1000"
    license: Annotated[str, Field(pattern=r"^[\w.-]+$")] = "unknown"
    push: Annotated[str, Field(pattern=r"^([\w.-]+/)?[\w.-]+$")] | None = None
    public: bool = False

    @field_validator("public")
    @classmethod
    def _of_a_push(cls, public: bool, info: ValidationInfo) -> bool:
        if public and info.data.get("push") is None:
            raise ValueError("nothing is uploaded that could be public: it goes with --push NAME/REPO")
        return public

    def plan(self, job: Job) -> Sequence[Part]:
        if self.push is not None:
            check_hub(self.push, public=self.public)
        job.name_pictures()
        some = shards(job, self.shard_size, range(job.pictures.height))
        parts = []
        for number, pictures in enumerate(some):
            name = f"data/{self.split}-{number:05}-of-{len(some):05}.parquet"
            parts.append(Part(name, (name,), pictures))
        return [*parts, Part(CARD, (CARD,), last=True)]

    def write(self, part: Part, job: Job, files: Files, pictures: Iterator[tuple[int, Picture]]) -> None:
        if part.key == CARD:
            columns = without_places(job.rows).columns
            write_card(job, files, self._head(job), columns, self.license)
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        features = _features(job)
        schema = features.arrow_schema
        classes = {
            name: {word: number for number, word in enumerate(feature.names)}
            for name, feature in features.items()
            if hasattr(feature, "names")
        }
        # Pictures are compressed already.
        packed = {name: "none" if name.startswith("image.") else "zstd" for name in _leaves(schema)}
        with (
            # Opened here: pyarrow takes no path that is not UTF-8.
            files.open(part.files[0]) as file,
            pq.ParquetWriter(file, schema, compression=packed) as writer,
        ):
            while group := list(islice(pictures, _GROUP)):
                rows = list(_rows(job, group, classes))
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))

    def finish(self, job: Job, folder: Path) -> None:
        if self.push is not None:
            push(folder, self.push, public=self.public)

    def _head(self, job: Job) -> dict[str, Any]:
        count = job.pictures.height - len(job.left_out)
        size = sum(path.stat().st_size for path in (job.out / "data").glob(f"{self.split}-*.parquet"))
        return {
            "configs": [
                {
                    "config_name": "default",
                    "data_files": [{"split": self.split, "path": f"data/{self.split}-*"}],
                }
            ],
            "dataset_info": {
                "features": _features(job)._to_yaml_list(),
                "splits": [{"name": self.split, "num_bytes": size, "num_examples": count}],
                "download_size": size,
                "dataset_size": size,
            },
        }


def _features(job: Job) -> Any:
    import datasets

    columns = picture_features(without_places(job.rows), several=_several(job), classes=True)
    named = {"image": datasets.Image(), "file_name": datasets.Value("string")}
    return datasets.Features(named | columns)


def _leaves(schema: Any) -> list[str]:
    """The columns of a Parquet file with this schema."""
    import pyarrow.parquet as pq

    with io.BytesIO() as file:
        pq.write_table(schema.empty_table(), file)
        columns = pq.read_metadata(file).schema
        return [columns.column(i).path for i in range(len(columns))]


def _rows(
    job: Job, group: Sequence[tuple[int, Picture]], classes: Mapping[str, Mapping[str, int]]
) -> Iterator[dict[str, Any]]:
    numbers = [number for number, _ in group]
    counts = job.pictures["faces"].gather(numbers).to_list()
    told = without_places(job.faces_of(numbers)).rows(named=True)
    for row in told:
        if row.get("phash") is not None:
            row["phash"] = f"{row['phash']:016x}"
    several = _several(job)
    for (number, picture), row in zip(group, picture_rows(told, counts, several=several), strict=True):
        name = job.paths[number]
        numbered = {column: words.get(row[column]) for column, words in classes.items()}
        yield {"image": {"bytes": picture.data, "path": name}, "file_name": name, **row, **numbered}


def _several(job: Job) -> bool:
    return job.rows.height > job.pictures.height
