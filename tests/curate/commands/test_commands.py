"""The commands, typed as a user types them."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from pictures import noise
from typed import curate

from curate.scoreset import open_scores

ROOT = Path(__file__).resolve().parents[3]
HEAVY = {
    "torch",
    "onnxruntime",
    "polars",
    "numpy",
    "cv2",
    "datasets",
    "PIL",
    "pandas",
    "pydantic",
    "huggingface_hub",
}


def test_scoring_a_folder_writes_a_score_set_here_and_says_what_to_type_next(
    pictures: Path, tmp_path: Path
) -> None:
    done = curate("score", pictures, "--scorers", "fake", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"faces scored\s+6", done.stdout)
    assert "curate show pictures.scores" in done.stdout
    assert (tmp_path / "pictures.scores" / "manifest.json").exists()
    assert curate("show", "pictures.scores", cwd=tmp_path).returncode == 0


def test_nothing_is_written_among_the_pictures(pictures: Path) -> None:
    before = sorted(pictures.rglob("*"))
    assert curate("score", ".", "--scorers", "fake", cwd=pictures).returncode == 0
    assert sorted(pictures.rglob("*")) == before
    assert (pictures.parent / "pictures.scores").is_dir()


def test_example_faces_get_action_units_and_expression_without_any_download(tmp_path: Path) -> None:
    done = curate("score", ROOT / "examples" / "faces", "-o", tmp_path / "faces.scores")
    assert done.returncode == 0, done.stderr
    assert re.search(r"faces scored\s+32", done.stdout)
    rows = open_scores(tmp_path / "faces.scores").read()
    assert rows["au12"].null_count() == 0
    assert rows["expression"].null_count() == 0
    smile = rows.filter(pl.col("image").str.ends_with("seed0071.jpg"))
    assert smile["expression"].item() == "happiness"


def test_a_set_that_another_scorer_filled_keeps_it(tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    faces.mkdir()
    for name in ("seed0004.jpg", "seed0071.jpg"):
        shutil.copy(ROOT / "examples" / "faces" / name, faces)
    assert curate("score", faces, "--scorers", "fake", cwd=tmp_path).returncode == 0
    before = open_scores(tmp_path / "faces.scores").read()
    done = curate("score", faces, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    after = open_scores(tmp_path / "faces.scores").read()
    assert after["au12"].to_list() == before["au12"].to_list()
    assert after["yaw"].null_count() == 0  # the mesh has no quarrel with it
    refused = curate("score", faces, "--scorers", "lite", cwd=tmp_path)
    assert refused.returncode == 1
    assert "both fill the column" in refused.stderr


def test_with_json_the_answer_is_one_document(pictures: Path, tmp_path: Path) -> None:
    (pictures / "broken.jpg").write_bytes(b"nothing")
    done = curate("score", pictures, "--scorers", "fake", "--json", cwd=tmp_path)
    assert done.returncode == 3
    answer = json.loads(done.stdout)
    assert (answer["inputs"], answer["statuses"]) == (7, {"ok": 6, "unreadable": 1})
    shown = json.loads(curate("show", "pictures.scores", "--json", cwd=tmp_path).stdout)
    assert shown["rows"] == 7
    assert {entry["column"] for entry in shown["statistics"]} >= {"au12", "happiness"}
    reasons = json.loads(curate("show", "pictures.scores", "--status", "--json", cwd=tmp_path).stdout)
    assert [Path(row["image"]).name for row in reasons] == ["broken.jpg"]


def test_inputs_that_were_not_scored_are_exit_code_3_and_an_error_if_strict(
    pictures: Path, tmp_path: Path
) -> None:
    (pictures / "broken.jpg").write_bytes(b"nothing")
    assert curate("score", pictures, "--scorers", "fake", cwd=tmp_path).returncode == 3
    strict = curate("score", pictures, "--scorers", "fake", "--strict", cwd=tmp_path)
    assert strict.returncode == 1
    assert "1 inputs were not scored" in strict.stderr
    answer = curate("score", pictures, "--scorers", "fake", "--strict", "--json", cwd=tmp_path)
    assert answer.returncode == 1
    assert json.loads(answer.stdout)["statuses"]["unreadable"] == 1
    assert curate("score", pictures, "--scorers", "fake", "--quiet", cwd=tmp_path).stdout == ""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["score", "nowhere"], 1, "nowhere"),
        (["score", "."], 1, "no pictures|no files|empty"),
        (["show", "nowhere.scores"], 1, "hint: curate score nowhere"),
        (["columns", "sharpnes"], 1, "did you mean `sharpness`"),
        (["models", "verify", "libreface"], 1, "hint: curate models pull libreface"),
        (["models", "pull", "libreface"], 1, "--accept-license"),
        (["models", "convert", "face-mesh", "--from", "nowhere"], 1, "nowhere"),
        (["score"], 2, "source"),
        (["score", ".", "--faces", "some"], 2, "largest"),
        (["scor"], 2, "score"),
    ],
)
def test_errors_are_two_lines_and_say_what_to_do(
    arguments: list[str], code: int, said: str, tmp_path: Path
) -> None:
    done = curate(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert re.search(said, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    if code == 1:
        assert len(done.stderr.strip().splitlines()) <= 2
        assert json.loads(curate(*arguments, "--json", cwd=tmp_path).stdout)["error"]


def test_a_traceback_is_shown_to_those_who_ask(tmp_path: Path) -> None:
    assert "Traceback" in curate("show", "nowhere.scores", cwd=tmp_path, CURATE_DEBUG="1").stderr


def test_names_of_files_cannot_steer_the_terminal(pictures: Path, tmp_path: Path) -> None:
    (pictures / "red\x1b[31m[bold]x.png").write_bytes(b"nothing")
    curate("score", pictures, "--scorers", "fake", cwd=tmp_path)
    shown = curate("show", "pictures.scores", "--status", cwd=tmp_path).stdout
    assert "\x1b" not in shown
    assert "red\\x1b[31m[bold]x.png" in shown


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, curate, curate.app; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) == set()


def test_every_command_explains_itself_with_an_example() -> None:
    for command in (["score"], ["show"], ["columns"], ["models", "pull"], ["models", "convert"]):
        done = curate(*command, "--help")
        assert done.returncode == 0
        assert f"curate {' '.join(command)}" in done.stdout


def test_columns_lists_the_whole_catalogue() -> None:
    from curate import CATALOGUE

    listed = json.loads(curate("columns", "--json").stdout)
    assert [entry["name"] for entry in listed] == [column.name for column in CATALOGUE]


def test_doctor_finds_what_is_here_and_names_the_cure_for_what_is_not() -> None:
    findings = {f["what"]: f for f in json.loads(curate("doctor", "--json").stdout)}
    assert findings["face-mesh"]["state"] == "ok"
    assert findings["libreface"] | {"detail": ""} == {
        "what": "libreface",
        "state": "missing",
        "detail": "",
        "cure": "curate models pull libreface",
    }


def test_a_terminal_sees_a_progress_bar_with_counts(tmp_path: Path) -> None:
    here, there = pty.openpty()
    command = [sys.executable, "-m", "curate.app", "score", ROOT / "examples" / "faces", "--workers", "1"]
    run = subprocess.Popen(
        command, cwd=tmp_path, stdout=there, stderr=there, env=os.environ | {"COLUMNS": "120"}
    )
    os.close(there)
    seen = b""
    while True:
        try:
            piece = os.read(here, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        seen += piece
    os.close(here)
    assert run.wait() == 0
    assert b"/32" in seen
    assert re.search(rb"ok \d+", seen)


def interrupted(
    command: list[str | Path], cwd: Path, after: float, once: Path | None = None
) -> tuple[int, str, str]:
    """Exit code, output and errors of a command that gets Ctrl-C so many seconds after it began (or the file `once`
    was there), as a terminal sends it."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    run = subprocess.Popen(command, cwd=cwd, text=True, start_new_session=True, **pipes)
    while once is not None and not once.exists() and run.poll() is None:
        time.sleep(0.05)
    time.sleep(after)
    os.killpg(run.pid, signal.SIGINT)
    said, errors = run.communicate(timeout=60)
    return run.returncode, said, errors


