from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from oracle import Case

from curate.scorers.decode import decode
from curate.scorers.mesh import FaceMesh

DEMO_EVERY = 10


def test_landmarks_are_those_of_mediapipe(cases: list[Case], mesh: FaceMesh) -> None:
    found = mesh.detect([case.pixels for case in cases], max_faces=2, zooms=(1,))
    for case, faces in zip(cases, found, strict=True):
        assert len(faces) == 1, case.name
        height, width = case.pixels.shape[:2]
        error = np.abs(faces[0].landmarks - case.landmarks) * (width, height, width)
        assert error.mean() <= 0.01, case.name
        assert error.max() <= 0.1, case.name


def test_number_of_faces_is_that_of_mediapipe(shared: Path, mesh: FaceMesh) -> None:
    inputs = shared / "libreface" / "oracle" / "inputs"
    pictures = [decode((inputs / name).read_bytes()).pixels for name in ("no_face.png", "two_faces.png")]
    assert [len(faces) for faces in mesh.detect(pictures, zooms=(1,))] == [0, 2]


def test_a_batch_gives_what_each_picture_gives_alone(cases: list[Case], mesh: FaceMesh) -> None:
    pictures = [case.pixels for case in cases[:6]]
    together = mesh.detect(pictures)
    for pixels, faces in zip(pictures, together, strict=True):
        (alone,) = mesh.detect([pixels])[0]
        assert np.abs(alone.landmarks - faces[0].landmarks).max() < 1e-5


def test_demo_faces_are_found(shared: Path, mesh: FaceMesh) -> None:
    paths = sorted((shared / "data" / "demo_faces").glob("*.jpg"))[::DEMO_EVERY]
    found = mesh.detect([decode(path.read_bytes()).pixels for path in paths])
    assert sum(bool(faces) for faces in found) >= 0.99 * len(paths)


def test_a_face_that_fills_its_frame_is_found_by_looking_from_further_away(
    shared: Path, mesh: FaceMesh
) -> None:
    polars = pytest.importorskip("polars")
    table = polars.read_parquet(shared / "data" / "ferplus.parquet", columns=["split", "image"])
    encoded = table.filter(polars.col("split") == "test")["image"].head(200)
    pictures = [_enlarged(decode(data).pixels) for data in encoded]
    at_first = sum(bool(faces) for faces in mesh.detect(pictures, zooms=(1,)))
    at_last = sum(bool(faces) for faces in mesh.detect(pictures))
    assert at_last >= 0.97 * len(pictures)
    assert at_last > at_first


def test_pictures_without_a_face_have_none(mesh: FaceMesh) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    flat = np.full((100, 300, 3), 127, np.uint8)
    assert mesh.detect([noise, flat]) == [[], []]


def test_no_pictures_give_no_faces(mesh: FaceMesh) -> None:
    assert mesh.detect([]) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (2000, 3, 3), (3, 2000, 3), (33, 31, 3)])
def test_odd_shapes_are_looked_at(mesh: FaceMesh, shape: tuple[int, int, int]) -> None:
    assert mesh.detect([np.zeros(shape, np.uint8)]) == [[]]


def _enlarged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize((224, 224), Image.Resampling.BILINEAR))
