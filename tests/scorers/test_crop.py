from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from curate.scorers.crop import face_crop, face_shape, mirror_points
from curate.scorers.mesh import FaceMesh
from curate.scorers.pose import canonical_face

FACES = Path(__file__).resolve().parents[2] / "examples" / "faces"


def turned(points: NDArray[np.float64], yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Points x right, y up, z to the viewer, rotated by radians."""
    (cy, cp, cr), (sy, sp, sr) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(points @ (tilt @ turn @ nod).T)


def in_picture(points: NDArray[np.float64], size: tuple[int, int], scale: float) -> NDArray[np.float64]:
    """Landmarks of a picture of this size whose face is `scale` pixels an eye distance, in its middle."""
    pixels = points * (scale, -scale, -scale) + (size[0] / 2, size[1] / 2, 0)
    return np.asarray(pixels / (size[0], size[1], size[0]))


@pytest.fixture(scope="module")
def portrait() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    pixels = np.asarray(Image.open(FACES / "seed0071.jpg").convert("RGB"))
    return pixels, FaceMesh().detect([pixels])[0][0].landmarks


@settings(max_examples=40, deadline=None)
@given(
    angles=st.tuples(*[st.floats(-0.7, 0.7)] * 3),
    scale=st.floats(5, 900),
    size=st.tuples(st.integers(64, 3000), st.integers(64, 3000)),
)
def test_a_shape_knows_nothing_of_pose_position_and_size(
    angles: tuple[float, float, float], scale: float, size: tuple[int, int]
) -> None:
    seen = in_picture(turned(canonical_face(), *angles), size, scale)
    assert np.abs(face_shape(seen[None], np.array([size]))[0] - canonical_face()).max() < 1e-5


def test_a_moved_mouth_corner_moves_that_point_of_the_shape_alone() -> None:
    face = canonical_face().copy()
    face[61] += (-0.1, 0.05, 0)
    shape = face_shape(
        in_picture(turned(face, 0.3, -0.1, 0.2), (500, 400), 80)[None], np.array([[500, 400]])
    )[0]
    change = shape - canonical_face()
    assert np.allclose(change[61], (-0.1, 0.05, 0), atol=1e-5)
    assert np.abs(np.delete(change, 61, axis=0)).max() < 1e-5


def test_the_mirror_is_its_own_inverse_and_fits_the_canonical_face() -> None:
    partner = mirror_points()
    assert (partner[partner] == np.arange(478)).all()
    assert partner[33] == 263
    assert partner[61] == 291
    away = np.linalg.norm(canonical_face() * (-1, 1, 1) - canonical_face()[partner], axis=1)
    # Two pairs of the canonical face were crossed when it was averaged.
    assert np.quantile(away, 0.98) < 0.01


def test_a_crop_is_upright_whatever_way_the_picture_is_turned(
    portrait: tuple[NDArray[np.uint8], NDArray[np.float32]],
) -> None:
    pixels, landmarks = portrait
    straight = face_crop(pixels, landmarks, 96).astype(int)
    x, y, z = landmarks.T
    sideways = np.rot90(pixels)  # counter-clockwise: x' = y, y' = 1 - x
    lying = np.stack([y, 1 - x, z * pixels.shape[1] / pixels.shape[0]], axis=1)
    again = face_crop(np.ascontiguousarray(sideways), lying, 96).astype(int)
    assert np.abs(straight - again).mean() < 1.5


@pytest.mark.parametrize("factor", [2, 3, 5, 8])
def test_a_crop_is_the_same_from_a_larger_picture(
    portrait: tuple[NDArray[np.uint8], NDArray[np.float32]], factor: int
) -> None:
    pixels, landmarks = portrait
    large = np.repeat(np.repeat(pixels, factor, axis=0), factor, axis=1)
    small = face_crop(pixels, landmarks, 48).astype(int)
    same = face_crop(large, landmarks, 48).astype(int)
    shifted = np.abs(small - np.roll(same, 1, axis=0)).mean()
    assert np.abs(small - same).mean() < min(4.0, shifted / 2)


def test_the_margin_adds_around_what_was_there(
    portrait: tuple[NDArray[np.uint8], NDArray[np.float32]],
) -> None:
    pixels, landmarks = portrait
    wide = face_crop(pixels, landmarks, 120, 1.25)[12:108, 12:108].astype(int)
    assert np.abs(wide - face_crop(pixels, landmarks, 96).astype(int)).mean() < 1


def test_a_face_that_leaves_the_picture_repeats_its_edge() -> None:
    pixels = np.full((40, 60, 3), 200, np.uint8)
    landmarks = in_picture(canonical_face(), (60, 40), 90)
    assert (face_crop(pixels, landmarks, 96) == 200).all()
    outside = landmarks + np.array((3.0, 3.0, 0))
    assert (face_crop(pixels, outside, 96) == 200).all()


def test_a_mesh_that_is_a_single_point_has_a_finite_shape_and_a_crop() -> None:
    point = np.full((478, 3), 0.5, np.float32)
    assert np.isfinite(face_shape(point[None], np.array([[60, 40]]))).all()
    assert face_crop(np.full((40, 60, 3), 9, np.uint8), point, 32).shape == (32, 32, 3)
