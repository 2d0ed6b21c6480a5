"""The shipped face-mesh pack: whole, usable, and rebuilt byte for byte from MediaPipe's own files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from curate.errors import ModelError
from curate.models.face_mesh import SOURCES, convert_face_mesh
from curate.models.pack import find_pack
from curate.models.session import open_session


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of mediapipe 0.10.21: $CURATE_MEDIAPIPE_WHEEL, or what pip can fetch."""
    given = os.environ.get("CURATE_MEDIAPIPE_WHEEL")
    if given:
        return Path(given)
    folder = tmp_path_factory.mktemp("mediapipe")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    # Any build will do: the models in it are the same. This one exists for a Python that has it.
    command += ["--only-binary=:all:", "--python-version=3.11", "--platform=manylinux_2_28_x86_64"]
    try:
        done = subprocess.run([*command, "mediapipe==0.10.21"], capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("pip took over two minutes to fetch mediapipe 0.10.21")
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        pytest.skip(f"pip cannot fetch mediapipe 0.10.21: {done.stderr.strip().splitlines()[-1:]}")
    return wheels[0]


def test_shipped_pack_is_whole() -> None:
    pack = find_pack("face-mesh")
    pack.verify()
    assert set(pack.networks) == {"detector", "landmarks"}
    assert {name for name, file in pack.files.items() if file.role == "notice"} == {"NOTICE.txt"}


def test_shipped_networks_run_at_any_batch_size() -> None:
    pack = find_pack("face-mesh")
    rng = np.random.default_rng(0)
    for role, size in (("detector", 128), ("landmarks", 192)):
        session = open_session(pack, role)
        assert set(session.outputs) == set(pack.network(role).outputs)
        x = rng.uniform(0, 1, (3, 3, size, size)).astype(np.float32)
        together = session.run(x)
        for name, rows in together.items():
            alone = np.concatenate([session.run(one[None])[name] for one in x])
            np.testing.assert_allclose(rows, alone, atol=2e-3, err_msg=name)  # px or logits


def test_blank_picture_gives_finite_numbers() -> None:
    out = open_session(find_pack("face-mesh"), "landmarks").run(np.zeros((2, 3, 192, 192), np.float32))
    assert all(np.isfinite(rows).all() for rows in out.values())


def test_pack_is_rebuilt_byte_for_byte_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    shipped = find_pack("face-mesh")
    rebuilt = convert_face_mesh(wheel, tmp_path / "pack")
    assert rebuilt.fingerprint == shipped.fingerprint
    for name in [*shipped.files, "card.yaml"]:
        assert (rebuilt.folder / name).read_bytes() == (shipped.folder / name).read_bytes(), name


def test_folder_with_the_files_somewhere_below_will_do(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.namelist():
            if Path(entry).stem in SOURCES:
                archive.extract(entry, tmp_path / "site-packages")
    assert convert_face_mesh(tmp_path, tmp_path / "pack").fingerprint == find_pack("face-mesh").fingerprint


def test_other_files_of_the_same_name_are_refused(tmp_path: Path) -> None:
    for name in SOURCES:
        (tmp_path / f"{name}.tflite").write_bytes(b"\x00\x00\x00\x00TFL3 of another release")
    with pytest.raises(ModelError, match="sha256 differs") as caught:
        convert_face_mesh(tmp_path, tmp_path / "pack")
    assert "mediapipe==0.10.21" in caught.value.hint
    assert not (tmp_path / "pack").exists()


@pytest.mark.parametrize("kind", ["empty folder", "no archive", "missing"])
def test_source_without_the_files_is_refused(kind: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    if kind == "empty folder":
        source.mkdir()
    elif kind == "no archive":
        source.write_bytes(b"not a wheel")
    with pytest.raises(ModelError):
        convert_face_mesh(source, tmp_path / "pack")
    assert not (tmp_path / "pack").exists()


def test_damaged_file_is_named_with_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "models" / "face-mesh"
    shutil.copytree(find_pack("face-mesh").folder, folder)
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path))
    pack = find_pack("face-mesh")
    assert pack.folder == folder
    file = pack.path("detector")
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelError, match="damaged") as caught:
        open_session(pack, "detector")
    assert caught.value.where == str(file)
    assert caught.value.hint
    open_session(pack, "landmarks")
