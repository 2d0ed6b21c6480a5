"""`curate export`."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from backed import write_backed
from trees import tree
from typed import curate


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    names = ["a/1.png", "b/1.png", "c\x1b[31m.png", *(f"{i}.png" for i in range(5, 10))]
    return write_backed(tmp_path / "a.scores", tmp_path / "pictures", names)


def test_it_says_what_it_wrote_and_what_is_called_otherwise(scores: Path, tmp_path: Path) -> None:
    done = curate("export", scores, "out", "--to", "folder", "--by", "expression", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "pictures" in done.stdout
    assert "written to" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_dry_run_writes_nothing_and_machines_hear_the_same(scores: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    done = curate("export", scores, tmp_path / "out", "--to", "folder", "--dry-run", "--json")
    assert tree(tmp_path) == before
    said = json.loads(done.stdout)
    assert (said["dry_run"], said["pictures"], said["files"]) == (True, 8, 8)
    assert sorted(said["renamed"].values()) == ["1.png", "c\x1b[31m.png"]
    done = curate("export", scores, tmp_path / "out", "--to", "folder", "--dry-run")
    assert "Nothing was written" in done.stdout
    assert "2 pictures are called otherwise" in done.stdout


def test_pictures_that_cannot_be_had_are_exit_code_3(scores: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures" / "7.png").unlink()
    done = curate("export", scores, tmp_path / "out", "--to", "hf")
    assert done.returncode == 3
    assert "7.png: no such file" in done.stdout
    said = json.loads((tmp_path / "out" / "curate-export.json").read_text())
    assert said["left_out_pictures"] == 1


def test_quiet_says_nothing(scores: Path, tmp_path: Path) -> None:
    done = curate("export", scores, tmp_path / "out", "--to", "webdataset", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "fodler"], ["did you mean `folder`"]),
        (
            ["--to", "webdataset", "--by", "band"],
            ["--by: is no option of webdataset", "its options: --shard-size"],
        ),
        (["--to", "folder", "--where", "temprature > 3"], ["did you mean `temperature`", "^^^^"]),
        (["--to", "folder", "--by", "bnad"], ["did you mean `band`"]),
        (["--to", "hf", "--push", "me/faces"], ["hf auth login"]),
    ],
)
def test_mistakes_are_two_lines_and_write_nothing(
    scores: Path, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    before = tree(tmp_path)
    done = curate(
        "export", scores, tmp_path / "out", *arguments, HF_HOME=str(tmp_path / "nobody"), HF_TOKEN=""
    )
    assert done.returncode == 1
    assert all(word in done.stderr for word in words)
    assert "Traceback" not in done.stderr
    assert tree(tmp_path) == before


def test_what_is_there_stays_without_overwrite(scores: Path, tmp_path: Path) -> None:
    command = ("export", scores, tmp_path / "out", "--to", "folder")
    assert curate(*command).returncode == 0
    again = curate(*command)
    assert again.returncode == 1
    assert "--overwrite" in again.stderr
    assert curate(*command, "--overwrite").returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal")
def test_there_is_a_bar_with_a_rate_on_a_terminal(scores: Path, tmp_path: Path) -> None:
    parent, child = pty.openpty()
    program = (
        "import time, curate.exports.export as e; whole = e.export\n"
        "def slow(*a, on_progress, **k):\n"
        "    return whole(*a, on_progress=lambda p: (on_progress(p), time.sleep(.1)), **k)\n"
        "e.export = slow\n"
        "from curate.app import main; main()"
    )
    command = [sys.executable, "-c", program, "export", str(scores), str(tmp_path / "out"), "--to", "folder"]
    run = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=child, env=os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    )
    os.close(child)
    seen = b""
    while True:
        try:
            data = os.read(parent, 4096)
        except OSError:
            break
        if not data:
            break
        seen += data
    os.close(parent)
    run.communicate()
    assert run.returncode == 0
    assert b"writing" in seen
    assert b"pictures/s" in seen
    assert b"0:00:0" in seen
