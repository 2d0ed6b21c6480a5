from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import Case

from curate.errors import ModelError
from curate.models.pack import find_pack
from curate.models.profile import Alignment, Record, record_path
from curate.profiling.whole import measure_alignment
from curate.scorers.columns import EXPRESSIONS, INTENSITY_AUS, PRESENCE_AUS
from curate.scorers.face import Face
from curate.scorers.libreface import LibreFace, LibreFaceSeparate, expression_values, gaze_features
from curate.scorers.mesh import FaceMesh


@pytest.mark.usefixtures("libreface")
@pytest.mark.parametrize(("scorer", "choice"), [(LibreFace(), "joint"), (LibreFaceSeparate(), "separate")])
def test_from_the_oracles_landmarks_every_answer_is_that_of_libreface(
    cases: list[Case], scorer: LibreFace, choice: str
) -> None:
    scorer.open("cpu")
    values = scorer.score([Face(case.pixels, case.landmarks) for case in cases])
    for i, case in enumerate(cases):
        answer = case.record[choice]
        raw = answer["raw"]
        intensity = np.array([values[f"au{n:02}"][i] for n in INTENSITY_AUS])
        presence = np.array([values[f"au{n:02}_p"][i] for n in PRESENCE_AUS])
        # The separate presence network answers in logits, and calls 0.5 of a logit present.
        expected = np.array(raw["detection"]) if choice == "joint" else sigmoid(raw["detection"])
        threshold = 0.5 if choice == "joint" else sigmoid(0.5)
        assert np.abs(intensity / 5 - raw["intensity"]).max() <= 1e-5, case.name
        assert np.abs(presence - expected).max() <= 2.5e-5, case.name
        assert list((presence >= threshold).astype(int)) == list(answer["detected_aus"].values()), case.name
        assert values["expression"][i] == answer["facial_expression"].lower(), case.name


@pytest.mark.usefixtures("libreface")
def test_from_the_file_to_the_answer_the_labels_are_those_of_libreface(
    cases: list[Case], mesh: FaceMesh
) -> None:
    scorer = LibreFace()
    scorer.open("cpu")
    meshes = mesh.detect([case.pixels for case in cases])
    faces = [Face(case.pixels, found[0].landmarks) for case, found in zip(cases, meshes, strict=True)]
    values = scorer.score(faces)
    for i, case in enumerate(cases):
        intensity = np.array([values[f"au{n:02}"][i] for n in INTENSITY_AUS])
        # Landmarks differ by thousandths of a pixel, a few aligned pixels by a grey level; the seeded
        # networks are far more sensitive to that than trained ones.
        assert np.abs(intensity - 5 * np.array(case.record["joint"]["raw"]["intensity"])).max() < 0.1
        assert values["expression"][i] == case.record["joint"]["facial_expression"].lower(), case.name


@pytest.mark.usefixtures("libreface")
def test_a_batch_gives_what_each_face_gives_alone(cases: list[Case]) -> None:
    scorer = LibreFace()
    scorer.open("cpu")
    faces = [Face(case.pixels, case.landmarks) for case in cases[:5]]
    together = scorer.score(faces)
    for i, face in enumerate(faces):
        alone = scorer.score([face])
        for n in INTENSITY_AUS:
            assert abs(float(alone[f"au{n:02}"][0]) - float(together[f"au{n:02}"][i])) < 1e-4  # type: ignore[arg-type]


def test_gaze_features_are_those_of_libreface(cases: list[Case], mesh: FaceMesh) -> None:
    found = mesh.detect([case.aligned for case in cases], max_faces=1, zooms=(1,))
    for case, faces in zip(cases, found, strict=True):
        error = np.abs(gaze_features(faces[0].landmarks, 512) - case.gaze_features)
        assert error.mean() <= 0.01, case.name
        assert error.max() <= 0.1, case.name


@pytest.mark.usefixtures("libreface")
def test_gaze_of_an_aligned_picture_without_a_face_is_no_number(cases: list[Case]) -> None:
    scorer = LibreFace()
    scorer.open("cpu")
    landmarks = cases[0].landmarks
    black = Face(np.zeros((300, 300, 3), np.uint8), landmarks)
    values = scorer.score([black, Face(cases[0].pixels, landmarks)])
    gaze = np.asarray(values["gaze_yaw"], float)
    assert np.isnan(gaze[0])
    assert not np.isnan(gaze[1])


