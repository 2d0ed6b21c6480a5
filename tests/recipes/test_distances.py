from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from curate.recipes.distances import distances, jensen_shannon, total_variation

counts = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=4, max_size=4)


def test_opposite_tables_are_one_apart_and_equal_ones_nothing() -> None:
    assert distances([3, 0], [0, 7]) == (1, 1)
    assert distances([[1, 2], [3, 4]], [[10, 20], [30, 40]]) == (0, 0)


def test_figures_worked_by_hand() -> None:
    # (1/2, 1/2) against (1, 0): the middle is (3/4, 1/4).
    by_hand = (math.log2(4 / 3) + 0.5 * math.log2(2 / 3) + 0.5 * math.log2(2)) / 2
    assert total_variation([1, 1], [1, 0]) == 0.5
    assert jensen_shannon([1, 1], [1, 0]) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(0.31128, abs=1e-5)


def test_nothing_has_no_distribution() -> None:
    assert all(math.isnan(d) for d in distances([0, 0], [1, 1]))
    assert all(math.isnan(d) for d in distances([1, 1], [0, 0]))


@pytest.mark.parametrize("bad", [[1, -1], [math.nan, 1], [math.inf, 1], [1, 2, 3]])
def test_what_is_no_distribution_is_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match=r"cells|share"):
        total_variation(bad, [1, 1])


@given(counts, counts)
@settings(max_examples=100, deadline=None)
def test_both_are_distances_in_range_and_as_scipy_has_them(a: list[float], b: list[float]) -> None:
    assume(sum(a) > 1e-3 and sum(b) > 1e-3)
    tv, js = distances(a, b)
    assert 0 <= js <= tv + 1e-12 <= 1 + 2e-12
    assert distances(b, a) == pytest.approx((tv, js), abs=1e-12)
    assert js == pytest.approx(jensenshannon(np.array(a), np.array(b), base=2) ** 2, abs=1e-9)
