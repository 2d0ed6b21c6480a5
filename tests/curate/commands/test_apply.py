from __future__ import annotations

import json
from pathlib import Path

import pytest
from scoresets import scores, write_set
from typed import curate

MINE = "where: [confidence > .3]\nbalance: {by: expression, per_cell: 3}\nshortfall: prompts\n"


@pytest.fixture
def set_(tmp_path: Path) -> Path:
    names = [f"{i:03}.png" for i in range(60)]
    (tmp_path / "mine.yaml").write_text(MINE, encoding="utf-8")
    return write_set(tmp_path / "faces.scores", names, scores(60), status={"007.png": "no_face"})


def test_the_funnel_the_balance_and_the_next_step_are_shown(set_: Path, tmp_path: Path) -> None:
    done = curate("apply", "mine.yaml", "faces.scores", "-o", "keep.scores", "--explain", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for words in (
        "status = 'ok'",
        "confidence > .3",
        "98.3%",
        "total variation",
        "keep.scores/_rejected/",
        "curate stats keep.scores",
    ):
        assert words in done.stdout
    assert "23 of 60 rows are kept." in done.stdout
    repeated = curate("apply", "--from-manifest", "keep.scores", "-o", "again.scores", "--json", cwd=tmp_path)
    assert json.loads(repeated.stdout)["kept"] == 23


def test_a_dry_run_says_all_and_writes_nothing(set_: Path, tmp_path: Path) -> None:
    there = sorted(tmp_path.iterdir())
    done = curate("apply", "mine.yaml", "faces.scores", "--dry-run", "--json", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert [step["kind"] for step in document["steps"]] == ["status", "where", "balance"]
    assert document["rows"] == 60
    assert sorted(tmp_path.iterdir()) == there
    assert curate("apply", "mine.yaml", "faces.scores", "--dry-run", "-q", cwd=tmp_path).stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words", "hint"),
    [
        (("mine.yaml", "faces.scores"), "where shall the chosen set go", "--dry-run"),
        (("mine.yaml", "--dry-run"), "a recipe and a score set are needed", "curate apply"),
        (("lora-varity", "faces.scores", "--dry-run"), "did you mean `lora-variety`", "curate recipes list"),
        (("none.yaml", "faces.scores", "--dry-run"), "no such file", "curate recipes list"),
        (("mine.yaml", "facs.scores", "--dry-run"), "no such score set", "curate score"),
        (("wrong.yaml", "faces.scores", "--dry-run"), "line 2: there is no field `dedupe.hash_bit`;", "`hash_bits`"),
        (("true-to-prompt", "faces.scores", "--dry-run"), "the scorer `quality` fills it", "curate score SOURCE"),
    ],
)  # fmt: skip
def test_errors_say_what_to_type(
    set_: Path, tmp_path: Path, arguments: tuple[str, ...], words: str, hint: str
) -> None:
    (tmp_path / "wrong.yaml").write_text("description: x\ndedupe: {hash_bit: 3}\n", encoding="utf-8")
    done = curate("apply", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


def test_recipes_are_listed_shown_and_checked(set_: Path, tmp_path: Path) -> None:
    listed = curate("recipes", "list", cwd=tmp_path).stdout
    assert "balanced-temperature" in listed
    shown = curate("recipes", "show", "lora-variety", cwd=tmp_path).stdout
    (tmp_path / "copy.yaml").write_text(shown, encoding="utf-8")
    assert curate("recipes", "check", "copy.yaml", cwd=tmp_path).returncode == 0
    assert "2 clauses" not in curate("recipes", "check", "mine.yaml", "faces.scores", cwd=tmp_path).stdout
    assert "1 clause, balance" in curate("recipes", "check", "mine.yaml", "faces.scores", cwd=tmp_path).stdout
    (tmp_path / "bad.yaml").write_text("where: [temprature > 60]\n", encoding="utf-8")
    bad = curate("recipes", "check", "bad.yaml", cwd=tmp_path)
    assert bad.returncode == 1
    assert "temperature" in bad.stderr
    assert "^" in bad.stderr
