from __future__ import annotations

import imagehash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import Case
from PIL import Image, ImageFilter

from curate.scorers.face import Face
from curate.scorers.quality import Quality, phash, sharpness


def test_the_perceptual_hash_is_that_of_imagehash(cases: list[Case]) -> None:
    for case in cases:
        expected = int(str(imagehash.phash(Image.fromarray(case.pixels))), 16)
        assert phash(case.pixels) == expected, case.name


def test_a_resized_copy_has_nearly_the_same_hash_and_another_picture_has_not(cases: list[Case]) -> None:
    pixels, other = cases[2].pixels, cases[3].pixels
    smaller = np.asarray(Image.fromarray(pixels).resize((200, 200)))
    assert (phash(pixels) ^ phash(smaller)).bit_count() <= 4
    assert (phash(pixels) ^ phash(other)).bit_count() > 12


def test_blurring_a_face_lowers_its_sharpness_step_by_step(cases: list[Case]) -> None:
    values = []
    for radius in (0, 1, 2, 4, 8):
        blurred = Image.fromarray(cases[2].pixels).filter(ImageFilter.GaussianBlur(radius))
        values.append(measure(np.asarray(blurred), cases[2])["sharpness"])
    assert values == sorted(values, reverse=True)
    assert values[0] > 2 * values[-1]


def test_darkening_lowers_brightness_and_contrast_but_not_sharpness(cases: list[Case]) -> None:
    before = measure(cases[2].pixels, cases[2])
    after = measure(cases[2].pixels // 2, cases[2])
    assert after["brightness"] == pytest.approx(before["brightness"] / 2, abs=0.01)
    assert after["contrast"] == pytest.approx(before["contrast"] / 2, abs=0.01)
    assert after["sharpness"] == pytest.approx(before["sharpness"], abs=0.05)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6))
def test_sharpness_lies_between_nothing_and_one(height: int, width: int, seed: int) -> None:
    luma = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    assert 0 <= sharpness(luma) <= 1


def test_a_flat_picture_is_not_sharp() -> None:
    assert sharpness(np.full((50, 50), 90, np.uint8)) == 0


def test_a_face_outside_its_picture_is_measured_without_complaint(cases: list[Case]) -> None:
    landmarks = cases[0].landmarks + np.float32(3)
    values = Quality().score([Face(cases[0].pixels, landmarks)])
    assert len(values["sharpness"]) == 1


def measure(pixels: np.ndarray, case: Case) -> dict[str, float]:  # type: ignore[type-arg]
    values = Quality().score([Face(pixels, case.landmarks)])
    return {name: float(column[0]) for name, column in values.items()}  # type: ignore[arg-type]


# Newer Pillows scale some pictures that are taller than wide down the columns first, which rounds differently.
@given(st.integers(16, 300), st.floats(1, 3), st.integers(0, 10**6))
def test_pictures_of_any_size_hash_like_imagehash(height: int, ratio: float, seed: int) -> None:
    width = round(height * ratio)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    assert phash(pixels) == int(str(imagehash.phash(Image.fromarray(pixels))), 16)
