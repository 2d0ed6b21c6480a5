"""`--to au`, read back as the generators that are conditioned on action units do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oddities import write_odd

from curate.exports.au import FILE, OPENFACE, openface
from curate.exports.export import export
from curate.scorers.columns import INTENSITY_AUS, PRESENCE_AUS
from curate.scoreset import open_scores


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / FILE).read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def told(scored: Path, tmp_path: Path) -> list[dict[str, Any]]:
    export(scored, tmp_path / "out", to="au")
    return lines(tmp_path / "out")


def test_a_line_a_face_with_its_action_units(scored: Path, told: list[dict[str, Any]]) -> None:
    rows = open_scores(scored).read().sort("image")
    assert len(told) == rows.height
    for line, row in zip(told, rows.iter_rows(named=True), strict=True):
        assert (line["image"], line["face"], line["expression"]) == (row["image"], 0, row["expression"])
        for n in INTENSITY_AUS:
            assert line["aus"][f"AU{n}"] == pytest.approx(row[f"au{n:02}"], rel=1e-6)
        for n in PRESENCE_AUS:
            assert line["presence"][f"AU{n}"] == pytest.approx(row[f"au{n:02}_p"], rel=1e-6)
        assert line["valence"] == pytest.approx(row["valence"], rel=1e-5)
        assert sum(line["expressions"].values()) == pytest.approx(1, abs=1e-5)


def test_fineface_takes_the_dictionary_as_it_is(told: list[dict[str, Any]]) -> None:
    # As `encode_aus` of tvaranka/fineface: a dictionary of all its units, updated; a name too many is a wrong size.
    units = {f"AU{n}": 0 for n in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)}
    for line in told:
        vector = list((units | line["aus"]).values())
        assert len(vector) == 12
        assert all(0 <= value <= 5 for value in vector)


def test_ganimation_takes_the_vector(told: list[dict[str, Any]]) -> None:
    # As its dataset reads `aus_openface.pkl`: name -> 17 numbers, which it divides by 5.
    conditions = {Path(line["image"]).stem: np.asarray(line["openface"]) / 5.0 for line in told}
    assert len(conditions) == 12
    for vector in conditions.values():
        assert vector.shape == (17,)
        assert vector.min() >= 0
        assert vector.max() <= 1


@given(st.floats(0, 1), st.floats(0, 5))
def test_the_vector_of_openface(q: float, x: float) -> None:
    row = {f"au{n:02}": x for n in INTENSITY_AUS} | {f"au{n:02}_p": q for n in PRESENCE_AUS}
    vector = openface(row)
    assert vector is not None
    named = dict(zip(OPENFACE, vector, strict=True))
    assert named[45] == 0
    assert named[12] == x
    assert named[10] == pytest.approx(2 * max(2 * q - 1, 0), abs=1e-6)
    assert openface(row | {"au07_p": None}) is None


def test_what_has_no_answer_is_not_there(tmp_path: Path) -> None:
    odd = write_odd(tmp_path / "odd.scores", tmp_path / "pictures")
    export(odd, tmp_path / "out", to="au")
    found = {Path(line["image"]).name: line for line in lines(tmp_path / "out")}
    nothing = found["nothing.png"]
    assert not {"aus", "presence", "openface", "expression", "valence"} & nothing.keys()
    assert found["naïve 😀.png"]["prompt"] == "日本 😀 é"
    assert [line["face"] for line in lines(tmp_path / "out") if line["image"].endswith("two.jpg")] == [0, 1]
