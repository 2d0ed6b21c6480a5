"""`curate report`, typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scoresets import scores, write_set
from typed import curate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_set(tmp_path / "some.scores", [f"{i}.png" for i in range(12)], scores(12))


def test_it_goes_to_the_working_directory_and_says_so(folder: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    done = curate("report", folder, cwd=here)
    assert done.returncode == 3, done.stderr  # none of its pictures is there
    assert "None of the 12 faces is neutral or politely smiling." in done.stdout
    assert "written to some.html (" in done.stdout
    assert "to show are gone, changed or broken." in done.stdout
    assert (here / "some.html").read_text().startswith("<!doctype html>")
    again = curate("report", folder, cwd=here)
    assert (again.returncode, "it is there already" in again.stderr) == (1, True)
    assert curate("report", folder, "--overwrite", "--quiet", cwd=here).stdout == ""


def test_machines_get_json(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    done = curate("report", folder, "-o", out, "--against", folder, "--json")
    assert done.returncode == 3
    told = json.loads(done.stdout)
    assert told["bytes"] == out.stat().st_size
    assert (told["path"], told["faces"]) == (str(out), 12)
    assert told["missing"] == told["shown"] > 0


def test_a_set_that_is_none_is_an_error(tmp_path: Path) -> None:
    done = curate("report", tmp_path / "no.scores", cwd=tmp_path)
    assert done.returncode == 1
    assert "no such score set" in done.stderr
    assert "Traceback" not in done.stderr
