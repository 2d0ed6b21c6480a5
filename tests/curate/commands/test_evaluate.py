"""`curate evaluate` and `curate models compare`, typed as a user types them."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from scoresets import certain, scores, write_set
from typed import curate

NAMES = [f"{i:02}.png" for i in range(12)]
TOLD = ["fear", "happiness", "anger"] * 4


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a score set, and labels that say something else of one picture in four."""
    write_set(tmp_path / "faces.scores", NAMES, scores(12) | certain(TOLD), status={NAMES[11]: "no_face"})
    truth = scores(12, seed=9)
    with (tmp_path / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "au12", "au06_p", "expression", "split"])
        for i, name in enumerate(NAMES):
            said = "sad" if i % 4 == 0 else TOLD[i]
            rows.writerow([name, truth["au12"][i], i % 2, said, "test" if i < 8 else "train"])
    return tmp_path


def test_a_person_reads_counts_action_units_expression_and_intervals(here: Path) -> None:
    done = curate("evaluate", "faces.scores", "labels.csv", cwd=here)
    assert done.returncode == 0, done.stderr
    assert re.search(r"labelled pictures in the set\s+12", done.stdout)
    assert re.search(r"no face\s+1", done.stdout)
    assert re.search(r"au12\s+11\s+-?0\.\d{3} \[", done.stdout)
    assert re.search(r"au06_p\s+11\s+5", done.stdout)
    assert re.search(r"accuracy\s+0\.727 \[.*of 11 faces found", done.stdout)
    assert re.search(r"accuracy of all\s+0\.667 \[.*counting 1 without an answer as wrong", done.stdout)
    assert "1,000 resamples of 12 pictures, seed 0" in done.stdout


def test_a_machine_gets_everything_and_what_it_was_made_of(here: Path) -> None:
    done = curate(
        "evaluate", "faces.scores", "labels.csv", "--split", "test", "--seed", "7", "--json", cwd=here
    )
    answer = json.loads(done.stdout)
    assert answer["counts"]["labels"] == 8
    assert answer["inputs"]["scorers"]["test"]["fingerprint"] == "f" * 16
    digest = hashlib.sha256((here / "labels.csv").read_bytes()).hexdigest()
    assert answer["inputs"]["labels_sha256"] == digest
    inputs = {name: answer["inputs"][name] for name in ("split", "seed", "bootstrap", "classes")}
    assert inputs == {"split": "test", "seed": 7, "bootstrap": 1000, "classes": "all"}
    assert answer["expression"]["accuracy"]["value"] == 0.75


def test_files_are_written_and_never_replaced_unasked(here: Path) -> None:
    command = ["evaluate", "faces.scores", "labels.csv", "--quiet", "--bootstrap", "0"]
    files = ["-o", "answer.json", "--plot", "answer.png"]
    done = curate(*command, *files, cwd=here)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    answer = json.loads((here / "answer.json").read_text())
    assert answer["expression"]["accuracy"] == {"value": pytest.approx(8 / 11), "low": None, "high": None}
    with Image.open(here / "answer.png") as picture:
        assert picture.width > 1000
    before = (here / "answer.json").read_bytes()
    refused = curate(*command, "--split", "test", *files, cwd=here)
    assert refused.returncode == 1
    assert "--overwrite" in refused.stderr
    assert (here / "answer.json").read_bytes() == before
    assert curate(*command, "--split", "test", *files, "--overwrite", cwd=here).returncode == 0
    assert (here / "answer.json").read_bytes() != before


def test_labelled_classes_alone_may_be_answered(here: Path) -> None:
    command = ["evaluate", "faces.scores", "labels.csv", "--json", "--classes"]
    chosen = {
        name: json.loads(curate(*command, name, cwd=here).stdout)["expression"]
        for name in ("all", "labelled")
    }
    assert len(chosen["all"]["classes"]) == 8
    assert chosen["labelled"]["classes"] == ["happiness", "sadness", "fear", "anger"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.scores", "labels.csv"], "no such score set"),
        (["faces.scores", "nowhere.csv"], "no such table"),
        (["faces.scores", "labels.csv", "--split", "dev"], "there are test, train"),
        (["faces.scores", "labels.csv", "--plot", "answer.gif"], r"hint: --plot NAME\.png"),
        (["faces.scores", "labels.csv", "-o", "gone/answer.json"], "no such folder"),
        (["faces.scores", "labels.csv", "-o", "faces.scores"], "this is a folder"),
    ],
)
def test_errors_are_two_lines(arguments: list[str], said: str, here: Path) -> None:
    done = curate("evaluate", *arguments, cwd=here)
    assert done.returncode == 1
    assert re.search(said, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder with the scores of two scorers, alike but for one picture."""
    one = scores(12)
    other = {name: list(values) for name, values in one.items()}
    other["au12"][3] = 5 - one["au12"][3]
    write_set(tmp_path / "a.scores", NAMES, one, scorer="lite")
    write_set(tmp_path / "b.scores", NAMES, other, scorer="libreface")
    return tmp_path


def test_disagreement_is_shown_and_written(two: Path) -> None:
    command = ["models", "compare", "lite", "libreface", "a.scores", "b.scores", "--worst", "1"]
    done = curate(*command, "-o", "apart.csv", cwd=two)
    assert done.returncode == 0, done.stderr
    assert "12 faces in common" in done.stdout
    assert re.search(r"au01\s+12\s+1\.000\s+0\.000\s+0\.000", done.stdout)
    assert "expression: 1.000 of 12 faces alike, kappa 1.000" in done.stdout
    assert re.search(r"03\.png\s+0\s+0\.\d+\s+au12 \d\.\d\d / \d\.\d\d", done.stdout)
    assert "04.png" not in done.stdout
    with (two / "apart.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert rows[0]["image"] == "/pictures/03.png"
    assert float(rows[0]["au12:lite"]) + float(rows[0]["au12:libreface"]) == pytest.approx(5, abs=1e-5)
    assert "--overwrite" in curate(*command, "-o", "apart.csv", cwd=two).stderr


def test_disagreement_as_json(two: Path) -> None:
    done = curate("models", "compare", "lite", "libreface", "a.scores", "b.scores", "--json", cwd=two)
    answer = json.loads(done.stdout)
    assert answer["names"] == ["lite", "libreface"]
    assert len(answer["worst"]) == 12
    assert answer["expression"]["agreement"] == 1


def test_both_commands_explain_themselves_with_an_example(tmp_path: Path) -> None:
    for command in (["evaluate"], ["models", "compare"]):
        done = curate(*command, "--help", cwd=tmp_path)
        assert f"curate {' '.join(command)} " in done.stdout.split("Examples:")[1]