@pytest.mark.usefixtures("libreface")
def test_fast_fills_the_same_columns_with_nearly_the_same_numbers(cases: list[Case]) -> None:
    exact, fast = LibreFace(), LibreFace("fast")
    assert fast.options["alignment"]
    faces = [Face(case.pixels, case.landmarks) for case in cases]
    answers = []
    for scorer in (exact, fast):
        scorer.open("cpu")
        answers.append(scorer.score(faces))
    assert list(answers[0]) == list(answers[1])
    apart = [
        np.abs(np.asarray(answers[0][f"au{n:02}"]) - np.asarray(answers[1][f"au{n:02}"])).mean()
        for n in INTENSITY_AUS
    ]
    # Random networks magnify what a trained one does not see: their answers move by 0.03 for 0.15 of a grey level.
    assert np.mean(apart) < 0.15
    assert np.isfinite(np.asarray(answers[1]["gaze_yaw"], float)).all()


@pytest.fixture
def record_of(
    seeded_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Alignment], None]:
    """Leaves a record with this alignment in a cache of the test's own, which has the seeded pack."""
    (tmp_path / "models").symlink_to(seeded_cache / "models")
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path))

    def write(alignment: Alignment) -> None:
        pack = find_pack("libreface")
        path = record_path(pack, "cpu")
        path.parent.mkdir(parents=True, exist_ok=True)
        record = Record(
            pack=pack.name,
            fingerprint=pack.fingerprint,
            device="cpu",
            processor="",
            faces=1,
            chosen={},
            measured=(),
            alignment={"libreface": alignment},
        )
        path.write_text(record.model_dump_json())

    return write


def test_an_alignment_that_fails_the_gate_is_not_what_fast_runs(
    cases: list[Case], record_of: Callable[[Alignment], None]
) -> None:
    faces = [Face(case.pixels, case.landmarks) for case in cases]
    # Random weights magnify what the fast alignment changes.
    measured = measure_alignment(faces)
    assert not measured.fast
    assert "intensities differ" in measured.problem
    assert not measured.carried
    assert "degrees" in measured.gaze_problem
    record_of(measured)
    exact, fast = LibreFace(), LibreFace("fast")
    assert fast.options["alignment"] == fast.options["gaze_mesh"] == "exact"
    for scorer in (exact, fast):
        scorer.open("cpu")
    theirs, ours = exact.score(faces), fast.score(faces)
    for column in [c.name for c in exact.columns if c.name.startswith(("au", "gaze"))]:
        before, now = (np.asarray(values[column], float) for values in (theirs, ours))
        assert np.allclose(before, now, rtol=1e-3, atol=2e-3, equal_nan=True), column
    assert list(theirs["expression"]) == list(ours["expression"])


@pytest.mark.parametrize(("fast", "carried"), [(True, True), (True, False), (False, True)])
def test_each_part_of_the_alignment_is_chosen_for_itself(
    record_of: Callable[[Alignment], None], fast: bool, carried: bool
) -> None:
    unmeasured = LibreFace("fast").options
    record_of(Alignment(fast=fast, carried=carried, label_flips=0, presence_flips=0, mean=0, p99=0, gaze=0))
    options = LibreFace("fast").options
    assert options["alignment"] == (unmeasured["alignment"] if fast else "exact")
    assert options.get("gaze_mesh") == (None if carried else "exact")
    # Other networks read the same pictures there: what was measured says nothing of them.
    assert LibreFaceSeparate("fast").options["alignment"] == unmeasured["alignment"]


def test_without_weights_the_error_says_how_to_get_them() -> None:
    with pytest.raises(ModelError) as error:
        LibreFace().open("cpu")
    assert error.value.hint == "curate models pull libreface"


@given(st.lists(st.floats(0, 1, width=32), min_size=8, max_size=8))
def test_expression_probabilities_sum_to_one_and_keep_the_networks_label(scores: list[float]) -> None:
    sigmoids = np.array([scores], np.float32)
    values = expression_values(sigmoids)
    p = np.array([values[name][0] for name in EXPRESSIONS], float)
    assert abs(p.sum() - 1) < 1e-9
    assert (p >= 0).all()
    assert values["expression"] == [EXPRESSIONS[int(sigmoids.argmax())]]


def sigmoid(logits: object) -> np.ndarray:  # type: ignore[type-arg]
    return 1 / (1 + np.exp(-np.asarray(logits, float)))
