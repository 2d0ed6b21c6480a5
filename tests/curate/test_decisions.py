from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from pictures import noise
from scoresets import certain, digest, write_set
from typed import curate

from curate import InputError, apply, open_scores, score
from curate.choosing import repeat
from curate.decisions import FILE, decide, decisions, with_decisions
from curate.recipes.recipe import parse_recipe

NAMES = ["a.png", "b.png", "b.png", "c.png", "none.png"]
A, B0, B1, C = (digest("a.png"), 0), (digest("b.png"), 0), (digest("b.png"), 1), (digest("c.png"), 0)
ALL = parse_recipe("where: n_faces is null", "all")


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    columns = certain(["fear", "anger", "fear", "happiness", "neutral"])
    return write_set(tmp_path / "faces.scores", NAMES, columns, status={"none.png": "no_face"})


def said(folder: Path) -> list[str | None]:
    """The column, in the order of `NAMES`."""
    return open_scores(folder).scan().select("decision").collect()["decision"].to_list()


def test_the_column_is_there_where_nobody_decided(faces: Path) -> None:
    assert said(faces) == [None] * 5
    assert open_scores(faces).scan().collect_schema()["decision"] == pl.String
    assert decisions(faces).schema == {"sha256": pl.String, "face": pl.Int32, "decision": pl.String}


def test_the_latest_decision_of_a_face_counts_and_undoing_leaves_none(faces: Path) -> None:
    assert decide(faces, [A, B1, B1], "accept") == 2
    assert decide(faces, [A], "reject") == 1
    assert said(faces) == ["reject", None, "accept", None, None]
    assert decisions(faces).rows() == [(*B1, "accept"), (*A, "reject")]
    decide(faces, [A, C], None)
    assert said(faces) == [None, None, "accept", None, None]
    assert decisions(faces).rows() == [(*B1, "accept")]


def test_every_decision_is_a_line_and_what_is_said_already_is_not_said_again(faces: Path) -> None:
    decide(faces, [A], "accept")
    decide(faces, [A], "accept")
    decide(faces, [A], None)
    lines = [json.loads(line) for line in (faces / FILE).read_text(encoding="utf-8").splitlines()]
    assert [line["decision"] for line in lines] == ["accept", None]
    assert lines[0] | {"at": ""} == {
        "sha256": A[0], "face": 0, "image": "/pictures/a.png", "decision": "accept", "at": ""
    }  # fmt: skip
    assert all(line["at"].endswith("+00:00") for line in lines)


def test_a_picture_without_a_face_can_be_rejected(faces: Path) -> None:
    decide(faces, [(digest("none.png"), None)], "reject")
    assert said(faces) == [None] * 4 + ["reject"]


def test_what_could_not_be_read_cannot_be_decided_and_nothing_else_is_written(faces: Path) -> None:
    with pytest.raises(InputError, match="no content by which a decision could be kept"):
        decide(faces, [A, (None, None)], "accept")
    assert not (faces / FILE).exists()


def test_words_that_are_no_decision_and_sets_that_are_not_there(faces: Path) -> None:
    with pytest.raises(InputError, match="`maybe` is no decision"):
        decide(faces, [A], "maybe")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no such score set"):
        decide(faces / "nowhere", [A], "accept")


@pytest.mark.parametrize("torn", ['{"sha256": "', "{", '{"face": 1}', "\0\0\0", "\xff"])
def test_a_torn_last_line_costs_nothing_and_is_mended(faces: Path, torn: str) -> None:
    decide(faces, [A], "accept")
    whole = (faces / FILE).read_bytes()
    (faces / FILE).write_bytes(whole + torn.encode("latin-1"))
    assert said(faces) == ["accept", None, None, None, None]
    decide(faces, [C], "reject")
    assert (faces / FILE).read_bytes().startswith(whole + b'{"sha256"')
    assert said(faces) == ["accept", None, None, "reject", None]


def test_a_last_line_that_only_lacks_its_line_break_counts(faces: Path) -> None:
    decide(faces, [A], "accept")
    (faces / FILE).write_bytes((faces / FILE).read_bytes().rstrip())
    assert said(faces)[0] == "accept"
    decide(faces, [C], "reject")
    assert said(faces) == ["accept", None, None, "reject", None]


