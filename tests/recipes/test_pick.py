from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.recipes.pick import k_centre
from curate.recipes.vectors import whole


@st.composite
def cells(draw: st.DrawFn, most: int = 9) -> tuple[NDArray[np.float32], int, NDArray[np.intp]]:
    """Vectors on a coarse grid (so that there are ties), how many to take, and an order."""
    n, k = draw(st.integers(1, most)), draw(st.integers(1, 3))
    values = draw(st.lists(st.integers(0, 4), min_size=n * k, max_size=n * k))
    vectors = (np.array(values, np.float32) / 4).reshape(n, k)
    order = np.array(draw(st.permutations(range(n))), np.intp)
    return vectors, draw(st.integers(1, n)), order


def radius(vectors: NDArray[np.float32], taken: tuple[int, ...]) -> float:
    """How far a row may be from its nearest taken one."""
    points = vectors.astype(np.float64)
    distances = np.linalg.norm(points[:, None] - points[list(taken)][None], axis=2)
    return float(distances.min(axis=1).max())


@settings(max_examples=100, deadline=None)
@given(cells())
def test_no_choice_leaves_rows_less_than_half_as_far(
    cell: tuple[NDArray[np.float32], int, NDArray[np.intp]],
) -> None:
    vectors, count, order = cell
    best = min(radius(vectors, some) for some in combinations(range(len(vectors)), count))
    assert radius(vectors, tuple(k_centre(vectors, count, order).tolist())) <= 2 * best + 1e-9


@settings(max_examples=100, deadline=None)
@given(cells(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(
    cell: tuple[NDArray[np.float32], int, NDArray[np.intp]], random: st.DataObject
) -> None:
    vectors, count, order = cell
    moved = np.array(random.sample(range(len(vectors)), len(vectors)), np.intp)  # type: ignore[attr-defined]
    place = np.argsort(moved)  # where each row is now
    assert (
        moved[k_centre(vectors[moved], count, place[order])].tolist()
        == k_centre(vectors, count, order).tolist()
    )


@settings(max_examples=100, deadline=None)
@given(cells(), st.integers(0, 2))
def test_it_is_farthest_first_with_ties_by_order(
    cell: tuple[NDArray[np.float32], int, NDArray[np.intp]], missing: int
) -> None:
    vectors, count, order = cell
    vectors[:missing] = np.nan
    points = whole(vectors).astype(np.int64)
    rest = [int(row) for row in order if points[row, 0] >= 0]
    unknown = [int(row) for row in order if points[row, 0] < 0]
    taken = [rest.pop(0)] if rest else []
    while rest:
        apart = [min(((points[row] - points[other]) ** 2).sum() for other in taken) for row in rest]
        taken.append(rest.pop(int(np.argmax(apart))))
    assert k_centre(vectors, count, order).tolist() == (taken + unknown)[:count]


def test_the_first_is_the_best_and_the_next_the_farthest() -> None:
    vectors = np.array([[0.5], [0.4], [1], [0]], np.float32)
    assert k_centre(vectors, 3, np.array([1, 0, 2, 3])).tolist() == [1, 2, 3]


def test_only_rows_of_the_order_are_taken() -> None:
    vectors = np.array([[0.5], [0.4], [1], [0]], np.float32)
    assert k_centre(vectors, 5, np.array([1, 0])).tolist() == [1, 0]


@pytest.mark.parametrize("count", [0, 2, 3])
def test_without_vectors_the_best_are_taken(count: int) -> None:
    order = np.array([2, 0, 1])
    assert k_centre(np.empty((3, 0), np.float32), count, order).tolist() == order[:count].tolist()
    assert k_centre(np.full((3, 4), np.nan, np.float32), count, order).tolist() == order[:count].tolist()
    assert k_centre(np.empty((0, 4), np.float32), count, order[:0]).tolist() == []
