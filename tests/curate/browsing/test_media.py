"""The files behind samples: rows of datasets get a copy in the user's cache."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pytest
from PIL import Image
from scoresets import scores, write_set

import curate
from curate.browsing.dataset import import_scores
from curate.browsing.media import files_of, keep_pictures
from curate.manifest import SourceRecord
from curate.models.pack import cache_dir
from curate.pictures import read_pictures


def size(path: str | Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


@pytest.fixture
def rows(tmp_path: Path) -> tuple[SourceRecord, pl.DataFrame]:
    """A saved dataset of three pictures, and what a score set says of them."""
    pictures = [Image.new("RGB", (8, 8), (i * 80, 0, 0)) for i in range(3)]
    where = tmp_path / "saved"
    datasets.Dataset.from_dict(
        {"image": pictures}, datasets.Features({"image": datasets.Image()})
    ).save_to_disk(where)
    source = SourceRecord(kind="dataset", location=str(where))
    names = [f"{where}#train/{i}" for i in range(3)]
    contents = {p.image: p.data for p in read_pictures(source, dict.fromkeys(names))}
    hashes = [hashlib.sha256(contents[name]).hexdigest() for name in names]
    return source, pl.DataFrame({"image": names, "sha256": hashes, "format": ["png"] * 3})


def test_rows_of_a_dataset_are_files_by_their_content(rows: tuple[SourceRecord, pl.DataFrame]) -> None:
    source, frame = rows
    keep_pictures(source, frame.lazy())
    files = files_of(source, frame)
    for image, sha256 in frame.select("image", "sha256").iter_rows():
        path = Path(files[image])
        assert path == cache_dir().absolute() / "pictures" / sha256[:2] / f"{sha256}.png"
        assert size(path) == (8, 8)
    assert not list(cache_dir().rglob("*.partial"))


def test_what_is_there_is_not_read_again(
    rows: tuple[SourceRecord, pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, frame = rows
    keep_pictures(source, frame.lazy())
    missing = Path(files_of(source, frame)[frame["image"][1]])
    missing.unlink()
    asked: list[str] = []

    def reading(record: SourceRecord, wanted: dict[str, str | None]) -> Iterator[Any]:
        asked.extend(wanted)
        return read_pictures(record, wanted)

    monkeypatch.setattr("curate.browsing.media.read_pictures", reading)
    keep_pictures(source, frame.lazy())
    assert asked == [frame["image"][1]]
    assert missing.is_file()
    keep_pictures(source, frame.lazy())
    assert len(asked) == 1


def test_a_picture_that_is_gone_is_still_a_sample(
    fo: Any, rows: tuple[SourceRecord, pl.DataFrame], tmp_path: Path
) -> None:
    source, frame = rows
    folder = write_set(
        tmp_path / "rows.scores", [*frame["image"], f"{source.location}#train/9"], scores(4), kind="dataset",
        source=source.location,
    )  # fmt: skip
    dataset = curate.to_fiftyone(folder)
    # The hand-made set has other hashes than the pictures, so none of them is what was scored.
    assert len(dataset) == 4
    assert sorted(dataset.values("image"))[0] == frame["image"][0]
    assert all(path.startswith(str(cache_dir().absolute())) for path in dataset.values("filepath"))
    assert import_scores(folder)[1].kept == 4
    fo.delete_dataset(dataset.name)


def test_a_dataset_that_is_gone_does_not_keep_anybody_from_looking(tmp_path: Path) -> None:
    source = SourceRecord(kind="dataset", location=str(tmp_path / "gone"))
    frame = pl.DataFrame(
        {"image": [f"{tmp_path}/gone#train/0"], "sha256": [None]}, schema_overrides={"sha256": pl.String}
    )
    keep_pictures(source, frame.lazy())
    assert not Path(files_of(source, frame)[frame["image"][0]]).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="odd bytes in names")
def test_a_file_whose_name_is_no_text_is_copied(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/\xff.png"
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    os.rename(tmp_path / "plain.png", odd)  # noqa: PTH104
    source = SourceRecord(kind="folder", location=str(tmp_path))
    frame = pl.DataFrame(
        {"image": [f"{tmp_path}/\\xff.png", f"{tmp_path}/b.png"], "sha256": [None, None]},
        schema_overrides={"sha256": pl.String},
    )
    keep_pictures(source, frame.lazy())
    files = files_of(source, frame)
    assert list(files) == [frame["image"][0]], "other files are shown where they lie"
    assert size(files[frame["image"][0]]) == (8, 8)
