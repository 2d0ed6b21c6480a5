from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from scoresets import scores, write_set
from typed import curate
from typer.testing import CliRunner

from curate.app import app
from curate.errors import InputError, QueryError
from curate.recipes.affect import SHIPPED

COUNT = 60


def names(prefix: str, count: int = COUNT) -> list[str]:
    return [f"{prefix}{i:02}.png" for i in range(count)]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sets that have everything, and sets that lack something."""
    folder = tmp_path_factory.mktemp("sets")
    columns = scores(COUNT)
    columns["mine"] = [float(e == "anger") for e in columns["expression"]]
    write_set(
        folder / "a.scores", names("a"), columns, status={"a00.png": "no_face", "a01.png": "unreadable"}
    )
    write_set(folder / "b.scores", names("b"), scores(COUNT, 1))
    bare = {name: values for name, values in scores(COUNT, 2).items() if not name.startswith("au")}
    write_set(folder / "bare.scores", names("c"), bare)
    write_set(folder / "meshed.scores", names("c", 3), {"yaw": [1.0, 2.0, 3.0]})
    still = {name: [1.0] * COUNT if name.startswith("au") else v for name, v in scores(COUNT, 3).items()}
    write_set(folder / "dead.scores", names("d"), still)
    write_set(folder / "none.scores", ["x.png"], {}, status={"x.png": "no_face"})
    return folder


@pytest.fixture
def shown(sets: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What `curate stats` prints, typed beside the sets; in this process, a new one takes a second."""
    monkeypatch.chdir(sets)

    def run(*arguments: str | Path) -> str:
        done = CliRunner().invoke(app, ["stats", *map(str, arguments)])
        if done.exception is not None:
            raise done.exception
        return done.stdout

    return run


@pytest.fixture
def told(shown: Callable[..., str]) -> Callable[..., Any]:
    """The same as data."""
    return lambda *arguments: json.loads(shown(*arguments, "--json"))


