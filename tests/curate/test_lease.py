"""One run at a time writes a score set on object storage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from s3server import Bucket

import curate.lease
from curate.errors import InputError
from curate.lease import FILE
from curate.place import Remote, place_of
from curate.target import locked


@pytest.fixture
def folder(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> Remote:
    monkeypatch.setattr(curate.lease, "_SETTLED", 0.01)
    place = place_of(f"{s3.url}/a.scores")
    assert isinstance(place, Remote)
    return place


def left_by(place: Remote, machine: str, process: int) -> bytes:
    """The lease of a run that was cut off."""
    lease = json.dumps({"id": "another", "machine": machine, "process": process}).encode()
    (place / FILE).write_bytes(lease)
    return lease


def test_a_second_run_is_refused_and_nothing_is_left_of_the_first(folder: Remote) -> None:
    with locked(folder), pytest.raises(InputError, match="another `curate score`") as error, locked(folder):
        pass
    assert error.value.where == str(folder)
    assert error.value.hint
    assert list(folder.iterdir()) == []


def test_the_lease_of_a_process_that_has_ended_is_taken_at_once(folder: Remote) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left_by(folder, curate.lease._machine(), ended.pid)
    with locked(folder):
        pass
    assert list(folder.iterdir()) == []


def test_the_lease_of_another_machine_is_waited_for_until_it_is_old(
    folder: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = left_by(folder, "elsewhere", os.getpid())
    with pytest.raises(InputError, match="another `curate score`"), locked(folder):
        pass
    assert (folder / FILE).read_bytes() == left
    assert [place.name for place in folder.iterdir()] == [FILE]
    monkeypatch.setattr(curate.lease, "_STALE", -1.0)
    with locked(folder):
        assert (folder / FILE).read_bytes() != left


def test_a_lease_that_makes_no_sense_is_like_one_of_another_machine(folder: Remote) -> None:
    (folder / FILE).write_bytes(b"\xff no lease")
    with pytest.raises(InputError, match="another `curate score`"), locked(folder):
        pass


def test_a_lease_is_renewed_while_the_run_goes_on(folder: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curate.lease, "_RENEWED", 0.05)
    with locked(folder):
        begun = (folder / FILE).modified()
        until = time.monotonic() + 20
        while (folder / FILE).modified() == begun and time.monotonic() < until:
            time.sleep(0.1)
        assert (folder / FILE).modified() > begun


def test_a_run_whose_lease_was_taken_ends_with_an_error_and_leaves_the_others(folder: Remote) -> None:
    with pytest.raises(InputError, match="taken this score set for abandoned"), locked(folder):
        taken = left_by(folder, "elsewhere", 1)
    assert (folder / FILE).read_bytes() == taken


def test_a_lease_says_no_name_of_a_machine(folder: Remote) -> None:
    import platform

    with locked(folder):
        assert platform.node().encode() not in (folder / FILE).read_bytes()
