from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from curate.errors import RecipeError
from curate.recipes.distances import total_variation
from curate.recipes.quotas import largest_total, per_cell, quotas, wanted


def counts(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def test_a_scarce_cell_gives_all_it_has_and_the_others_are_not_filled_up_for_it() -> None:
    assert quotas(counts(10, 1000, 1000), np.ones(3), 300).tolist() == [10, 100, 100]


def test_without_a_total_the_scarcest_cell_sets_it_and_empty_cells_do_not() -> None:
    assert largest_total(counts(10, 1000, 1000, 0), np.ones(4)) == 40
    assert quotas(counts(10, 1000, 1000, 0), np.ones(4), None).tolist() == [10, 10, 10, 0]
    assert quotas(counts(30, 70), np.array([0.3, 0.7]), None).tolist() == [30, 70]


def test_the_remainder_is_wished_for_where_rows_are() -> None:
    assert wanted(counts(1, 0, 9, 9), np.ones(4), 6).tolist() == [1, 1, 2, 2]
    assert wanted(counts(0, 0), np.ones(2), 3).tolist() == [2, 1]


def test_shares_need_not_sum_to_one_and_thirds_of_ten_are_whole() -> None:
    assert quotas(counts(99, 99), np.array([3.0, 7.0]), 10).tolist() == [3, 7]
    assert quotas(counts(99, 99, 99), np.array([0.1, 0.2, 0.7]), 10).tolist() == [1, 2, 7]


def test_a_cell_without_a_share_keeps_nothing() -> None:
    assert quotas(counts(5, 5), np.array([0.0, 1.0]), 100).tolist() == [0, 5]


def test_no_rows_give_no_rows() -> None:
    assert quotas(counts(0, 0), np.ones(2), None).tolist() == [0, 0]
    assert quotas(counts(0, 0), np.ones(2), 10).tolist() == [0, 0]


def test_a_billion_rows_take_no_longer() -> None:
    had = counts(10**12, 5, 10**12)
    assert quotas(had, np.ones(3), 10**9).tolist() == [333_333_334, 5, 333_333_333]


def test_per_cell_is_a_number_of_each() -> None:
    assert per_cell(counts(3, 50, 70), 50).tolist() == [3, 50, 50]
    with pytest.raises(RecipeError, match="0 rows a cell"):
        per_cell(counts(3), 0)


@pytest.mark.parametrize("total", [0, -5])
def test_a_total_below_one_is_refused(total: int) -> None:
    with pytest.raises(RecipeError, match="a total of"):
        quotas(counts(3), np.ones(1), total)


@pytest.mark.parametrize("shares", [[0.0, 0.0], [-1.0, 2.0], [np.nan, 1.0]])
def test_shares_that_make_no_sense_are_refused(shares: list[float]) -> None:
    with pytest.raises(RecipeError):
        quotas(counts(3, 3), np.array(shares), 2)


cells = st.integers(1, 4).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 9) | st.sampled_from([0, 1, 9]), min_size=n, max_size=n),
        st.lists(st.integers(0, 9) | st.floats(0.01, 1), min_size=n, max_size=n),
    )
)


@given(cells, st.none() | st.integers(1, 45))
@settings(max_examples=200, deadline=None)
def test_no_other_choice_of_as_many_rows_is_nearer_to_the_target(
    table: tuple[list[int], list[float]], total: int | None
) -> None:
    had, shares = counts(*table[0]), np.array(table[1], dtype=np.float64)
    assume(shares.sum() > 0)
    kept = quotas(had, shares, total)
    assert ((kept >= 0) & (kept <= had)).all()
    assert (kept[shares == 0] == 0).all()
    if not kept.sum():
        assert not had[shares > 0].any() or total is not None
        return
    every = np.array(list(product(*(range(n + 1) for n in table[0]))))
    as_many = every[every.sum(axis=1) == kept.sum()]
    smallest = np.abs(as_many / kept.sum() - shares / shares.sum()).sum(axis=1).min() / 2
    assert total_variation(kept, shares) <= smallest + 1e-9


@given(cells, st.integers(1, 45))
@settings(max_examples=100, deadline=None)
def test_every_row_wanted_that_is_there_is_kept_but_for_rounding(
    table: tuple[list[int], list[float]], total: int
) -> None:
    had, shares = counts(*table[0]), np.array(table[1], dtype=np.float64)
    assume(shares.sum() > 0)
    aim = wanted(had, shares, total)
    kept = quotas(had, shares, total)
    assert aim.sum() == total
    assert (np.abs(aim - total * shares / shares.sum()) < 1 + 1e-9).all()
    assert kept.sum() == np.minimum(had, aim).sum()
    assert (np.abs(kept - np.minimum(had, aim)) <= len(had)).all()
    assert (kept <= aim + 1).all()


def test_the_worked_example_of_the_docs() -> None:
    had = counts(5210, 2604, 640, 511, 96, 132, 388, 19)
    kept = quotas(had, np.ones(8), 2000)
    assert kept.tolist() == [250, 250, 250, 250, 96, 132, 250, 19]
    assert [round(total_variation(rows, np.ones(8)), 3) for rows in (had, kept)] == [0.564, 0.21]
    assert quotas(had, np.ones(8), None).tolist() == [19] * 8
