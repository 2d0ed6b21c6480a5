"""`--to parquet`, read back by Polars, pandas, pyarrow and `datasets`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from oddities import write_odd
from polars.testing import assert_frame_equal

from curate.exports.export import export
from curate.exports.job import open_job
from curate.exports.parquet import FILE
from curate.scoreset import open_scores


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    return write_odd(tmp_path / "odd.scores", tmp_path / "pictures", landmarks=True)


@pytest.mark.parametrize("landmarks", [False, True])
def test_it_holds_what_the_set_holds(odd: Path, tmp_path: Path, landmarks: bool) -> None:
    export(odd, tmp_path / "out", to="parquet", with_landmarks=landmarks)
    rows = open_job(open_scores(odd), tmp_path / "x", None, landmarks=landmarks).rows
    assert ("landmarks" in rows.columns) == landmarks
    assert_frame_equal(pl.read_parquet(tmp_path / "out" / FILE), rows)


def test_columns_say_what_they_are(scored: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    export(scored, tmp_path / "out", to="parquet")
    field = pq.read_schema(tmp_path / "out" / FILE).field("au04")
    assert field.metadata[b"description"] == b"AU4 brow lowerer, intensity"
    assert field.metadata[b"unit"] == b"FACS points"
    assert str(pq.read_schema(tmp_path / "out" / FILE).field("image").type) == "string"


def test_pandas_and_datasets_read_it(odd: Path, tmp_path: Path) -> None:
    import datasets
    import pandas as pd

    export(odd, tmp_path / "out", to="parquet", with_landmarks=True)
    path = str(tmp_path / "out" / FILE)
    rows = open_job(open_scores(odd), tmp_path / "x", None, landmarks=True).rows
    frame = pd.read_parquet(path)
    assert [None if pd.isna(prompt) else prompt for prompt in frame["prompt"]] == rows["prompt"].to_list()
    loaded = datasets.load_dataset("parquet", data_files=path, split="train", cache_dir=str(tmp_path / "c"))
    assert loaded["seed"][:] == rows["seed"].to_list()
    assert np.array_equal(np.asarray(loaded[0]["landmarks"], np.float32), rows["landmarks"][0].to_numpy())