@pytest.mark.parametrize(
    "line", ["nonsense", '{"face": 0, "decision": "accept"}', '{"sha256": "x", "face": 0, "decision": "yes"}']
)
def test_a_line_that_is_no_decision_is_named(faces: Path, line: str) -> None:
    decide(faces, [A], "accept")
    whole = (faces / FILE).read_text(encoding="utf-8")
    (faces / FILE).write_text(f"{whole}{line}\n{whole}", encoding="utf-8")
    with pytest.raises(InputError, match=r"no decision") as wrong:
        open_scores(faces).read()
    assert wrong.value.where == f"{faces / FILE}:2"


def test_a_full_disk_leaves_what_was_there(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decide(faces, [A], "accept")
    before = (faces / FILE).read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(InputError, match="no space left"):
            decide(faces, [C], "reject")
    assert (faces / FILE).read_bytes() == before


def test_several_programs_decide_at_once_and_nothing_is_lost(faces: Path) -> None:
    program = (
        "import sys; from curate.decisions import decide\n"
        "for n in range(20): decide(sys.argv[1], [(f'{sys.argv[2]}-{n}', 0)], 'accept')"
    )
    with ThreadPoolExecutor(3) as pool:
        ran = [
            pool.submit(subprocess.run, [sys.executable, "-c", program, str(faces), str(i)], check=True)
            for i in range(3)
        ]
    assert [one.result().returncode for one in ran] == [0, 0, 0]
    assert sorted(decisions(faces)["sha256"]) == sorted(f"{i}-{n}" for i in range(3) for n in range(20))


def test_rows_may_be_taken_in_any_order_and_part(faces: Path) -> None:
    decide(faces, [B1], "reject")
    decide(faces, [C], "accept")
    rows = open_scores(faces).scan()
    assert rows.slice(2, 1).select("decision").collect().rows() == [("reject",)]
    assert rows.filter(pl.col("decision") == "accept").select("image").collect().rows() == [
        ("/pictures/c.png",)
    ]
    turned = with_decisions(pl.read_parquet(faces / "*.parquet").reverse().lazy(), faces).collect()
    assert turned["decision"].to_list() == [None, "accept", "reject", None, None]


def test_a_query_finds_decisions_and_their_absence(faces: Path) -> None:
    decide(faces, [A], "accept")
    decide(faces, [B0], "reject")
    for query, wanted in (("decision = 'reject'", ["b"]), ("decision is null", ["b", "c"])):
        ran = curate("query", faces, query, "--json")
        assert [Path(row["image"]).stem for row in json.loads(ran.stdout)["rows"]] == wanted
    wrong = curate("query", faces, "decision = 'rejected'")
    assert "did you mean 'reject'?" in wrong.stderr


def test_no_recipe_chooses_what_a_person_rejected_unless_it_speaks_of_decisions(faces: Path) -> None:
    plain, outspoken = ALL, parse_recipe("where: decision = 'reject'", "rejected")
    assert [step.kind for step in apply(plain, faces).choice.steps] == ["status", "where"]
    decide(faces, [B0], "reject")
    applied = apply(plain, faces)
    assert [(s.kind, s.rows_in, s.rows_out) for s in applied.choice.steps] == [
        ("status", 5, 4),
        ("person", 4, 3),
        ("where", 3, 3),
    ]
    assert applied.choice.kept.to_list() == [True, False, True, True, False]
    assert applied.choice.ledger["reason"][1] == "rejected by a person"
    assert apply(outspoken, faces).choice.kept.to_list() == [False, True, False, False, False]


def test_percentiles_are_among_what_was_rejected_too(faces: Path) -> None:
    top = parse_recipe("where: pct(fear) > 60", "top")
    before = apply(top, faces).choice.kept.to_list()
    assert before == [True, False, True, False, False]
    decide(faces, [A], "reject")
    assert apply(top, faces).choice.kept.to_list() == [False, False, True, False, False]


def test_by_hand_is_what_was_accepted(faces: Path) -> None:
    decide(faces, [A, C], "accept")
    decide(faces, [C], "reject")
    assert apply("by-hand", faces).choice.kept.to_list() == [True, False, False, False, False]


def test_a_chosen_set_takes_decisions_along_and_later_ones_win_there(faces: Path, tmp_path: Path) -> None:
    decide(faces, [A, C], "accept")
    keep, asked = tmp_path / "keep.scores", tmp_path / "asked.scores"
    apply(ALL, faces, keep)
    assert curate("query", faces, "fear > .5", "-o", asked).returncode == 0
    assert said(keep) == ["accept", None, None, "accept"]
    assert said(asked) == ["accept", None]
    # Any other reader of Parquet sees them, too.
    stored = pl.read_parquet(keep / "*.parquet")
    assert stored["decision"].to_list() == ["accept", None, None, "accept"]
    decide(keep, [A], "reject")
    decide(keep, [C], None)
    assert said(keep) == ["reject", None, None, None]
    assert said(faces) == ["accept", None, None, "accept", None]
    (keep / FILE).unlink()
    assert said(keep) == ["accept", None, None, "accept"]


def test_choosing_anew_keeps_what_was_decided_in_the_set_that_is_replaced(
    faces: Path, tmp_path: Path
) -> None:
    keep = tmp_path / "keep.scores"
    decide(faces, [A], "accept")
    apply(ALL, faces, keep)
    decide(keep, [C], "reject")
    decide(faces, [A], "reject")
    apply(ALL, faces, keep, overwrite=True)
    assert dict(open_scores(keep).read().select("image", "decision").rows()) == {
        "/pictures/b.png": None,
        "/pictures/c.png": "reject",
    }
    assert decisions(keep).sort("decision", "sha256").height == 2


def test_a_choice_is_not_repeated_when_people_have_decided_otherwise(faces: Path, tmp_path: Path) -> None:
    keep = tmp_path / "keep.scores"
    apply(ALL, faces, keep)
    assert repeat(keep).choice.kept.sum() == 4
    decide(faces, [A], "reject")
    with pytest.raises(InputError, match="people have decided otherwise"):
        repeat(keep)
    decide(faces, [A], None)
    assert repeat(keep).choice.kept.sum() == 4


def test_scoring_again_renaming_and_moving_leave_decisions_alone(tmp_path: Path) -> None:
    folder, out = tmp_path / "pictures", tmp_path / "out.scores"
    folder.mkdir()
    for i in range(3):
        noise(folder / f"{i}.png", 40, seed=i)
    options = {"scorers": ["generation"], "workers": 1}
    score(str(folder), out, **options)  # type: ignore[arg-type]
    rows = open_scores(out).read()
    decide(out, rows.select("sha256", "face").head(1).rows(), "reject")
    (folder / "0.png").rename(folder / "zero.png")
    for more in ({}, {"overwrite": True}):
        score(str(folder), out, **options, **more)  # type: ignore[arg-type]
        found = open_scores(out).read()
        assert found.filter(pl.col("decision") == "reject")["image"].to_list() == [str(folder / "zero.png")]
    moved = out.rename(tmp_path / "elsewhere.scores")
    assert open_scores(moved).read()["decision"].count() == 1


def test_a_run_that_was_killed_right_after_starting_anew_goes_on(faces: Path, tmp_path: Path) -> None:
    decide(faces, [A], "accept")
    for path in faces.iterdir():
        if path.name != FILE:
            path.unlink()
    noise(tmp_path / "0.png", 40, seed=0)
    score(str(tmp_path / "0.png"), faces, scorers=["generation"], workers=1)
    assert decisions(faces).height == 1


def test_the_command_says_how_many_and_is_dry_when_asked(faces: Path) -> None:
    dry = curate("decide", faces, "fear > .5", "--accept", "--dry-run")
    assert "2 of 4 faces match.\n2 would be accepted.\n" in dry.stdout
    assert not (faces / FILE).exists()
    ran = curate("decide", faces, "fear > .5", "--accept")
    assert "2 are accepted.\nNext:  curate apply by-hand" in ran.stdout
    assert said(faces) == ["accept", None, "accept", None, None]
    more = json.loads(curate("decide", faces, "true", "--accept", "--json").stdout)
    assert (more["matches"], more["changed"], more["decision"]) == (4, 2, "accept")
    assert "A person accepted 4 faces and rejected 0." in curate("show", faces).stdout
    assert json.loads(curate("show", faces, "--json").stdout)["decisions"] == {"accept": 4, "reject": 0}
    undone = curate("decide", faces, "decision is not null", "--undo")
    assert "4 are undecided again." in undone.stdout
    assert said(faces) == [None] * 5


@pytest.mark.parametrize("flags", [[], ["--accept", "--reject"]])
def test_the_command_wants_one_decision(faces: Path, flags: list[str]) -> None:
    ran = curate("decide", faces, "fear > .5", *flags)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "one of --accept, --reject, --undo" in ran.stderr
