from __future__ import annotations

import numpy as np
import pytest
from oracle import Case

from curate.scorers.align import SIZE, align, face_square


def test_aligned_pictures_are_those_of_libreface_to_the_last_pixel(cases: list[Case]) -> None:
    different = [c.name for c in cases if not np.array_equal(align(c.pixels, c.landmarks), c.aligned)]
    assert different == []


def test_the_square_is_that_of_libreface(cases: list[Case]) -> None:
    case = next(case for case in cases if case.name == "face_0001")
    height, width = case.pixels.shape[:2]
    square = face_square(case.landmarks[:, :2].astype(np.float64) * (width, height))
    expected = case.record["align"]
    assert square.side == expected["qsize"]
    # The record holds the quad after the crop.
    assert np.array_equal(square.quad - expected["crop"][:2], expected["quad"])


def test_a_face_of_more_than_1024_pixels_is_aligned(cases: list[Case]) -> None:
    case = next(case for case in cases if case.name == "face_0156")
    large = case.pixels.repeat(6, axis=0).repeat(6, axis=1)
    aligned = align(large, case.landmarks)
    assert aligned.shape == (SIZE, SIZE, 3)
    assert np.abs(aligned.astype(int) - case.aligned).mean() < 4


@pytest.mark.parametrize("corner", [(0.0, 0.0), (0.9, 0.0), (0.0, 0.9), (0.9, 0.9)])
def test_a_face_that_leaves_the_picture_is_aligned(cases: list[Case], corner: tuple[float, float]) -> None:
    case = cases[0]
    landmarks = case.landmarks.copy()
    landmarks[:, :2] += np.float32(corner) - landmarks[:, :2].mean(axis=0)
    assert align(case.pixels, landmarks).shape == (SIZE, SIZE, 3)


def test_a_face_wholly_outside_the_picture_is_black(cases: list[Case]) -> None:
    case = cases[0]
    assert align(case.pixels, case.landmarks + np.float32(5)).max() == 0
