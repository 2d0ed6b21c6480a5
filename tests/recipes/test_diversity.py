from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import entropy as scipy_entropy

from curate.recipes.affect import load_affect
from curate.recipes.diversity import coverage, entropy, expression_vectors, vendi
from curate.scorers.columns import EXPRESSIONS

VECTORS = arrays(
    np.float32, st.tuples(st.integers(1, 12), st.integers(1, 25)), elements=st.floats(0, 1, width=32)
)
CORNERS = {name: (point.valence, point.arousal) for name, point in load_affect().coordinates.items()}


def plane(*points: tuple[float | None, float | None]) -> pl.DataFrame:
    return pl.DataFrame(points, schema={"valence": pl.Float32, "arousal": pl.Float32}, orient="row")


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=9))
def test_entropy_is_scipys_over_that_of_an_even_distribution(counts: list[int]) -> None:
    if not sum(counts):
        assert np.isnan(entropy(counts))
        return
    assert 0 <= entropy(counts) <= 1
    assert entropy(counts) == pytest.approx(scipy_entropy(counts) / np.log(len(counts)), abs=1e-12)
    assert entropy(counts[::-1]) == pytest.approx(entropy(counts))


def test_entropy_at_its_ends() -> None:
    assert entropy([7, 0, 0]) == 0
    assert entropy([5, 5, 5, 5]) == pytest.approx(1)
    assert np.isnan(entropy([]))


@pytest.mark.parametrize("n", [1, 2, 9, 500])
def test_identical_rows_are_one_expression(n: int) -> None:
    assert vendi(np.tile(np.float32([0.3, 0.7, 0]), (n, 1))) == pytest.approx(1)


@pytest.mark.parametrize("n", [1, 2, 8, 25])
def test_rows_that_have_nothing_in_common_count_one_each(n: int) -> None:
    assert vendi(np.eye(n, dtype=np.float32) * 0.4) == pytest.approx(n)


def test_two_rows_worked_by_hand() -> None:
    # cosine .6: the eigenvalues of [[1, .6], [.6, 1]] / 2 are .8 and .2.
    rows = np.array([[1, 0], [0.6, 0.8]])
    assert vendi(rows) == pytest.approx(np.exp(-(0.8 * np.log(0.8) + 0.2 * np.log(0.2))))


@settings(max_examples=60, deadline=None)
@given(VECTORS, st.integers(0, 99))
def test_vendi_is_that_of_the_whole_kernel_whatever_the_order(vectors: np.ndarray, seed: int) -> None:
    n, k = vectors.shape
    rows = vectors.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    kernel = np.divide(rows, lengths, where=lengths > 0, out=np.zeros_like(rows))
    zero = (lengths == 0).astype(float)
    spectrum = np.linalg.eigvalsh((kernel @ kernel.T + zero @ zero.T) / n)
    spectrum = spectrum[spectrum > 1e-12]
    score = vendi(vectors)
    assert score == pytest.approx(np.exp(-(spectrum * np.log(spectrum)).sum()), rel=1e-6)
    assert 1 <= score <= min(n, k + 1) + 1e-9
    assert vendi(np.random.default_rng(seed).permutation(vectors)) == pytest.approx(score, rel=1e-6)
    assert vendi(np.repeat(vectors, 3, axis=0)) == pytest.approx(score, rel=1e-6)


def test_rows_without_an_answer_and_sets_without_rows() -> None:
    nothing = np.full((2, 3), np.nan, np.float32)
    assert vendi(np.concatenate([np.eye(3, dtype=np.float32), nothing])) == pytest.approx(3)
    assert np.isnan(vendi(nothing))
    assert np.isnan(vendi(np.zeros((4, 0), np.float32)))
    # A face that does nothing is like other such faces, and like no one else.
    assert vendi(np.float32([[0, 0], [0, 0], [1, 0], [1, 0]])) == pytest.approx(2)


def test_vectors_are_action_units_and_probabilities() -> None:
    frame = pl.DataFrame({"au12": [5.0, 2.5, None], **{e: [0.125, 0.125, 0.125] for e in EXPRESSIONS}})
    vectors = expression_vectors(frame)
    assert vectors.shape == (3, 9)
    assert vectors[:2, 0].tolist() == [1, 0.5]
    assert np.isnan(vectors[2]).all()
    assert expression_vectors(frame.select("au12")).shape == (3, 1)
    assert expression_vectors(frame.select("fear")).shape == (3, 0)


def test_the_plane_that_the_shipped_coordinates_reach() -> None:
    """Nothing expressed is pleasant and calm: the line from sadness to happiness passes above neutral."""
    told = coverage(plane(), CORNERS)
    assert told.counts.sum() == 0
    assert told.covered == 0
    assert told.cells == 15 == len(told.empty)
    reached = {word.split()[1] for word in told.empty}
    assert reached == {"excited", "aroused", "distressed", "displeased", "depressed"}


def test_each_face_lies_in_the_cell_of_its_direction_and_strength() -> None:
    points = [(0.81, 0.51), (0.2, 0.1), (0.0, 0.5), (-0.5, 0.5), (-0.6, -0.3), (-0.3, 0.0)]
    told = coverage(plane(*points, (0.0, 0.0), (None, 0.3), (None, None)), CORNERS)
    found = [(int(o), int(r)) for o, r in np.argwhere(told.counts)]
    # 32 and 27 degrees are nearest to 45, excited; 153 + 54 = 207 degrees to 225, depressed.
    assert found == [(1, 0), (1, 2), (2, 1), (3, 2), (4, 0), (5, 2)]
    assert told.counts.sum() == len(points)
    assert told.covered == 6
    assert "clearly distressed" in told.empty
    assert "strongly distressed" not in told.empty


def test_a_face_outside_of_what_is_reachable_counts_all_the_same() -> None:
    told = coverage(plane((0.5, -0.5)), CORNERS)
    assert (told.covered, told.cells) == (1, 16)
