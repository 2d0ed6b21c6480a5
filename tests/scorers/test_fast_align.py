"""The fast alignment against the exact one."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import Case

from curate.models.pack import Input
from curate.scorers.align import SIZE, make_plan
from curate.scorers.face import Face
from curate.scorers.fast_align import SmallPictures, carried_landmarks
from curate.scorers.mesh import FaceMesh
from curate.scorers.preprocess import resize_and_crop

CARDS = (
    Input(size=(224, 224), resize=256, resample="bilinear", crop=224),
    Input(size=(224, 224), resize=224, resample="bicubic"),
)


@pytest.mark.parametrize("card", CARDS, ids=["action units", "expression"])
def test_pictures_are_within_a_grey_level_of_pillows_in_the_mean(cases: list[Case], card: Input) -> None:
    assert card.resize is not None
    assert card.resample is not None
    padded = 0
    for case in cases:
        face = Face(case.pixels, case.landmarks)
        plan = make_plan(face.width, face.height, case.landmarks)
        padded += plan is not None and plan.margins is not None
        ours = SmallPictures([face])(card)[0]
        exact = resize_and_crop(face.aligned, card.resize, card.crop, card.resample)
        assert ours.shape == exact.shape
        apart = np.abs(ours.astype(int) - exact)
        assert apart.mean() <= 1, case.name
        assert np.quantile(apart, 0.999) <= 8, case.name
    assert 0 < padded < len(cases), "both kinds are among the cases"


def test_a_square_outside_its_picture_is_black(cases: list[Case]) -> None:
    away = cases[0].landmarks + np.array((9, 9, 0), np.float32)
    small = SmallPictures([Face(cases[0].pixels, away)])(CARDS[0])
    assert small.shape == (1, 224, 224, 3)
    assert not small.any()


def test_the_mesh_is_carried_to_where_it_is_found_in_the_aligned_picture(
    cases: list[Case], mesh: FaceMesh
) -> None:
    apart = []
    for case in cases:
        carried = carried_landmarks(Face(case.pixels, case.landmarks))
        found = mesh.detect([case.aligned], max_faces=1, zooms=(1,))[0]
        if found:
            apart.append(np.abs(carried - found[0].landmarks)[:, :2].mean() * SIZE)
    assert len(apart) > len(cases) / 2
    assert np.median(apart) <= 3
