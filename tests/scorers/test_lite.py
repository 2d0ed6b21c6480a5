from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curate.models.pack import find_pack
from curate.scorers.columns import EXPRESSIONS, INTENSITY_AUS, PRESENCE_AUS
from curate.scorers.crop import mirror_points
from curate.scorers.face import Face
from curate.scorers.lite import Lite, mirrored, network_inputs
from curate.scorers.mesh import FaceMesh
from curate.scorers.scorer import Values

FACES = Path(__file__).resolve().parents[2] / "examples" / "faces"
INTENSITIES = [f"au{n:02}" for n in INTENSITY_AUS]


@pytest.fixture(scope="module")
def scorer() -> Lite:
    lite = Lite()
    lite.open("cpu")
    return lite


@pytest.fixture(scope="module")
def faces() -> dict[str, Face]:
    return dict(zip(names(), meshed([picture(name) for name in names()]), strict=True))


def names() -> list[str]:
    return sorted(path.name for path in FACES.iterdir() if path.suffix in (".png", ".jpg"))


def picture(name: str) -> np.ndarray:
    return np.asarray(Image.open(FACES / name).convert("RGB"))


def meshed(pictures: Sequence[np.ndarray]) -> list[Face]:
    found = FaceMesh().detect(pictures)
    return [Face(pixels, found[i][0].landmarks) for i, pixels in enumerate(pictures)]


def array(values: Values, name: str) -> np.ndarray:
    return np.asarray(values[name], np.float64)


def test_every_column_is_filled_and_in_its_range(scorer: Lite, faces: dict[str, Face]) -> None:
    values = scorer.score(list(faces.values()))
    assert set(values) == {column.name for column in scorer.columns}
    for column in scorer.columns:
        if column.name == "expression":
            assert set(values["expression"]) <= set(EXPRESSIONS)
            continue
        numbers = array(values, column.name)
        assert numbers.shape == (len(faces),)
        assert numbers.min() >= (column.low or 0) - 1e-6, column.name
        assert column.high is not None
        assert numbers.max() <= column.high + 1e-6, column.name


def test_probabilities_sum_to_one_and_the_best_is_the_answer(scorer: Lite, faces: dict[str, Face]) -> None:
    values = scorer.score(list(faces.values()))
    p = np.stack([array(values, name) for name in EXPRESSIONS], axis=1)
    assert np.allclose(p.sum(axis=1), 1, atol=1e-6)
    assert [EXPRESSIONS[i] for i in p.argmax(axis=1)] == list(values["expression"])
    assert np.allclose(p.max(axis=1), array(values, "confidence"))


def test_a_face_scores_the_same_alone_and_in_company(scorer: Lite, faces: dict[str, Face]) -> None:
    some = list(faces.values())[:5]
    together = scorer.score(some)
    for i, face in enumerate(some):
        alone = scorer.score([face])
        for column in scorer.columns:
            if column.name != "expression":
                assert abs(array(alone, column.name)[0] - array(together, column.name)[i]) < 1e-4, column.name


def test_a_mirrored_face_has_nearly_the_same_action_units(scorer: Lite, faces: dict[str, Face]) -> None:
    mirrored = meshed([np.ascontiguousarray(face.pixels[:, ::-1]) for face in faces.values()])
    there, back = scorer.score(list(faces.values())), scorer.score(mirrored)
    differences = [np.abs(array(there, name) - array(back, name)).mean() for name in INTENSITIES]
    assert np.mean(differences) <= 0.15


def test_a_smile_pulls_the_lip_corners_and_a_dropped_jaw_parts_the_lips(
    scorer: Lite, faces: dict[str, Face]
) -> None:
    # Rendered with happiness at full strength, surprise at full strength, and nothing at all.
    smile, surprise, nothing = faces["seed0071.jpg"], faces["ComfyUI_00001_.jpg"], faces["seed0004.jpg"]
    values = scorer.score([smile, surprise, nothing])
    assert array(values, "au12")[0] > 2 + array(values, "au12")[2]
    assert array(values, "au26")[1] > 1.5 + array(values, "au26")[2]
    assert values["expression"][0] == "happiness"
    assert array(values, "au12_p")[0] > 0.5 > array(values, "au12_p")[2]


def test_the_card_says_whose_it_is_what_it_learnt_from_and_how_good_it_is() -> None:
    pack = find_pack("lite")
    pack.verify()
    assert pack.licence.name == "Apache-2.0"
    assert "FER+" in pack.training_data
    assert "lite_figures.py" in pack.accuracy
    assert sum(file.bytes for file in pack.files.values()) < 8_000_000
    with (pack.folder / "log.csv").open(newline="") as log:
        assert len(list(csv.DictReader(log))) > 1
    outputs = pack.network("face").outputs
    assert len(outputs["presence"].labels) == len(PRESENCE_AUS)


def test_what_the_network_sees_of_a_mirrored_face_is_what_the_mirror_makes_of_it(
    faces: dict[str, Face],
) -> None:
    face = faces["seed0071.jpg"]
    flipped_mesh = face.mesh[mirror_points()] * (-1, 1, 1) + (1, 0, 0)
    flipped = Face(np.ascontiguousarray(face.pixels[:, ::-1]), flipped_mesh.astype(np.float32))
    there, back = network_inputs([face], 96), network_inputs([flipped], 96)
    assert np.abs(there["pixels"][..., ::-1] - back["pixels"]).mean() < 0.01
    again = mirrored(there["shape"].reshape(1, 478, 3)).reshape(1, -1)
    assert np.abs(again - back["shape"]).max() < 0.01
