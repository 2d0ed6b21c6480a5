"""`--to csv`, read back by the csv module, Polars and pandas."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from oddities import PROMPTS, write_odd

from curate.exports.csv import FILE, guarded
from curate.exports.export import export
from curate.exports.job import open_job
from curate.scoreset import open_scores


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    return write_odd(tmp_path / "odd.scores", tmp_path / "pictures")


def rows_of(folder: Path) -> pl.DataFrame:
    return open_job(open_scores(folder), folder.parent / "x", None, landmarks=False).rows


def read(path: Path) -> list[dict[str, str]]:
    return [*csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8"), newline=""), strict=True)]


def test_every_value_is_read_back_as_it_was(odd: Path, tmp_path: Path) -> None:
    done = export(odd, tmp_path / "out", to="csv")
    assert (done.rows, done.files) == (8, 1)
    rows = rows_of(odd)
    told = read(tmp_path / "out" / FILE)
    assert [*told[0]] == rows.columns
    for was, now in zip(rows.iter_rows(named=True), told, strict=True):
        for name, value in was.items():
            assert same(name, value, now[name]), (name, value, now[name])


def same(name: str, value: Any, cell: str) -> bool:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return cell == ""
    if name == "phash":
        return int(cell, 16) == value and len(cell) == 16
    if isinstance(value, float):
        return pl.Series([float(cell)]).cast(pl.Float32)[0] == value
    if isinstance(value, str):
        return (
            cell.removeprefix("'") == value
            if value[:1] in "=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20"
            else cell == value
        )
    return cell == str(value)


def test_no_cell_is_a_formula_for_a_spreadsheet(odd: Path, tmp_path: Path) -> None:
    export(odd, tmp_path / "out", to="csv")
    prompts = sorted(row["prompt"] for row in read(tmp_path / "out" / FILE))
    assert not any(prompt[:1] in ("=", "+", "-", "@", "\t", "\r") for prompt in prompts if prompt)
    assert "'-" in prompts
    assert "''quoted" in prompts
    assert len(prompts) == len(PROMPTS)


@pytest.mark.parametrize(
    "text", ["=x", "+x", "-x", "@x", "\tx", "\rx", "'x", "\nx", *"\uff1d\uff0b\uff0d\uff20"]
)
def test_what_could_be_a_formula_is_guarded(text: str) -> None:
    assert guarded(pl.DataFrame({"a": [text, f"x{text}", None]}))["a"].to_list() == [
        "'" + text,
        f"x{text}",
        None,
    ]


def test_numbers_below_zero_stay_numbers(tmp_path: Path, scored: Path) -> None:
    export(scored, tmp_path / "out", to="csv")
    read_back = pl.read_csv(tmp_path / "out" / FILE)
    assert read_back["au12"].dtype == pl.Float64
    assert read_back.height == 12
    assert (read_back["valence"] < 0).any()


def test_pandas_reads_it(odd: Path, tmp_path: Path) -> None:
    import numpy as np
    import pandas as pd

    export(odd, tmp_path / "out", to="csv")
    frame = pd.read_csv(tmp_path / "out" / FILE, dtype={"seed": "UInt64", "phash": str})
    rows = rows_of(odd)
    measured = [n for n, value in enumerate(rows["au12"]) if value is not None]
    assert np.float32(frame["au12"])[measured].tolist() == rows["au12"].drop_nulls().to_list()
    assert [None if pd.isna(seed) else int(seed) for seed in frame["seed"]] == rows["seed"].to_list()
    assert frame["image"].tolist() == [image if image[:1] != "=" else "'" + image for image in rows["image"]]


def test_lines_end_as_rfc_4180_has_them(scored: Path, tmp_path: Path) -> None:
    export(scored, tmp_path / "out", to="csv")
    data = (tmp_path / "out" / FILE).read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n") == 13
    assert not data.startswith(b"\xef\xbb\xbf")
