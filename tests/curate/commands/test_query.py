from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from scoresets import digest, write_set

from curate.app import main
from curate.choosing import apply
from curate.chosen import write_chosen
from curate.errors import InputError
from curate.manifest import FILE
from curate.recipes.recipe import parse_recipe
from curate.scorers.columns import EXPRESSIONS
from curate.scoreset import open_scores
from curate.shards import list_shards, open_shard, write_shard

NAMES = ["d.png", "b.png", "c.png", "a.png", "none.png", "b.png"]
TOLD = ["fear", "anger", "fear", "happiness", "neutral", "fear"]
FEAR = [0.6, 0.2, 0.9, 0.1, 0.0, 0.6]
YAW = [-5.0, 30.0, 10.0, None, 0.0, 5.0]

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    columns: dict[str, list[Any]] = {
        name: [0.9 - f if name == told else 0.0 for told, f in zip(TOLD, FEAR, strict=True)]
        for name in EXPRESSIONS
    }
    columns |= {"fear": FEAR, "expression": TOLD, "confidence": [0.9] * 6, "yaw": YAW}
    return write_set(tmp_path / "faces.scores", NAMES, columns, status={"none.png": "no_face"})


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """`curate query ...`: exit code, standard output, standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["curate", "query", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        code = left.value.code
        return (code if isinstance(code, int) else 0), said.out, said.err

    return run


def found(typed: Typed, *arguments: str | Path) -> dict[str, Any]:
    code, out, err = typed(*arguments, "--json")
    assert (code, err) == (0, "")
    return dict(json.loads(out))


def names(answer: dict[str, Any]) -> list[str]:
    return [f"{Path(row['image']).stem}{row['face']}" for row in answer["rows"]]


def test_people_read_how_many_match_and_the_first_of_them(faces: Path, typed: Typed) -> None:
    code, out, _ = typed(faces, "fear > .5 and abs(yaw) < 20 and pct(fear) > 30", "--limit", "2")
    assert code == 0
    lines = [line.split() for line in out.splitlines() if line.strip()]
    assert out.startswith("3 of 5 faces match.")
    assert lines[1] == [
        "image",
        "face",
        "expression",
        "confidence",
        "temperature",
        "fear",
        "yaw",
        "pct(fear)",
    ]
    assert [line[0] for line in lines[3:5]] == ["b.png", "c.png"]
    assert "... and 1 more" in out


def test_machines_read_the_rows_whole(faces: Path, typed: Typed) -> None:
    answer = found(typed, faces, "fear >= .6", "--select", "face, fear * 10, 1 / 0")
    assert (answer["faces"], answer["matches"]) == (5, 3)
    assert names(answer) == ["b1", "c0", "d0"]
    assert answer["rows"][2] | {"temperature": 0, "fear": 0} == {
        "sha256": digest("d.png"), "image": "/pictures/d.png", "face": 0, "expression": "fear", "confidence": 0.9,
        "temperature": 0, "fear": 0, "fear * 10": 6.0, "1 / 0": None,
    }  # fmt: skip


def test_sorted_as_told_and_ties_by_content(faces: Path, typed: Typed) -> None:
    tied = sorted([(digest("d.png"), "d0"), (digest("b.png"), "b1")])
    by_fear = ["c0", *(name for _, name in tied), "b0", "a0"]
    assert names(found(typed, faces, "true", "--sort", "fear desc")) == by_fear
    assert names(found(typed, faces, "true", "--sort", "fear desc", "--limit", "3")) == by_fear[:3]
    assert names(found(typed, faces, "true", "--sort", "abs(yaw)"))[-2:] == ["b0", "a0"]
    assert names(found(typed, faces, "true", "--sort", "yaw desc"))[-1] == "a0"
    assert names(found(typed, faces, "true")) == ["a0", "b0", "b1", "c0", "d0"]


def test_when_nothing_matches_the_clauses_are_counted_alone(faces: Path, typed: Typed) -> None:
    code, out, _ = typed(faces, "fear > .5 and (yaw > 60 or yaw < -60) and expression = 'fear'")
    assert code == 0
    assert out.startswith("0 of 5 faces match.")
    counts = [line.split()[-1] for line in out.splitlines() if "fear" in line or "yaw" in line]
    assert counts == ["3", "0", "3"]
    answer = found(typed, faces, "fear > .5 and yaw > 60 and 1 = 1")
    assert answer["alone"] == [
        {"condition": "fear > .5", "faces": 3},
        {"condition": "yaw > 60", "faces": 0},
        {"condition": "1 = 1", "faces": 5},
    ]


def test_rows_without_a_face_match_nothing(faces: Path, typed: Typed) -> None:
    assert found(typed, faces, "status = 'no_face' or fear is null")["matches"] == 0
    assert found(typed, faces, "true")["matches"] == 5


def test_an_error_has_the_place_under_the_query(faces: Path, typed: Typed) -> None:
    code, out, err = typed(faces, "fear > .6 and temprature > 60")
    assert (code, out) == (1, "")
    lines = err.splitlines()
    assert lines[0] == "error: no column `temprature`; did you mean `temperature`?"
    assert lines[1] == "  fear > .6 and temprature > 60"
    assert lines[2] == "                ^^^^^^^^^^"
    assert lines[3].startswith(" hint: curate columns")


def test_the_caret_stands_right_under_odd_signs_and_in_long_queries(faces: Path, typed: Typed) -> None:
    _, _, err = typed(faces, "expression = '\x1b日本' and yw > 3")
    assert "\x1b" not in err
    _, _, err = typed(faces, "yaw = 3 and '\x1b日本' = expression")
    # The escape takes four cells, each of the two signs two.
    assert err.splitlines()[1:3] == ["  yaw = 3 and '\\x1b日本' = expression", " " * 14 + "^" * 10]
    _, _, err = typed(faces, " and ".join(["yaw > 3"] * 50 + ["yw > 3"]))
    query, carets = err.splitlines()[1:3]
    assert query.startswith("  ... ")
    assert query[carets.index("^") : carets.index("^") + 2] == "yw"


def test_a_column_that_is_not_there_comes_with_the_command_that_fills_it(faces: Path, typed: Typed) -> None:
    _, _, err = typed(faces, "gaze_yaw > 3")
    assert f"curate score /pictures -o {faces} --scorers mesh,quality,libreface" in err


def test_machines_read_the_place_too(faces: Path, typed: Typed) -> None:
    code, out, _ = typed(faces, "fear > .6 and yw > 3", "--json")
    assert code == 1
    assert json.loads(out) | {"hint": ""} == {
        "error": "no column `yw`; did you mean `yaw`?", "where": "", "hint": "",
        "query": "fear > .6 and yw > 3", "position": 14, "length": 2,
    }  # fmt: skip


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".jsonl"])
def test_tables_by_their_ending(faces: Path, typed: Typed, tmp_path: Path, ending: str) -> None:
    read = {".parquet": pl.read_parquet, ".csv": pl.read_csv, ".jsonl": pl.read_ndjson}[ending]
    out = tmp_path / "deep" / f"table{ending}"
    answer = found(
        typed, faces, "fear >= .6", "-o", out, "--select", "image, fear, pct(fear)", "--sort", "yaw"
    )
    assert answer["written"] == 3
    assert "rows" not in answer
    table = read(out)
    assert table.columns == ["image", "fear", "pct(fear)"]
    assert [Path(name).stem for name in table["image"]] == ["d", "b", "c"]
    assert table["pct(fear)"].to_list() == [60.0, 60.0, 90.0]
    found(typed, faces, "fear >= .6", "-o", out, "--limit", "1", "--overwrite")
    whole = read(out)
    assert whole.height == 1
    assert {"sha256", "status", "temperature", "yaw"} <= set(whole.columns)


def test_a_list_of_pictures_has_each_once(faces: Path, typed: Typed, tmp_path: Path) -> None:
    out = tmp_path / "list.txt"
    assert found(typed, faces, "fear < .7", "-o", out)["written"] == 3
    assert out.read_text() == "/pictures/a.png\n/pictures/b.png\n/pictures/d.png\n"


@pytest.mark.parametrize("name", ["keep.scores", "keep"])
def test_a_chosen_set_is_a_score_set_that_says_how_it_was_chosen(
    faces: Path, typed: Typed, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    before = {path.name: path.read_bytes() for path in faces.iterdir()}
    assert found(typed, faces, "fear >= .6", "-o", out)["written"] == 3
    chosen, source = open_scores(out), open_scores(faces)
    expected = source.stored().collect().filter(pl.Series([True, False, True, False, False, True]))
    assert chosen.stored().collect().equals(expected)
    assert (chosen.manifest.rows, chosen.manifest.inputs, chosen.manifest.statuses) == (3, 3, {"ok": 3})
    choice = chosen.manifest.choice
    assert choice is not None
    assert (choice["query"], choice["faces"], choice["matches"], choice["written"]) == ("fear >= .6", 5, 3, 3)
    assert choice["source"]["folder"] == str(faces.resolve())
    assert len(choice["source"]["sha256"]) == len(choice["lexicon"]["sha256"]) == 64
    assert chosen.manifest.source == source.manifest.source
    again = found(typed, out, "pct(fear) > 50")
    assert (again["faces"], names(again)) == (3, ["c0"])
    assert {path.name: path.read_bytes() for path in faces.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["faces.scores", name])


def test_nothing_is_overwritten_unasked(faces: Path, typed: Typed, tmp_path: Path) -> None:
    out, folder = tmp_path / "keep.scores", tmp_path / "mine"
    folder.mkdir()
    (folder / "photo.png").write_bytes(b"mine")
    found(typed, faces, "fear >= .6", "-o", out)
    code, _, err = typed(faces, "fear >= .9", "-o", out)
    assert code == 1
    assert "is there already" in err
    assert open_scores(out).manifest.rows == 3
    assert found(typed, faces, "fear >= .9", "-o", out, "--overwrite")["written"] == 1
    assert open_scores(out).manifest.rows == 1
    code, _, err = typed(faces, "fear >= .9", "-o", folder, "--overwrite")
    assert code == 1
    assert "is a folder and no score set" in err
    assert (folder / "photo.png").read_bytes() == b"mine"


def test_a_choice_is_never_written_onto_into_or_around_its_source(faces: Path, typed: Typed) -> None:
    for out in (
        faces,
        faces / "keep.scores",
        faces / "list.txt",
        faces / ".." / "faces.scores",
        faces.parent,
    ):
        code, _, err = typed(faces, "true", "-o", out, "--overwrite")
        assert code == 1
        assert "never written onto, into or around" in err
    assert open_scores(faces).stored().collect().height == 6


def test_a_choice_that_fails_leaves_what_was_there(faces: Path, tmp_path: Path) -> None:
    source, out = open_scores(faces), tmp_path / "keep.scores"
    rows = source.stored()
    write_chosen(source, rows.head(2).collect(), out, choice={"n": 1})
    broken = rows.with_columns(pl.col("image").str.to_integer(strict=True))
    with pytest.raises(InputError):
        write_chosen(source, broken, out, choice={"n": 2}, overwrite=True)
    assert open_scores(out).manifest.choice == {"n": 1}
    assert open_scores(out).stored().collect().height == 2
    assert not list(tmp_path.glob(".*"))


def test_shards_of_a_chosen_set_stay_small(faces: Path, tmp_path: Path) -> None:
    source = open_scores(faces)
    rows = pl.concat([source.stored().collect()] * 20_000)
    chosen = write_chosen(source, rows.lazy(), tmp_path / "many.scores", choice={})
    shards = list_shards(chosen.folder)
    assert [pl.read_parquet(path).height for path in shards] == [50_000, 50_000, 20_000]
    assert chosen.stored().collect().equals(rows)
    assert sorted(path.name for path in chosen.folder.iterdir()) == [FILE, *(path.name for path in shards)]


def test_an_ending_that_is_none_and_columns_that_have_no_place(
    faces: Path, typed: Typed, tmp_path: Path
) -> None:
    code, _, err = typed(faces, "true", "-o", tmp_path / "table.xlsx")
    assert code == 1
    assert ".parquet, .csv, .jsonl, .txt, .scores" in err
    code, _, err = typed(faces, "true", "-o", tmp_path / "keep.scores", "--select", "fear")
    assert code == 1
    assert "keeps all its columns" in err


def test_words_of_ones_own(faces: Path, typed: Typed, tmp_path: Path) -> None:
    answer = found(typed, faces, "affect('terrified') >= 0", "--sort", "affect('terrified') desc")
    assert answer["matches"] == 5
    assert answer["rows"][0]["affect('terrified')"] >= answer["rows"][-1]["affect('terrified')"]
    code, _, err = typed(faces, "affect('terified') > 0")
    assert code == 1
    assert "did you mean `terrified`?" in err
    code, _, err = typed(faces, "true", "--words", tmp_path / "none.yaml")
    assert code == 1
    assert "none.yaml" in err


def test_a_number_that_is_none_is_no_answer_and_not_the_largest(faces: Path, typed: Typed) -> None:
    """As other programs leave them in a Parquet file."""
    path = list_shards(faces)[0]
    shard, rows = open_shard(path), pl.read_parquet(path, glob=False)
    write_shard(
        shard, rows.with_columns(yaw=pl.Series([-5.0, float("nan"), 10.0, None, None, 5.0], dtype=pl.Float32))
    )
    answer = found(typed, faces, "true", "--sort", "yaw desc")
    assert names(answer)[:3] == ["c0", "b1", "d0"]
    assert names(found(typed, faces, "yaw is null")) == ["a0", "b0"]
    assert names(found(typed, faces, "yaw > 0")) == ["b1", "c0"]
    ranked = apply(parse_recipe("where: n_faces is null\npick: {total: 1, order: yaw desc}", "most"), faces)
    assert rows.filter(ranked.choice.kept)["image"].to_list() == ["/pictures/c.png"]
