"""`--to fiftyone`, loaded by FiftyOne."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oddities import write_odd

from curate.errors import ExportError, InputError
from curate.exports.export import export
from curate.scoreset import open_scores

pytestmark = pytest.mark.usefixtures("fo")


@contextmanager
def loaded(folder: Path) -> Iterator[Any]:
    """The dataset that FiftyOne makes of a folder."""
    import fiftyone as fo

    dataset = fo.Dataset.from_dir(
        dataset_dir=str(folder), dataset_type=fo.types.FiftyOneDataset, progress=False
    )
    try:
        yield dataset
    finally:
        dataset.delete()


@dataclass(frozen=True)
class Made:
    scores: Path
    out: Path
    pictures: int
    files: int
    datasets: list[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, fo: Any) -> Made:
    """A set, its export, and what datasets there were before."""
    folder = tmp_path_factory.mktemp("made")
    odd = write_odd(folder / "odd.scores", folder / "pictures", landmarks=True)
    before = fo.list_datasets()
    done = export(odd, folder / "out", to="fiftyone", with_landmarks=True)
    return Made(odd, folder / "out", done.pictures, done.files, before)


def test_it_is_loaded_with_every_face_and_value(made: Made) -> None:
    assert (made.pictures, made.files) == (7, 9)
    rows = {
        (row["sha256"], row["face"]): row for row in open_scores(made.scores).read().iter_rows(named=True)
    }
    with loaded(made.out) as dataset:
        assert len(dataset) == len(rows) == 8
        for sample in dataset:
            row = rows.pop((sample.sha256, sample.face))
            assert Path(sample.filepath).read_bytes() == Path(row["image"]).read_bytes()
            assert sample.image == row["image"]
            assert sample.prompt == row["prompt"]
            assert sample.seed == (None if row["seed"] is None else str(row["seed"]))
            assert sample.temperature == row["temperature"]
            assert sample.phash == f"{row['phash']:016x}"
            label = sample.expression
            assert (label and label.label) == row["expression"]
            (face,) = sample.detection.detections
            assert face.bounding_box == [row[name] for name in ("box_x", "box_y", "box_w", "box_h")]
            assert np.asarray(sample.mesh).reshape(478, 3).tolist() == row["landmarks"]
            assert sum(len(part.points) for part in sample.keypoints.keypoints) == 68
        said = dataset.info.get("curate", {})
        assert "scores" not in said, "browse takes a dataset with this mark for its own"


def test_saved_views_open_in_their_order_and_the_sidebar_has_its_groups(made: Made) -> None:
    with loaded(made.out) as dataset:
        assert {"hottest", "coldest", "suspicious faces"} <= set(dataset.list_saved_views())
        heat = [t for t in dataset.load_saved_view("hottest").values("temperature") if t is not None]
        assert heat == sorted(heat, reverse=True)
        assert len(heat) == 7
        assert "Action units" in [group.name for group in dataset.app_config.sidebar_groups]


def test_nothing_is_left_in_the_database(made: Made, fo: Any) -> None:
    assert fo.list_datasets() == made.datasets


def test_the_folder_may_be_carried_elsewhere(made: Made, tmp_path: Path) -> None:
    shutil.copytree(made.out, tmp_path / "elsewhere")
    with loaded(tmp_path / "elsewhere") as dataset:
        assert {Path(path).parent for path in dataset.values("filepath")} == {tmp_path / "elsewhere" / "data"}
        assert all(Path(path).is_file() for path in dataset.values("filepath"))


def test_pictures_may_stay_where_they_are_and_a_missing_one_has_no_sample(tmp_path: Path) -> None:
    odd = write_odd(tmp_path / "odd.scores", tmp_path / "pictures", landmarks=True)
    (tmp_path / "pictures" / "two.jpg").unlink()
    done = export(odd, tmp_path / "out", to="fiftyone", mode="reference")
    assert (done.files, len(done.left_out)) == (2, 1)
    with loaded(tmp_path / "out") as dataset:
        assert len(dataset) == 6
        assert {Path(path).parent for path in dataset.values("filepath")} == {tmp_path / "pictures"}
        assert not dataset.has_field("mesh")


def test_without_its_database_nothing_is_written(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise InputError("there is no mongod", where="FiftyOne", hint="pip install ...")

    monkeypatch.setattr("curate.exports.fiftyone.check_database", missing)
    with pytest.raises(InputError, match="no mongod"):
        export(made.scores, tmp_path / "out", to="fiftyone")
    assert not (tmp_path / "out").exists()


def test_landmarks_that_are_not_there_are_asked_for_in_vain(scored: Path, tmp_path: Path) -> None:
    for to in ("fiftyone", "parquet"):
        with pytest.raises(ExportError, match="the set has no landmarks"):
            export(scored, tmp_path / "out", to=to, with_landmarks=True)
