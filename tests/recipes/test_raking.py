from __future__ import annotations

import time
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog

from curate.errors import RecipeError
from curate.recipes.distances import total_variation
from curate.recipes.fitting import Fit, poured
from curate.recipes.quotas import quotas
from curate.recipes.raking import largest_raked_total, rake

Counts = np.ndarray
Shares = np.ndarray

# The example of Wikipedia's article on iterative proportional fitting.
SEED = np.array([[40, 30, 20, 10], [35, 50, 100, 75], [30, 80, 70, 120], [20, 30, 40, 50]])
ROW_SHARES, COLUMN_SHARES = np.array([0.15, 0.3, 0.4, 0.15]), np.array([0.2, 0.3, 0.4, 0.1])


def margins(table: Counts) -> list[Counts]:
    return [table.sum(axis=tuple(i for i in range(table.ndim) if i != axis)) for axis in range(table.ndim)]


def off(kept: Counts, shares: list[Shares]) -> float:
    """The sum of the marginals' total variations, in rows."""
    return sum(
        total_variation(margin, t) * kept.sum() for margin, t in zip(margins(kept), shares, strict=True)
    )


def test_ample_rows_are_fitted_as_in_the_textbook() -> None:
    fit = Fit(SEED * 100)
    fit.aim(1000, [ROW_SHARES, COLUMN_SHARES])
    fit.run(1000)
    ours = fit.table()
    expected = SEED.astype(float)
    for _ in range(200):
        expected *= (1000 * ROW_SHARES / expected.sum(axis=1))[:, None]
        expected *= 1000 * COLUMN_SHARES / expected.sum(axis=0)
    assert np.allclose(ours, expected, atol=0.05)
    assert np.allclose(ours[0], [64.56, 46.23, 35.38, 3.82], atol=0.05)


def test_whole_rows_meet_both_marginals() -> None:
    kept = rake(SEED * 100, [ROW_SHARES, COLUMN_SHARES], 1000)
    assert [margin.tolist() for margin in margins(kept)] == [[150, 300, 400, 150], [200, 300, 400, 100]]
    assert np.abs(kept[0] - [64.56, 46.23, 35.38, 3.82]).max() <= 1


def test_what_a_full_cell_cannot_give_the_others_of_its_level_give() -> None:
    # In proportion the first cell would give 45 of 50: it has 20.
    had = np.array([[20, 500], [500, 500]])
    kept = rake(had, [np.ones(2), np.ones(2)], 100)
    assert (kept <= had).all()
    assert [margin.tolist() for margin in margins(kept)] == [[50, 50], [50, 50]]


def test_without_a_total_the_scarcest_level_sets_it() -> None:
    had = np.array([[100, 1000], [100, 1000]])
    shares = [np.array([0.5, 0.5]), np.array([0.6, 0.4])]
    assert largest_raked_total(had, shares) == 333
    kept = rake(had, shares, None)
    assert kept.sum() == 333
    assert kept[:, 0].sum() == 200


def test_the_worked_example_of_the_docs() -> None:
    had = np.array([[4000, 200, 0], [300, 1500, 700], [20, 150, 230], [5, 60, 40]])
    shares = [np.ones(4), np.ones(3)]
    assert rake(had, shares, 300).tolist() == [[73, 2, 0], [16, 37, 22], [6, 23, 46], [5, 38, 32]]
    assert [margin.tolist() for margin in margins(rake(had, shares, 1200))] == [
        [300, 300, 300, 105],
        [335] * 3,
    ]
    assert largest_raked_total(had, shares) == 420


def test_a_level_without_rows_is_passed_over_and_missed() -> None:
    had = np.array([[50, 50], [0, 0], [50, 50]])
    assert largest_raked_total(had, [np.ones(3), np.ones(2)]) == 300
    kept = rake(had, [np.ones(3), np.ones(2)], 30)
    assert [margin.tolist() for margin in margins(kept)] == [[10, 0, 10], [10, 10]]


