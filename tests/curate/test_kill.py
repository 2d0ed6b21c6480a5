"""`kill -9` at any moment costs time and nothing else."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from s3server import Bucket

from curate import open_scores, score

ROOT = Path(__file__).resolve().parents[2]
KILLS = 10
COPIES = 8
# Shards are closed often, so that a kill falls between two of them as often as into one. On a loaded machine all
# shots may hit workers that are still starting, which by itself would end a run.
PROGRAM = """
import curate.engines.local, curate.run
from curate.app import main
curate.run._SHARD_SECONDS = 0.3
curate.engines.local._STARTS_IN_VAIN = 99
if __name__ == "__main__":
    main()
"""
COMMAND = [sys.executable, "-c", PROGRAM, "score"]
OPTIONS = ["--scorers", "mesh,quality", "--workers", "2", "--batch-size", "4", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example faces, several times over, each copy a file of its own."""
    folder = tmp_path_factory.mktemp("faces") / "faces"
    folder.mkdir()
    for path in sorted((ROOT / "examples" / "faces").iterdir()):
        for copy in range(COPIES):
            (folder / f"{copy} {path.name}").write_bytes(path.read_bytes() + bytes([copy]))
    (folder / "broken.png").write_bytes(b"\x89PNG nothing")
    return folder


@pytest.fixture(scope="module")
def uninterrupted(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("uninterrupted") / "out.scores"
    score(str(folder), out, scorers=["mesh", "quality"], workers=2, batch_size=4)
    return out


@pytest.fixture(scope="module")
def half(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set that lacks the columns of one scorer."""
    out = tmp_path_factory.mktemp("half") / "out.scores"
    score(str(folder), out, scorers=["mesh"], workers=2)
    return out


@pytest.mark.parametrize(("victim", "start"), [("parent", "empty"), ("parent", "half"), ("worker", "empty")])
def test_ten_kills_at_random_times_end_with_the_rows_of_an_uninterrupted_run(
    folder: Path, uninterrupted: Path, half: Path, tmp_path: Path, victim: str, start: str
) -> None:
    out = tmp_path / "out.scores"
    shots = random.Random(victim + start)
    killed, anew = 0, True
    while killed < KILLS:
        if anew:  # the last run got to its end, and there is nothing left to kill
            shutil.rmtree(out, ignore_errors=True)
            if start == "half":
                shutil.copytree(half, out)
        run = subprocess.Popen([*COMMAND, str(folder), "-o", str(out), *OPTIONS], stderr=subprocess.PIPE)
        while killed < KILLS and run.poll() is None:
            time.sleep(shots.uniform(0.1, 2.0 if victim == "parent" else 0.6))
            targets = [run.pid] if victim == "parent" else _children(run.pid)
            if targets and run.poll() is None:
                os.kill(shots.choice(targets), signal.SIGKILL)
                killed += 1
        _, said = run.communicate()
        # A worker that was just starting when its parent was killed has nobody to read its orders from, and
        # Python's own start-up says so.
        assert b"Traceback" not in said or (victim == "parent" and b"pickle.load(from_parent)" in said), said
        assert run.returncode in (-signal.SIGKILL, 3), said  # 3: all but the broken picture is scored
        anew = run.returncode == 3
    last = subprocess.run([*COMMAND, str(folder), "-o", str(out), *OPTIONS])
    assert last.returncode == 3
    assert open_scores(out).read().equals(open_scores(uninterrupted).read())
    assert not list(out.glob(".*.partial"))


def test_a_run_that_was_killed_at_a_url_goes_on_there_at_once(
    folder: Path, uninterrupted: Path, s3: Bucket
) -> None:
    out = f"{s3.url}/out.scores"
    command = [*COMMAND, str(folder), "-o", out, *OPTIONS]
    for shards in (1, 3):
        run = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while run.poll() is None and time.monotonic() < until:
            if sum(key.endswith(".parquet") for key in s3.keys("out.scores")) >= shards:
                run.kill()
            time.sleep(0.02)
        assert run.wait() == -signal.SIGKILL
        assert "out.scores/.lock" in s3.keys("out.scores")
    last = subprocess.run(command, capture_output=True, text=True)
    assert (last.returncode, last.stderr) == (3, "")
    assert "out.scores/.lock" not in s3.keys("out.scores")
    assert open_scores(out).read().equals(open_scores(uninterrupted).read())


def _children(pid: int) -> list[int]:
    """Worker processes of a run (not multiprocessing's resource tracker)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rsplit(")", 1)[1].split()[1])
            words = (path.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and b"spawn_main" in words:
            found.append(int(path.parent.name))
    return found