def test_ctrl_c_keeps_what_was_scored(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(1000):
        noise(folder / f"{i}.png", 220, seed=i)
    command = [sys.executable, "-m", "curate.app", "score", folder, "--scorers", "mesh", "--workers", "1"]
    # A loaded machine takes its time to begin; what matters is to be in the midst of it.
    for seconds in (2, 6, 20):
        code, said, errors = interrupted(
            command, tmp_path, after=seconds, once=tmp_path / "many.scores" / "manifest.json"
        )
        assert code == 130
        assert "the same command goes on" in said
        assert errors == ""
        shards = list((tmp_path / "many.scores").glob("part-*.parquet"))
        if shards:
            break
    kept = pl.read_parquet(shards).height
    assert 0 < kept < 1000
    again = curate("score", folder, "--scorers", "mesh", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["kept"] == kept


def test_the_checkout_runs_without_being_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH")
    done = subprocess.run(
        [sys.executable, ROOT / "cli.py", "columns", "au12"], capture_output=True, text=True, cwd=tmp_path
    )
    assert "lip corner puller" in done.stdout


@pytest.mark.parametrize("seconds", [0, 0.2, 0.5])
def test_ctrl_c_while_workers_start_is_quiet(tmp_path: Path, seconds: float) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(200):  # more than any machine scores in that time
        noise(folder / f"{i}.png", 220, seed=i)
    command = [sys.executable, "-m", "curate.app", "score", folder]
    # The manifest is written just before the workers start.
    code, _, errors = interrupted(
        command, tmp_path, after=seconds, once=tmp_path / "many.scores" / "manifest.json"
    )
    assert code == 130
    assert errors == ""


def test_the_card_of_a_model_says_licence_training_data_and_accuracy(tmp_path: Path) -> None:
    shown = curate("models", "show", "lite", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    for words in ("Apache-2.0", "training data", "FER+", "accuracy"):
        assert words in shown.stdout
    card = json.loads(curate("models", "show", "lite", "--json", cwd=tmp_path).stdout)
    assert card["files"]["lite.onnx"]["bytes"] < 8_000_000
    missing = curate("models", "show", "liet", cwd=tmp_path)
    assert missing.returncode == 1
    assert "curate models list" in missing.stderr
