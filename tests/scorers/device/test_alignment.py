"""Alignment, its surround and the resizing for networks, on a device."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from oracle import Case

from curate.scorers.align import SIZE, align, make_plan
from curate.scorers.device.align import DeviceAligner
from curate.scorers.device.networks import resampling
from curate.scorers.device.pictures import Aligned, upload
from curate.scorers.preprocess import central_box, resize_and_crop


def aligned(pictures: list[NDArray[np.uint8]], landmarks: list[NDArray[np.float32]]) -> Aligned:
    return DeviceAligner("cpu").align(upload(pictures, "cpu"), landmarks, pictures)


@pytest.fixture(scope="module")
def faces(cases: list[Case]) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.float32]]]:
    """The oracle's, and the same faces at the border, turned, small, and far too large."""
    pictures, landmarks = [], []
    for case in cases[:2]:
        height, width = case.pixels.shape[:2]
        points = case.landmarks[:, :2] * (width, height)
        low, high = points.min(axis=0).astype(int), points.max(axis=0).astype(int)
        left, top = np.maximum(low + 5, 0)
        closer = case.pixels[top:, left : high[0] - 3]
        pictures += [case.pixels, np.ascontiguousarray(closer)]
        moved = case.landmarks.copy()
        moved[:, :2] = (points - (left, top)) / closer.shape[1::-1]
        landmarks += [case.landmarks, moved]
    huge = np.ascontiguousarray(cases[0].pixels.repeat(4, axis=0).repeat(4, axis=1))
    outside = cases[0].landmarks + np.array([5, 5, 0], np.float32)
    return [*pictures, huge, cases[0].pixels], [*landmarks, cases[0].landmarks, outside]


def test_every_kind_of_face_is_among_them(
    faces: tuple[list[NDArray[np.uint8]], list[NDArray[np.float32]]],
) -> None:
    plans = [make_plan(p.shape[1], p.shape[0], points) for p, points in zip(*faces, strict=True)]
    kinds = {None if plan is None else (plan.factor > 1, plan.margins is not None) for plan in plans}
    assert {None, (False, True), (False, False)} <= kinds
    assert any(kind is not None and kind[0] for kind in kinds)


def test_aligned_faces_are_pillows_to_the_last_grey_level(
    faces: tuple[list[NDArray[np.uint8]], list[NDArray[np.float32]]],
) -> None:
    pictures, landmarks = faces
    made = aligned(pictures, landmarks)
    assert len(made) == len(pictures)
    for i, (picture, points) in enumerate(zip(pictures, landmarks, strict=True)):
        difference = made[i].astype(int) - align(picture, points)
        # In a surround a sum may round to the other of two neighbouring grey levels: one pixel in a million.
        assert np.abs(difference).max() <= 1, i
        assert np.count_nonzero(difference) <= 3, i


def test_a_face_does_not_depend_on_those_beside_it(
    faces: tuple[list[NDArray[np.uint8]], list[NDArray[np.float32]]],
) -> None:
    pictures, landmarks = faces
    together = aligned(pictures[:4], landmarks[:4])
    for i in range(4):
        assert np.array_equal(aligned(pictures[i : i + 1], landmarks[i : i + 1])[0], together[i])


@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("resize", "crop"), [(256, 224), (224, None), (512, None), (300, 280)])
def test_resizing_is_a_product_with_pillows_own_weights(kind: str, resize: int, crop: int | None) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    weights = resampling(SIZE, *central_box(SIZE, resize, crop), crop or resize, kind)
    narrow = np.clip(np.floor(np.einsum("hwc,sw->hsc", picture.astype(float), weights) + 0.5), 0, 255)
    small = np.clip(np.floor(np.einsum("hwc,sh->swc", narrow, weights) + 0.5), 0, 255)
    expected = resize_and_crop(picture, resize, crop, "bilinear" if kind == "bilinear" else "bicubic")
    assert np.array_equal(small, expected)


def test_faces_are_copied_from_the_device_one_by_one_or_in_a_row(
    faces: tuple[list[NDArray[np.uint8]], list[NDArray[np.float32]]],
) -> None:
    made = aligned(faces[0][:3], faces[1][:3])
    assert [np.array_equal(a, made[i]) for i, a in enumerate(made[0:3])] == [True] * 3
    with pytest.raises(IndexError):
        made[3]
