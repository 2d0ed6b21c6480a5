from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import Case
from PIL import Image

from curate.scorers.decode import decode
from curate.scorers.mesh import FaceMesh
from curate.scorers.pose import canonical_face, head_pose


def pose(case: Case) -> np.ndarray:  # type: ignore[type-arg]
    height, width = case.pixels.shape[:2]
    return head_pose((case.landmarks * (width, height, width))[None])[0]


def test_a_face_turned_25_degrees_in_the_plane_reads_25(cases: list[Case]) -> None:
    turned = next(case for case in cases if case.name == "rot25")
    assert abs(pose(turned)[2] - 25) <= 2


@pytest.mark.parametrize("angle", [-40, -25, 25, 40])
def test_turning_a_picture_changes_roll_by_the_angle_and_little_else(
    cases: list[Case], mesh: FaceMesh, angle: int
) -> None:
    case = next(case for case in cases if case.name == "face_0156")
    turned = np.asarray(Image.fromarray(case.pixels).rotate(angle, Image.Resampling.BICUBIC))
    height, width = turned.shape[:2]
    (face,) = mesh.detect([turned])[0]
    change = head_pose((face.landmarks * (width, height, width))[None])[0] - pose(case)
    assert abs(change[2] - angle) <= 2
    assert np.abs(change[:2]).max() <= 5


def test_the_size_of_the_picture_does_not_matter(cases: list[Case], mesh: FaceMesh) -> None:
    case = next(case for case in cases if case.name == "face_0156")
    for scale in (0.5, 3):
        size = (round(case.pixels.shape[1] * scale), round(case.pixels.shape[0] * scale))
        resized = np.asarray(Image.fromarray(case.pixels).resize(size))
        (face,) = mesh.detect([resized])[0]
        assert np.abs(head_pose((face.landmarks * (*size, size[0]))[None])[0] - pose(case)).max() < 3


def test_a_mirrored_face_looks_the_other_way(cases: list[Case], mesh: FaceMesh) -> None:
    case = next(case for case in cases if case.name == "face_0001")
    mirrored = np.ascontiguousarray(case.pixels[:, ::-1])
    height, width = mirrored.shape[:2]
    (face,) = mesh.detect([mirrored])[0]
    yaw, pitch, roll = head_pose((face.landmarks * (width, height, width))[None])[0]
    assert np.abs(np.array([-yaw, pitch, -roll]) - pose(case)).max() < 4


angles = st.floats(-60, 60)


@given(yaw=angles, pitch=angles, roll=st.floats(-170, 170), scale=st.floats(5, 500))
def test_a_turned_canonical_face_reads_the_angles_it_was_turned_by(
    yaw: float, pitch: float, roll: float, scale: float
) -> None:
    y, p, r = np.radians([yaw, -pitch, roll])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    turned = canonical_face() @ (about_z @ about_y @ about_x).T * scale
    in_picture = turned * (1, -1, -1) + (300, 200, 0)
    assert np.allclose(head_pose(in_picture[None])[0], (yaw, pitch, roll), atol=1e-6)


def test_the_canonical_face_is_symmetric() -> None:
    face = canonical_face()
    mirrored = face * (-1, 1, 1)
    nearest = np.linalg.norm(face[:, None] - mirrored[None], axis=2).min(axis=1)
    assert nearest.max() < 0.02  # of the distance between the eyes


def test_decoding_a_turned_exif_picture_leaves_the_pose_upright(cases: list[Case], mesh: FaceMesh) -> None:
    case = next(case for case in cases if case.name == "exif_rotated")
    (face,) = mesh.detect([decode(case.path.read_bytes()).pixels])[0]
    height, width = case.pixels.shape[:2]
    assert abs(head_pose((face.landmarks * (width, height, width))[None])[0, 2]) < 5
