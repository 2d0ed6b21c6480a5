from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from curate.errors import InputError
from curate.models.training.sets import LABELS, Crop, TrainingSet, write_training_set

CROP = Crop("lite", side=8, inner=6)


def batch(n: int, seed: int = 0, **columns: object) -> tuple[np.ndarray, np.ndarray, pl.DataFrame]:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)
    shapes = random.normal(size=(n, 478, 3)).astype(np.float32)
    names = [f"{seed}-{i}" for i in range(n)]
    return pixels, shapes, pl.DataFrame({"image": names, "sha256": names, "dataset": ["toy"] * n, **columns})


def test_what_is_written_in_batches_is_read_back_whole(tmp_path: Path) -> None:
    first = batch(3, 1, au12=[1.0, None, 5.0], split=["train", "test", None])
    second = batch(2, 2, expression=["happiness", None])
    with write_training_set(tmp_path / "set", CROP) as writer:
        writer.add(*first)
        writer.add(*second)
        writer.source({"location": "here", "rows": 5})
    opened = TrainingSet.open(tmp_path / "set")
    assert len(opened) == 5
    assert opened.crop == CROP
    np.testing.assert_array_equal(opened.pixels, np.concatenate([first[0], second[0]]))
    np.testing.assert_array_equal(opened.shapes, np.concatenate([first[1], second[1]]))
    assert opened.rows["split"].to_list() == ["train", "test", None, None, None]
    labels = pl.DataFrame(opened.labels, schema=list(LABELS))
    np.testing.assert_array_equal(labels["au12"].to_numpy(), [1, np.nan, 5, np.nan, np.nan])
    assert labels.row(3)[24:] == (0, 1, 0, 0, 0, 0, 0, 0)
    assert np.isnan(opened.labels[4]).all()
    assert opened.facts["sources"] == [{"location": "here", "rows": 5}]
    assert isinstance(opened.pixels, np.memmap)


def test_a_set_that_breaks_off_is_not_there(tmp_path: Path) -> None:
    def broken() -> None:
        with write_training_set(tmp_path / "set", CROP) as writer:
            writer.add(*batch(2))
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        broken()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_set_can_be_written_and_opened(tmp_path: Path) -> None:
    with write_training_set(tmp_path / "set", CROP):
        pass
    assert len(TrainingSet.open(tmp_path / "set")) == 0


def test_what_is_there_stays_unless_it_may_be_overwritten(tmp_path: Path) -> None:
    for overwrite in (False, True):
        with write_training_set(tmp_path / "set", CROP, overwrite=overwrite) as writer:
            writer.add(*batch(1))
    with pytest.raises(InputError, match="already"), write_training_set(tmp_path / "set", CROP):
        pass


def test_wrong_rows_are_named(tmp_path: Path) -> None:
    pixels, shapes, rows = batch(2)
    with write_training_set(tmp_path / "set", CROP) as writer:
        with pytest.raises(InputError, match="pixels are"):
            writer.add(pixels[:, 1:], shapes, rows)
        with pytest.raises(InputError, match="split"):
            writer.add(*batch(1, split=["dev"]))
        with pytest.raises(InputError, match="happyness") as wrong:
            writer.add(*batch(1, expression=["happyness"]))
        assert "happiness" in wrong.value.hint
        with pytest.raises(InputError, match="dataset"):
            writer.add(pixels, shapes, rows.drop("dataset"))


def test_a_folder_without_a_set_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"set\.json"):
        TrainingSet.open(tmp_path)