def test_a_set_as_a_whole(shown: Callable[..., str], told: Callable[..., Any]) -> None:
    text, data = shown("a.scores"), told("a.scores")
    assert "a.scores: 58 faces, and 1 no_face, 1 unreadable" in text
    for words in ("neutral or polite smile", "smiles with the eyes", "entropy", "Vendi", "cells of valence"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 100
    assert data["statuses"] == {"ok": 58, "no_face": 1, "unreadable": 1}
    assert sum(data["expressions"].values()) == sum(data["bands"].values()) == 58
    share = data["expressions"]["anger"] / 58
    assert re.search(rf"anger +{data['expressions']['anger']} +{100 * share:.1f} %", text)


def test_typed_at_a_prompt_it_says_the_same(sets: Path, shown: Callable[..., str]) -> None:
    done = curate("stats", "a.scores", cwd=sets)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == shown("a.scores")


def test_action_units_that_say_nothing_are_warned_of(
    shown: Callable[..., str], told: Callable[..., Any]
) -> None:
    assert "the same for all 60 faces" in told("dead.scores")["warnings"][0]
    assert "warning: dead.scores: all action units are the same" in shown("dead.scores")


def test_columns_that_are_named_are_compared(shown: Callable[..., str], told: Callable[..., Any]) -> None:
    rows = told("a.scores", "--with", "mine")["associations"]["expression"]
    assert [row["column"] for row in rows] == ["mine"]
    assert rows[0]["v"] > 0.9
    assert rows[0]["deviation"].startswith("anger is ")
    with pytest.raises(QueryError, match="did you mean `mine`"):
        shown("a.scores", "--with", "mien")


def test_two_sets_side_by_side(shown: Callable[..., str], told: Callable[..., Any]) -> None:
    text, data = shown("a.scores", "--against", "b.scores"), told("a.scores", "--against", "b.scores")
    for words in ("A - B", "total variation", "energy distance", "only in A", "only in B"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 100
    assert set(data) == {"a", "b", "difference"}
    for side in "ab":
        assert data[side]["figures"] == told(f"{side}.scores")["figures"]
        faces = data["difference"][f"only_{side}"]
        assert len(faces) == 5
        assert all(Path(face["image"]).name.startswith(side) for face in faces)


def test_a_set_against_itself_is_the_same(told: Callable[..., Any]) -> None:
    difference = told("a.scores", "--against", "a.scores")["difference"]
    assert difference["expressions"] == {"total_variation": 0, "jensen_shannon": 0}
    assert difference["energy_distance"]["action_units"]["p"] == 1
    assert difference["only_a"] == difference["only_b"] == []


def test_sets_of_other_networks_are_said_to_be(sets: Path, tmp_path: Path, shown: Callable[..., str]) -> None:
    other = write_set(tmp_path / "other.scores", names("o"), scores(COUNT, 1), scorer="another")
    text = shown("a.scores", "--against", other)
    assert "other networks scored the two (test 1; another 1)" in text
    assert "other networks" not in shown("a.scores", "--against", "b.scores")


def test_what_a_set_lacks_is_said_with_the_command_to_type(shown: Callable[..., str]) -> None:
    bare, meshed = shown("bare.scores"), shown("meshed.scores")
    assert "no action units in this set" in bare
    assert "Next:  curate score /pictures -o bare.scores --scorers mesh,quality,lite" in bare
    assert "neutral or polite smile" not in bare
    assert re.search(r"anger +\d+ ", bare)
    assert "3 faces" in meshed
    assert "no expressions in this set" in meshed


@pytest.mark.parametrize("arguments", [["none.scores"], ["none.scores", "--against", "a.scores"]])
def test_a_set_without_a_face_has_nothing_to_say_and_says_so(
    arguments: list[str], shown: Callable[..., str], told: Callable[..., Any]
) -> None:
    assert "none.scores: 0 faces, and 1 no_face" in shown(*arguments)
    assert told(*arguments)


def test_quiet_says_nothing_and_a_set_that_is_not_there_is_an_error(shown: Callable[..., str]) -> None:
    assert shown("a.scores", "--quiet") == ""
    with pytest.raises(InputError, match="no such score set"):
        shown("nowhere.scores")


def test_a_table_of_affect_of_ones_own_changes_the_bands(tmp_path: Path, told: Callable[..., Any]) -> None:
    own = tmp_path / "mine.yaml"
    text = SHIPPED.read_text(encoding="utf-8")
    assert "blazing: 80" in text
    own.write_text(text.replace("blazing: 80", "blazing: 99.9"), encoding="utf-8")
    shipped, mine = told("a.scores"), told("a.scores", "--affect", own)
    assert shipped["bands"]["blazing"] > 0 == mine["bands"]["blazing"]
    assert mine["expressions"] == shipped["expressions"]


def test_a_damaged_file_is_an_error_with_a_hint(
    sets: Path, tmp_path: Path, shown: Callable[..., str]
) -> None:
    broken = tmp_path / "broken.scores"
    shutil.copytree(sets / "a.scores", broken)
    part = next(broken.glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:200])
    with pytest.raises(InputError, match="cannot be read") as error:
        shown(broken)
    assert "curate score" in error.value.hint


def test_words_about_people_come_from_the_prompts(
    sets: Path, tmp_path: Path, shown: Callable[..., str], told: Callable[..., Any]
) -> None:
    asked = tmp_path / "asked.scores"
    shutil.copytree(sets / "b.scores", asked)
    part = next(asked.glob("*.parquet"))
    man = pl.col("expression") == "anger"
    prompt = pl.when(man).then(pl.lit("portrait of an old man")).otherwise(pl.lit("portrait of a woman"))
    pl.read_parquet(part).with_columns(prompt=prompt, model=pl.lit("[red]flux")).write_parquet(part)
    table = told(asked)["associations"]["expression"]
    gender = next(row for row in table if row["column"] == "prompt: gender")
    assert gender["v"] > 0.9
    assert (gender["level"], gender["value"]) == ("man", "anger")
    text = shown(asked)
    assert re.search(r"prompt: gender +60 +0\.9\d .* anger [\d.]+x with man", text)
    assert "model (the same for all: [red]flux)" in " ".join(text.split())
