"""OpenVINO networks, and which file a scorer's options mean."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from curate.errors import ModelError
from curate.models import openvino_network, profile
from curate.models.pack import find_pack, sha256_of
from curate.models.profile import (
    Chosen,
    Record,
    fast_options,
    file_name,
    network_file,
    open_network,
    read_record,
    record_path,
)
from curate.models.quantise import write_f16, write_int8
from curate.models.session import Device, Precision, Session
from curate.scorers.lite import Lite
from curate.scorers.scorer import fingerprint, make_scorer


def lite_inputs(n: int) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(0)
    return {
        "pixels": rng.random((n, 1, 96, 96), np.float32),
        "shape": (0.05 * rng.normal(size=(n, 1434))).astype(np.float32),
    }


def leave_record(precision: Precision, made: Path | None = None) -> Chosen:
    """As `curate models profile` leaves it."""
    pack = find_pack("lite")
    chosen = Chosen(precision=precision)
    path = record_path(pack, "cpu")
    path.parent.mkdir(parents=True, exist_ok=True)
    if made is not None:
        sha256 = sha256_of(made)
        chosen = Chosen(precision=precision, file=file_name("face", precision, sha256), sha256=sha256)
        (path.parent / str(chosen.file)).write_bytes(made.read_bytes())
    record = Record(
        pack="lite",
        fingerprint=pack.fingerprint,
        device="cpu",
        processor="x",
        faces=1,
        chosen={"face": chosen},
        measured=(),
    )
    path.write_text(record.model_dump_json())
    return chosen


@pytest.mark.parametrize("rows", [0, 1, 3, 8])
def test_openvino_in_float32_answers_as_onnx_runtime_for_any_number_of_rows(rows: int) -> None:
    path = find_pack("lite").path("face")
    x = lite_inputs(rows)
    ours, exact = Session(path, openvino="f32"), Session(path)
    assert ours.inputs == exact.inputs
    for name, values in exact.run(x).items():
        found = ours.run(x)[name]
        assert found.shape == values.shape
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, values, atol=1e-5)


def test_answers_do_not_change_when_the_next_batch_runs() -> None:
    session = Session(find_pack("lite").path("face"), openvino="f32")
    x = lite_inputs(4)
    first = session.run(x)
    kept = {name: values.copy() for name, values in first.items()}
    session.run({name: values[::-1] for name, values in x.items()})
    for name, values in first.items():
        np.testing.assert_array_equal(values, kept[name])


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_fewer_bits_are_near_and_are_not_the_same(precision: Precision, tmp_path: Path) -> None:
    path = find_pack("lite").path("face")
    x = lite_inputs(8)
    exact = Session(path).run(x)["intensity"]
    if precision == "int8":
        write_int8(path, x, tmp_path / "int8.onnx")
        path = tmp_path / "int8.onnx"
        assert path.stat().st_size < 2_500_000
    apart = np.abs(Session(path, openvino=precision).run(x)["intensity"] - exact)
    assert apart.max() < 0.1
    if precision == "int8":
        assert apart.max() > 1e-5


def test_float16_keeps_float32_at_both_ends(tmp_path: Path) -> None:
    path = find_pack("lite").path("face")
    write_f16(path, tmp_path / "f16.onnx")
    x = lite_inputs(4)
    found = Session(tmp_path / "f16.onnx").run(x)["intensity"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, Session(path).run(x)["intensity"], atol=5e-3)
    assert (tmp_path / "f16.onnx").stat().st_size < 0.6 * path.stat().st_size


def test_openvino_prints_nothing() -> None:
    code = (
        "import numpy as np; from curate.models.pack import find_pack; from curate.models.session import Session;"
        "Session(find_pack('lite').path('face'), openvino='bf16')"
        ".run({'pixels': np.zeros((2, 1, 96, 96)), 'shape': np.zeros((2, 1434))})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_openvino_tells_nobody_that_it_was_imported(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.addaudithook(lambda event, _: event in ('socket.getaddrinfo', 'socket.connect') and print(event))\n"
        "from curate.models.pack import find_pack\n"
        "from curate.models.session import Session\n"
        "Session(find_pack('lite').path('face'), openvino='winograd')\n"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry')])\n"
    )
    environment = os.environ | {"HOME": str(tmp_path), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
    assert not list(tmp_path.glob("intel")), "where it keeps whom it reports as"


def test_a_file_that_is_no_model_is_a_model_error(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model at all")
    with pytest.raises(ModelError, match="cannot"):
        Session(tmp_path / "bad.onnx", openvino="f32")
    with pytest.raises(ModelError, match="cannot be quantised"):
        write_int8(tmp_path / "bad.onnx", lite_inputs(1), tmp_path / "out.onnx")


def test_without_openvino_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_network, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match="needs OpenVINO") as error:
        make_scorer("lite", "fast")
    assert error.value.hint == 'pip install "curate-faces[openvino]"'


def test_exact_has_no_options_and_fast_has_another_fingerprint() -> None:
    exact, fast = make_scorer("lite"), make_scorer("lite", "fast")
    assert exact.options == {}
    assert fast.options["profile"] == "fast"
    assert fingerprint(exact, "onnx") != fingerprint(fast, "onnx")
    assert make_scorer("quality", "fast").options == {}


@pytest.mark.parametrize(
    ("fast_bf16", "machine", "device", "taken"),
    [
        (False, "x86_64", "cpu", "winograd"),
        (False, "AMD64", "cpu", "winograd"),
        (True, "x86_64", "cpu", "bf16"),
        (False, "aarch64", "cpu", "f32"),
        (True, "x86_64", "cuda", "f32"),
    ],
)
def test_without_a_record_it_is_what_is_faster_there(
    fast_bf16: bool, machine: str, device: Device, taken: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "fast_bf16", lambda: fast_bf16)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert fast_options(find_pack("lite"), ["face"], device)["face"] == taken


def test_a_record_says_what_fast_takes_and_changes_the_fingerprint(tmp_path: Path) -> None:
    pack = find_pack("lite")
    leave_record("f32")
    before = fingerprint(Lite("fast"), "onnx")
    write_int8(pack.path("face"), lite_inputs(4), tmp_path / "face.onnx")
    chosen = leave_record("int8", tmp_path / "face.onnx")
    scorer = pickle.loads(pickle.dumps(Lite("fast")))  # noqa: S301  # as it travels to a worker
    assert scorer.options == {"profile": "fast", "face": f"int8 {chosen.sha256}"}
    assert fingerprint(scorer, "onnx") != before
    assert network_file(pack, "face", scorer.options).name == chosen.file
    session = open_network(pack, "face", scorer.options, "cpu")
    assert np.isfinite(session.run(lite_inputs(2))["intensity"]).all()


def test_a_quantised_file_that_changed_or_went_is_an_error(tmp_path: Path) -> None:
    pack = find_pack("lite")
    write_int8(pack.path("face"), lite_inputs(4), tmp_path / "face.onnx")
    leave_record("int8", tmp_path / "face.onnx")
    options = fast_options(pack, ["face"])
    path = network_file(pack, "face", options)
    path.write_bytes(path.read_bytes() + b"x")
    for _ in range(2):
        with pytest.raises(ModelError, match="missing or damaged") as error:
            network_file(pack, "face", options)
        assert error.value.hint == "curate models profile lite"
        path.unlink(missing_ok=True)


def test_a_record_that_makes_no_sense_is_an_error() -> None:
    pack = find_pack("lite")
    assert read_record(pack, "cpu") is None
    leave_record("f32")
    record_path(pack, "cpu").write_text("{}")
    with pytest.raises(ModelError, match="cannot be read"):
        fast_options(pack, ["face"])


def test_a_record_of_other_networks_is_not_believed() -> None:
    pack = find_pack("lite")
    leave_record("f32")
    path = record_path(pack, "cpu")
    path.write_text(path.read_text().replace(pack.fingerprint, "0" * len(pack.fingerprint)))
    with pytest.raises(ModelError, match="of another pack"):
        fast_options(pack, ["face"])