def test_rows_that_a_level_lacks_go_to_the_others_by_their_shares() -> None:
    had = np.array([10, 1000, 100_000])
    assert rake(had, [np.ones(3)], 300).tolist() == quotas(had, np.ones(3), 300).tolist() == [10, 100, 100]


def test_levels_that_exclude_each_other_meet_half_way_and_end() -> None:
    # An eighth neutral, a fifth frozen, but only neutral faces are frozen.
    had = np.zeros((8, 5), dtype=np.int64)
    had[0, 0] = 1000
    had[1:, 1:] = 1000
    shares = [np.full(8, 1 / 8), np.full(5, 1 / 5)]
    kept = rake(had, shares, 2000)
    assert kept.sum() == 2000
    assert 250 <= kept[0, 0] <= 400
    assert off(kept, shares) == pytest.approx(150, abs=1)


def test_an_axis_without_a_target_comes_as_it_is() -> None:
    had = np.array([[100, 300], [50, 150]])
    kept = rake(had, [np.ones(2), None], 100)
    assert kept.tolist() == [[12, 38], [13, 37]] or kept.tolist() == [[13, 37], [12, 38]]
    assert rake(had, [None, None], None).tolist() == had.tolist()


def test_a_share_of_zero_is_kept_at_zero() -> None:
    had = np.array([[5, 5], [500, 500]])
    kept = rake(had, [np.array([1.0, 0.0]), np.ones(2)], 100)
    assert kept.tolist() == [[5, 5], [0, 0]]


def test_no_rows_give_no_rows() -> None:
    nothing = np.zeros((2, 3), dtype=np.int64)
    for total in (None, 10):
        assert rake(nothing, [np.ones(2), np.ones(3)], total).tolist() == nothing.tolist()


@pytest.mark.parametrize(
    ("marginals", "total"),
    [([np.ones(2)], 5), ([np.ones(2), np.ones(2)], 5), ([np.ones(2), np.zeros(3)], 5), ([None, None], 0)],
)
def test_arguments_that_do_not_fit_are_refused(marginals: list[Shares | None], total: int) -> None:
    with pytest.raises(RecipeError):
        rake(np.ones((2, 3), dtype=np.int64), marginals, total)


def test_pouring_fills_a_level_and_shares_out_the_rest() -> None:
    assert poured(np.array([10.0, 90, 400]), np.array([0.5, 0.25, 0.25]), 250).tolist() == [10, 90, 150]
    assert poured(np.array([1.0, 2.0, 9.0]), np.array([0.5, 0.5, 0]), 100).tolist() == [1, 2, 0]


def test_ten_thousand_cells_take_less_than_a_second() -> None:
    random = np.random.default_rng(4)
    for shape in ((100, 100), (10, 10, 10, 10)):
        had = (random.pareto(1.2, shape) * 20).astype(np.int64)
        begun = time.process_time()
        kept = rake(had, [np.ones(size) for size in shape], 20_000)
        assert time.process_time() - begun < 1
        assert all(np.ptp(margin) <= 1 for margin in margins(kept))


shapes = st.sampled_from([(2, 2), (3, 2), (2, 2, 2)])


@st.composite
def tables(draw: st.DrawFn, most: int) -> tuple[Counts, list[Shares]]:
    shape = draw(shapes)
    size = int(np.prod(shape))
    number = st.integers(0, most) | st.sampled_from([0, most])
    had = np.array(draw(st.lists(number, min_size=size, max_size=size))).reshape(shape)
    shares = [
        np.array(draw(st.lists(st.integers(0, 5), min_size=n, max_size=n)), dtype=np.float64) for n in shape
    ]
    assume(had.sum() > 0 and all(t.sum() > 0 for t in shares))
    return had, [t / t.sum() for t in shares]


