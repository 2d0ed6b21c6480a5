"""The face mesh and the scorers on a device give the very numbers of the CPU's path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from oracle import Case

from curate.models.pack import find_pack
from curate.models.quantise import write_f16
from curate.models.session import Session
from curate.scorers.decode import decode
from curate.scorers.device import scorers as device_scorers
from curate.scorers.device.mesh import DeviceMesh
from curate.scorers.device.scorers import DeviceLibreFace, DeviceLite, StoredMesh
from curate.scorers.device.store import Store
from curate.scorers.face import Face
from curate.scorers.libreface import LibreFace, LibreFaceSeparate
from curate.scorers.lite import Lite
from curate.scorers.mesh import FaceMesh
from curate.scorers.scorer import Scorer, Values, fingerprint, make_scorer

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "faces"


@pytest.fixture(scope="module")
def pictures(cases: list[Case]) -> list[NDArray[np.uint8]]:
    """Of many sizes; one without a face, one with several, one so full of its face that it needs a wider view."""
    examples = [decode(path.read_bytes()).pixels for path in sorted(EXAMPLES.glob("*.jpg"))[:6]]
    crowd = np.concatenate([np.concatenate(examples[:3], axis=1)] * 2)
    landmarks = cases[0].landmarks[:, :2] * cases[0].pixels.shape[1::-1]
    low, high = landmarks.min(axis=0).astype(int), landmarks.max(axis=0).astype(int)
    full = np.ascontiguousarray(cases[0].pixels[max(low[1], 0) : high[1], max(low[0], 0) : high[0]])
    nothing = np.zeros((40, 60, 3), np.uint8)
    return [*(case.pixels for case in cases), *examples, crowd, full, nothing]


def same(a: Values, b: Values, most: float = 0.0) -> None:
    assert a.keys() == b.keys()
    for name in a:
        one, other = np.asarray(a[name]), np.asarray(b[name])
        if one.dtype.kind == "f":
            assert np.array_equal(np.isnan(one), np.isnan(other)), name
            assert np.nanmax(np.abs(one - other), initial=0) <= most, name
        else:
            assert np.array_equal(one, other), name


def test_the_mesh_finds_the_same_faces(pictures: list[NDArray[np.uint8]], mesh: FaceMesh) -> None:
    expected = mesh.detect(pictures)
    found = StoredMesh(Store("cpu"), DeviceMesh("cpu", together=5)).detect(pictures)
    assert [len(faces) for faces in found] == [len(faces) for faces in expected]
    assert {0, 1, 6} <= {len(faces) for faces in found}
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert np.array_equal(one.landmarks, other.landmarks)
            assert one.presence == other.presence


def test_pictures_that_are_not_on_the_device_are_refused() -> None:
    with pytest.raises(TypeError, match="not on the device"):
        DeviceMesh("cpu", together=2).detect([np.zeros((40, 40, 3), np.uint8)])


def test_lite_gives_the_same_numbers(pictures: list[NDArray[np.uint8]], mesh: FaceMesh) -> None:
    faces = [
        Face(pixels, face.landmarks)
        for pixels, found in zip(pictures, mesh.detect(pictures), strict=True)
        for face in found
    ]
    device = DeviceLite(Lite(), Store("cpu"))
    _compared(Lite(), device, faces)


@pytest.mark.usefixtures("libreface")
def test_a_set_made_on_the_cpu_is_up_to_date_on_a_device() -> None:
    mesh, store = DeviceMesh("cpu", together=2), Store("cpu")
    for name in ("lite", "libreface", "mesh", "quality", "generation"):
        assert fingerprint(make_scorer(name, device="cuda"), "onnx") == fingerprint(make_scorer(name), "onnx")
    for ours in (DeviceLite(Lite(), store), DeviceLibreFace(LibreFace(), store, mesh)):
        assert fingerprint(ours, "onnx") == fingerprint(make_scorer(ours.name), "onnx")


def test_a_float16_network_is_fed_alike(
    cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = find_pack("lite")
    write_f16(pack.path("face"), tmp_path / "f16.onnx")
    # What `open_network` does on CUDA; on the CPU `fast` means OpenVINO, which binds no memory.
    monkeypatch.setattr(device_scorers, "open_network", lambda *_: Session(tmp_path / "f16.onnx"))
    faces = [Face(case.pixels, case.landmarks) for case in cases]
    exact, half = Lite(), DeviceLite(Lite(), Store("cpu"))
    exact.open("cpu")
    half.open("cpu")
    expected, found = exact.score(faces), half.score(faces)
    same(found, expected, 0.02)
    with pytest.raises(AssertionError):
        same(found, expected)


@pytest.mark.usefixtures("libreface")
@pytest.mark.parametrize(("scorer", "count"), [(LibreFace, 5), (LibreFaceSeparate, 1)])
def test_libreface_gives_the_same_numbers(
    pictures: list[NDArray[np.uint8]], mesh: FaceMesh, scorer: type[LibreFace], count: int
) -> None:
    some = pictures[:count]
    faces = [
        Face(pixels, found[0].landmarks)
        for pixels, found in zip(some, mesh.detect(some), strict=True)
        if found
    ]
    store = Store("cpu")
    _compared(scorer(), DeviceLibreFace(scorer(), store, DeviceMesh("cpu", 4)), faces, 1e-3)


def _compared(scorer: Scorer, device: Scorer, faces: list[Face], most: float = 0.0) -> None:
    scorer.open("cpu")
    device.open("cpu")
    assert (device.name, device.version, device.columns) == (scorer.name, scorer.version, scorer.columns)
    same(device.score(faces), scorer.score(faces), most)


def test_a_page_is_not_copied_again() -> None:
    page = np.random.default_rng(0).integers(0, 256, (500, 3), np.uint8)
    store = Store("cpu")
    store.put(page)
    inside, other = page[100:400].reshape(15, 20, 3), np.ones((4, 4, 3), np.uint8)
    (first, there), (second, copied) = store.locate([inside, other])
    assert (list(first), list(second)) == ([0], [1])
    assert there.origin[0] == 100
    assert np.array_equal(there[0], inside)
    assert np.array_equal(copied[0], other)
    assert store.locate([other])[0][1].pixels is copied.pixels
    store.clear()
    assert len(store.locate([inside, other])) == 1
