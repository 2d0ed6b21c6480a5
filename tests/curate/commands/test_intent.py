from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from scoresets import certain, scores, write_set
from typed import curate

from curate.manifest import read_manifest
from curate.shards import Shard, next_shard, write_shard

# What was asked for, by which model, and what came (90 % sure).
ASKED = [
    ("an angry man", "flux", "anger"),
    ("an angry woman", "flux", "anger"),
    ("a furious man", "flux", "neutral"),
    ("(angry:1.2) man", "sdxl", "neutral"),
    ("a scared man", "sdxl", "surprise"),
    ("a portrait", "sdxl", "happiness"),
]


def with_texts(folder: Path, texts: dict[str, list[str]], measured: dict[str, list[object]]) -> Path:
    """A score set whose rows have texts (prompts, models) beside their scores."""
    names = [f"{i}.png" for i in range(len(next(iter(measured.values()))))]
    write_set(folder, names, measured)
    (part,) = folder.glob("part-*.parquet")
    rows = pl.read_parquet(part).with_columns(pl.Series(k, v, dtype=pl.String) for k, v in texts.items())
    scorers = {name: record.fingerprint for name, record in read_manifest(folder).scorers.items()}
    part.unlink()
    write_shard(Shard(next_shard(folder), "rows", scorers), rows)
    return folder


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    prompts, models, came = (list(column) for column in zip(*ASKED, strict=True))
    return with_texts(tmp_path / "a.scores", {"prompt": prompts, "model": models}, certain(came))


def test_the_leaderboard_says_which_model_delivers_what(asked: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.csv"
    done = curate("intent", asked, "--by", "model", "--json", "-o", out)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["by"], answer["faces"]) == ("model", 5)
    rows = {(row["intent"], row["group"]): row for row in answer["rows"]}
    flux = rows["anger", "flux"]
    # p of anger is .9 for the two hits and .1 / 7 where it did not come.
    assert flux["intent_p"] == pytest.approx((0.9 + 0.9 + 0.1 / 7) / 3, abs=1e-6)
    assert (flux["faces"], flux["hits"], flux["instead"]) == (3, 2, "neutral")
    assert rows["anger", "sdxl"]["hit"] == 0
    assert rows["fear", "(all)"]["instead"] == "surprise"
    table = pl.read_csv(out)
    assert table.columns == list(answer["rows"][0])
    assert table["hits"].to_list() == [row["hits"] for row in answer["rows"]]


def test_people_read_a_table(asked: Path) -> None:
    done = curate("intent", asked)
    assert done.returncode == 0, done.stderr
    assert "5 of 6 faces were meant to show something" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    # (.9 + .9 + 2 x .1 / 7) / 4 is .457; Wilson's interval of 2 of 4 is 15 to 85 %.
    assert ["anger", "4", "0.46", "50%", "15%", "-", "85%", "100%", "44", "neutral", "50%"] in lines
    assert curate("intent", asked, "--quiet").stdout == ""


def test_small_groups_are_said_to_be_left_out(asked: Path) -> None:
    done = curate("intent", asked, "--by", "model", "--min-faces", "3")
    assert "rows of fewer than 3 faces are left out" in done.stdout
    assert "sdxl" not in done.stdout


def test_words_of_ones_own_count(asked: Path, tmp_path: Path) -> None:
    words = tmp_path / "words.yaml"
    words.write_text("words: {portrait: {mixture: {happiness: 1}, valence: .8, arousal: .5}}\n")
    done = curate("intent", asked, "--json", "--words", words)
    assert json.loads(done.stdout)["faces"] == 6
    words.write_text("words: {portrait: {mixture: {joy: 1}, valence: .8, arousal: .5}}\n")
    done = curate("intent", asked, "--words", words)
    assert done.returncode == 1
    assert "words.yaml, line 1: words.portrait.mixture: there is no expression `joy`" in done.stderr


def test_a_column_that_is_not_there_is_an_error_with_a_suggestion(asked: Path) -> None:
    done = curate("intent", asked, "--by", "modle")
    assert done.returncode == 1
    assert "did you mean `model`?" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2


def test_nothing_is_overwritten_unasked(asked: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.csv"
    out.write_text("mine")
    done = curate("intent", asked, "-o", out)
    assert done.returncode == 1
    assert out.read_text() == "mine"
    assert curate("intent", asked, "-o", out, "--overwrite").returncode == 0
    assert out.read_text().startswith("intent,faces,")


def test_a_set_without_any_intent_says_what_was_looked_for(tmp_path: Path) -> None:
    bare = write_set(tmp_path / "bare.scores", ["1.png"], scores(1))
    done = curate("intent", bare)
    assert done.returncode == 1
    assert "no picture has a prompt, and no folder's name is a word" in done.stderr
    assert "--scorers mesh,quality,lite,generation" in done.stderr
    dull = with_texts(tmp_path / "dull.scores", {"prompt": ["a portrait"]}, scores(1))
    done = curate("intent", dull)
    assert "none of 1 prompts and no folder's name has a word of the lexicon" in done.stderr
    assert "--words FILE" in done.stderr


def test_folders_count_where_nobody_wrote_a_prompt(tmp_path: Path) -> None:
    folder = write_set(
        tmp_path / "f.scores",
        ["angry/1.png", "angry/2.png", "sad/1.png"],
        certain(["anger", "fear", "sadness"]),
    )
    rows = json.loads(curate("intent", folder, "--json").stdout)["rows"]
    assert [(row["intent"], row["faces"], row["hits"]) for row in rows] == [
        ("all", 3, 2), ("sadness", 1, 1), ("anger", 2, 1),
    ]  # fmt: skip


def test_metadata_cannot_steer_the_terminal(tmp_path: Path) -> None:
    evil = with_texts(
        tmp_path / "e.scores", {"prompt": ["angry"], "model": ["\x1b[31m[bold]x"]}, certain(["anger"])
    )
    done = curate("intent", evil, "--by", "model")
    assert "\x1b" not in done.stdout
    assert "[bold]x" in done.stdout


def test_measured_expressions_are_needed(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "m.scores", ["angry/1.png"], {"yaw": [1.0]})
    done = curate("intent", folder)
    assert done.returncode == 1
    assert "the expressions were not measured" in done.stderr
