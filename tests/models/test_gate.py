"""The gate: what is measured, and what is let through."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.models.gate import MAX_MEAN, error_of
from curate.models.pack import Input, Network, Output

CARD = Network(
    file="net.onnx",
    input=Input(size=(4,)),
    outputs={
        "intensity": Output(labels=("au01", "au02"), factor=5),
        "presence": Output(labels=("au01", "au02"), threshold=0.5),
        "expression": Output(labels=("neutral", "happiness", "fear")),
    },
)


def answers(faces: int) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(1)
    return {
        "intensity": rng.uniform(0, 0.9, (faces, 2)).astype(np.float32),
        "presence": rng.choice(np.array([0.2, 0.8], np.float32), (faces, 2)),
        "expression": np.eye(3, dtype=np.float32)[rng.integers(0, 3, faces)],
    }


def test_the_same_answers_pass() -> None:
    exact = answers(50)
    error = error_of(CARD, exact, exact)
    assert (error.label_flips, error.presence_flips, error.mean, error.p99) == (0, 0, 0, 0)
    assert not error.problem


@given(st.floats(0, 0.1))
def test_intensities_are_compared_on_their_scale_of_0_to_5(shift: float) -> None:
    exact = answers(50)
    error = error_of(CARD, exact | {"intensity": exact["intensity"] + np.float32(shift)}, exact)
    assert error.mean == pytest.approx(5 * shift, abs=1e-6)
    if abs(5 * shift - MAX_MEAN) > 1e-5:
        assert ("intensities" in error.problem) == (5 * shift > MAX_MEAN)


@pytest.mark.parametrize(("flipped", "passes"), [(0, True), (2, True), (3, False)])
def test_one_label_in_a_hundred_may_flip(flipped: int, passes: bool) -> None:
    exact = answers(200)
    turned = exact["expression"].copy()
    turned[:flipped] = np.roll(turned[:flipped], 1, axis=1)
    error = error_of(CARD, exact | {"expression": turned}, exact)
    assert error.label_flips == flipped / 200
    assert (not error.problem) == passes
    over = exact["presence"].copy()
    over.ravel()[: 2 * flipped] = 1 - over.ravel()[: 2 * flipped]
    assert (not error_of(CARD, exact | {"presence": over}, exact).problem) == passes


def test_answers_that_are_no_numbers_do_not_pass() -> None:
    exact = answers(20)
    assert error_of(CARD, exact | {"intensity": exact["intensity"] * np.float32(np.nan)}, exact).problem


def test_a_network_that_says_nothing_readable_does_not_pass() -> None:
    card = Network(file="net.onnx", input=Input(size=(4,)), outputs={"feature": Output()})
    feature = {"feature": np.zeros((4, 8), np.float32)}
    assert "nothing says" in error_of(card, feature, feature).problem
