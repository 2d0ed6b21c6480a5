"""`--to jsonl`, read back by json, pandas and `datasets`."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from oddities import write_odd

from curate.exports.export import export
from curate.exports.job import open_job
from curate.exports.jsonl import FILE
from curate.scoreset import open_scores


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    return write_odd(tmp_path / "odd.scores", tmp_path / "pictures", landmarks=True)


def test_every_value_is_read_back_as_it_was(odd: Path, tmp_path: Path) -> None:
    export(odd, tmp_path / "out", to="jsonl")
    rows = open_job(open_scores(odd), tmp_path / "x", None, landmarks=False).rows
    lines = (tmp_path / "out" / FILE).read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    for was, line in zip(rows.iter_rows(named=True), lines, strict=True):
        now = json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
        assert list(now) == rows.columns
        for name, value in was.items():
            if name == "phash":
                assert int(now[name], 16) == value
            elif isinstance(value, float):
                assert now[name] is None if math.isnan(value) else np.float32(now[name]) == np.float32(value)
            else:
                assert now[name] == value, name


def test_numbers_are_as_short_as_they_can_be(scored: Path, tmp_path: Path) -> None:
    export(scored, tmp_path / "out", to="jsonl")
    for line in (tmp_path / "out" / FILE).read_text(encoding="utf-8").splitlines():
        number = str(json.loads(line)["au12"])
        assert len(number.replace(".", "").lstrip("0")) <= 9


def test_pandas_and_datasets_read_it(scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import pandas as pd

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    export(scored, tmp_path / "out", to="jsonl")
    path = str(tmp_path / "out" / FILE)
    rows = open_scores(scored).read()
    assert pd.read_json(path, lines=True)["expression"].tolist() == rows["expression"].to_list()
    loaded = datasets.load_dataset("json", data_files=path, split="train", cache_dir=str(tmp_path / "cache"))
    assert np.float32(loaded["temperature"]).tolist() == np.float32(rows["temperature"]).tolist()
