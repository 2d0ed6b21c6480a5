from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from curate.scorers.asymmetry import asymmetry
from curate.scorers.crop import mirror_points
from curate.scorers.face import Face
from curate.scorers.geometry import Geometry
from curate.scorers.mesh import FaceMesh
from curate.scorers.pose import canonical_face

ROOT = Path(__file__).resolve().parents[2]


def turned(points: NDArray[np.float64], yaw: float, roll: float = 0) -> NDArray[np.float64]:
    a, b = np.radians([yaw, roll])
    around = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    within = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return points @ (within @ around).T


def one(points: NDArray[np.float64], yaw: float = 0) -> float:
    return float(asymmetry(points[None], np.array([yaw]))[0])


def symmetric() -> NDArray[np.float64]:
    face = canonical_face()
    mirrored = face[mirror_points()] * (-1, 1, 1)
    half: NDArray[np.float64] = (face + mirrored) / 2
    return half


def smirking() -> NDArray[np.float64]:
    """One corner of the mouth a tenth of the eye distance up and out."""
    face = symmetric()
    face[291, :2] += 0.1
    return face


def test_a_face_that_is_its_own_mirror_image_has_none() -> None:
    assert one(symmetric()) == pytest.approx(0, abs=1e-7)
    assert one(canonical_face()) < 0.01


def test_a_smirk_and_a_wink_have_some() -> None:
    wink = symmetric()
    wink[159] = wink[145]
    assert one(smirking()) > 0.02
    assert one(wink) > 0.02


def test_a_mirrored_mesh_has_the_same() -> None:
    assert one(smirking()[mirror_points()] * (-1, 1, 1)) == pytest.approx(one(smirking()), abs=1e-7)


def test_turning_and_scaling_a_face_change_nothing() -> None:
    for yaw in (-15, 10, 15):
        assert one(turned(smirking(), yaw, roll=30) * 70, yaw) == pytest.approx(one(smirking()), abs=1e-6)


@pytest.mark.parametrize("yaw", [-20, 20, 60])
def test_a_face_turned_away_has_no_answer(yaw: float) -> None:
    assert np.isnan(one(smirking(), yaw))


def test_a_mesh_that_is_a_point_has_no_answer() -> None:
    assert np.isnan(one(np.zeros((478, 3))))


def test_the_mesh_scorer_fills_it_and_mirrored_pictures_agree() -> None:
    paths = sorted((ROOT / "examples" / "faces").iterdir())[:4]
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    pictures += [np.ascontiguousarray(picture[:, ::-1]) for picture in pictures]
    meshes = FaceMesh().detect(pictures)
    faces = [Face(picture, found[0].landmarks) for picture, found in zip(pictures, meshes, strict=True)]
    values = Geometry().score(faces)
    found, yaw = np.array(values["asymmetry"]), np.array(values["yaw"])
    seen = np.abs(yaw) < 19
    assert seen.sum() >= 4
    assert (found[seen] < 0.1).all()
    np.testing.assert_allclose(found[:4][seen[:4]], found[4:][seen[:4]], atol=0.03)
