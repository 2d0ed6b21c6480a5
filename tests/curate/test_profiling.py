"""`curate models profile`, typed and called."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from typed import curate

from curate.errors import InputError, ModelError
from curate.models.pack import find_pack
from curate.models.profile import read_record, record_path
from curate.profiling import faces as faces_to_measure_on
from curate.profiling.faces import example_faces, faces_in
from curate.profiling.pack import profile_pack
from curate.profiling.whole import compare_whole
from curate.scorers.face import Face

FACES = Path(__file__).resolve().parents[2] / "examples" / "faces"


@pytest.fixture(scope="module")
def faces() -> list[Face]:
    return faces_in(FACES, 20)


def test_a_checkout_has_examples_and_an_installed_package_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        faces_to_measure_on, "__file__", str(FACES.parents[1] / "curate" / "profiling" / "faces.py")
    )
    assert example_faces() == FACES
    monkeypatch.setattr(
        faces_to_measure_on, "__file__", str(tmp_path / "site-packages" / "curate" / "profiling" / "faces.py")
    )
    with pytest.raises(InputError, match="no faces to measure on"):
        example_faces()


def test_too_few_faces_are_refused(faces: list[Face]) -> None:
    with pytest.raises(InputError, match="not enough"):
        profile_pack("lite", faces[:4])


def test_what_is_taken_is_the_fastest_that_passes_and_is_what_fast_runs(faces: list[Face]) -> None:
    record = profile_pack("lite", faces)
    assert record == read_record(find_pack("lite"), "cpu")
    measured = {m.precision: m for m in record.measured}
    assert measured.keys() == {"f32", "winograd", "bf16", "int8"}
    assert measured["f32"].passes
    assert measured["f32"].mean is not None
    assert measured["f32"].mean < 1e-4
    taken = measured[record.chosen["face"].precision]
    assert taken.passes or taken.precision == "bf16"
    assert taken.ms == min(m.ms or np.inf for m in record.measured if m.passes or m.precision == "bf16")
    whole = compare_whole("lite", faces)
    assert whole.mean < 0.1


def test_two_do_not_measure_one_pack_at_once(faces: list[Face]) -> None:
    folder = record_path(find_pack("lite"), "cpu").parent
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"), pytest.raises(ModelError, match="another `curate models profile`"):
        profile_pack("lite", faces)


def test_a_cache_that_cannot_be_written_to_is_an_error_in_words(faces: list[Face]) -> None:
    folder = record_path(find_pack("lite"), "cpu").parent
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    with pytest.raises(ModelError, match="cannot be written"):
        profile_pack("lite", faces)


def test_float16_is_gated_where_there_is_no_gpu_too(faces: list[Face]) -> None:
    record = profile_pack("lite", faces, "cuda")
    assert {m.precision for m in record.measured} == {"f32", "f16"}
    assert record.chosen["face"].precision == "f16"
    assert record.chosen["face"].sha256


def test_the_command_says_what_it_found(tmp_path: Path) -> None:
    done = curate("models", "profile", "lite", "--faces", FACES, "--limit", "20", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["records"][0]["pack"] == "lite"
    assert said["whole"][0]["scorer"] == "lite"
    told = curate("models", "profile", "lite", "--faces", FACES, "--limit", "34", cwd=tmp_path)
    assert "faces are few for the gate" in told.stdout
    again = curate("models", "profile", "face-mesh", cwd=tmp_path)
    assert again.returncode == 1
    assert "no profiles" in again.stderr