@given(tables(most=3), st.none() | st.integers(1, 20))
@settings(max_examples=80, deadline=None)
def test_no_choice_of_as_many_rows_is_nearer_by_a_whole_row(
    table: tuple[Counts, list[Shares]], total: int | None
) -> None:
    had, shares = table
    kept = rake(had, shares, total)
    assert ((kept >= 0) & (kept <= had)).all()
    usable = had * np.array([*product(*shares)]).all(axis=1).reshape(had.shape)
    assert (kept <= usable).all()
    if not kept.sum():
        return
    every = np.array(list(product(*(range(n + 1) for n in usable.ravel().tolist()))))
    as_many = every[every.sum(axis=1) == kept.sum()].reshape(-1, *had.shape)
    best = sum(
        np.abs(as_many.sum(axis=tuple(i + 1 for i in range(had.ndim) if i != axis)) - kept.sum() * t).sum(1)
        / 2
        for axis, t in enumerate(shares)
    )
    assert off(kept, shares) <= np.min(best) + 1


@given(tables(most=9), st.integers(1, 200))
@settings(max_examples=80, deadline=None)
def test_with_ample_rows_every_level_is_within_a_row_of_its_share(
    table: tuple[Counts, list[Shares]], total: int
) -> None:
    had, shares = table
    kept = rake(had + 1000, shares, total)
    assert kept.sum() == total
    for margin, t in zip(margins(kept), shares, strict=True):
        assert (np.abs(margin - total * t) < 1 + 1e-9).all()


@given(tables(most=400), st.integers(1, 1500))
@settings(max_examples=50, deadline=None)
def test_it_is_never_worse_than_a_proportional_sample_or_the_product_of_the_marginals(
    table: tuple[Counts, list[Shares]], total: int
) -> None:
    had, shares = table
    assume(all((t > 0).all() for t in shares))
    kept = rake(had, shares, total)
    number = int(kept.sum())
    assume(number > 0)
    sample = quotas(had.ravel(), had.ravel().astype(np.float64), number).reshape(had.shape)
    joint = np.ones(())
    for t in shares:
        joint = np.multiply.outer(joint, t)
    product_quotas = quotas(had.ravel(), joint.ravel(), total).reshape(had.shape)
    ours = off(kept, shares)
    assert ours <= off(sample, shares) + 1
    # The product keeps fewer rows where a joint cell is thin, so shares are compared, with a row's grace.
    if product_quotas.sum() == number:
        assert ours <= off(product_quotas, shares) + 1


@pytest.mark.parametrize("shape", [(8, 5), (12, 10), (8, 5, 4)])
@pytest.mark.parametrize("filled", [0.2, 0.6])
def test_thin_and_skewed_tables_come_within_rows_of_the_linear_programme(
    shape: tuple[int, ...], filled: float
) -> None:
    random = np.random.default_rng(len(shape) + int(10 * filled))
    for _ in range(4):
        had = (random.pareto(1.0, shape) * 30).astype(np.int64) * (random.random(shape) < filled)
        shares = [np.full(size, 1 / size) for size in shape]
        kept = rake(had, shares, int(had.sum() * 0.4) + 1)
        number = int(kept.sum())
        # Whole rows alone put a level off by up to half a row.
        assert off(kept, shares) <= _programme(had, shares, number) + sum(shape) / 4 + 1


def _programme(had: Counts, shares: list[Shares], number: int) -> float:
    """The smallest sum of the marginals' total variations, in rows, with fractions of rows allowed."""
    cells, levels = had.size, sum(had.shape)
    index = np.indices(had.shape).reshape(had.ndim, -1)
    first = np.cumsum([0, *had.shape[:-1]])
    rows = np.concatenate([start + places for start, places in zip(first, index, strict=True)])
    sums = sparse.csr_matrix((np.ones(rows.size), (rows, np.tile(np.arange(cells), had.ndim))))
    slack = sparse.identity(levels)
    aims = np.concatenate([number * t for t in shares])
    found = linprog(
        np.concatenate([np.zeros(cells), np.full(levels, 0.5)]),
        A_ub=sparse.bmat([[sums, -slack], [-sums, -slack]]),
        b_ub=np.concatenate([aims, -aims]),
        A_eq=np.concatenate([np.ones(cells), np.zeros(levels)])[None],
        b_eq=[number],
        bounds=[(0, n) for n in had.ravel().tolist()] + [(0, None)] * levels,
    )
    return float(found.fun)
