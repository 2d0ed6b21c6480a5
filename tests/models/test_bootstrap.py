from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from curate.models import bootstrap, metrics


def test_the_interval_of_a_correlation_is_scipys() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=200)
    y = x + random.normal(size=200)
    terms = metrics.intensity_terms(x, y)
    (drawn,) = bootstrap.resampled_sums([terms], np.arange(200), 4000, seed=0)
    ours = bootstrap.interval(metrics.intensity(drawn).pcc)
    theirs = scipy.stats.bootstrap(
        (x, y),
        lambda a, b: scipy.stats.pearsonr(a, b).statistic,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=4000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_a_seed_draws_the_same_and_another_one_does_not() -> None:
    terms = [np.random.default_rng(0).random((30, 2))]
    draw = [bootstrap.resampled_sums(terms, np.arange(30), 5, seed=seed)[0] for seed in (1, 1, 2)]
    assert np.array_equal(draw[0], draw[1])
    assert not np.array_equal(draw[0], draw[2])


def test_rows_of_a_subject_come_together() -> None:
    subjects = ["a"] * 10 + ["b"] * 5 + [None]
    units = bootstrap.units_of(subjects)
    assert units.tolist() == [0] * 10 + [1] * 5 + [2]
    of_each = np.eye(3)[units]
    (drawn,) = bootstrap.resampled_sums([of_each], units, 200, seed=0)
    assert set((drawn / [10, 5, 1]).sum(axis=1)) == {3.0}
    assert set(np.unique(drawn[:, 0])) == {0, 10, 20, 30}


def test_one_subject_is_none() -> None:
    assert bootstrap.units_of(["a", "a", None]).tolist() == [0, 1, 2]
    assert bootstrap.units_of([]).tolist() == []


def test_blocks_are_drawn_alike_and_given_back_apart() -> None:
    one, two = np.arange(20.0)[:, None], np.column_stack([np.arange(20.0), np.ones(20)])
    a, b = bootstrap.resampled_sums([one, two], np.arange(20), 7, seed=0)
    assert (a.shape, b.shape) == ((7, 1), (7, 2))
    assert np.array_equal(a[:, 0], b[:, 0])
    assert (b[:, 1] == 20).all()


def test_many_rows_are_drawn_in_pieces_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    terms = [np.ones((100, 1)), np.arange(100.0)[:, None]]
    monkeypatch.setattr(bootstrap, "_WEIGHTS", 250)
    counts, values = bootstrap.resampled_sums(terms, np.arange(100), 11, seed=0)
    assert (counts == 100).all()
    assert len(np.unique(values)) == 11


def test_intervals_widen_with_subjects_whose_rows_are_alike() -> None:
    random = np.random.default_rng(0)
    of = np.repeat(np.arange(20), 30)
    right = np.repeat(random.random(20) < 0.5, 30)
    terms = [metrics.classification_terms(np.where(right, 0, 1), np.zeros(600, int), 2)]
    widths = []
    for units in (np.arange(600), of):
        (drawn,) = bootstrap.resampled_sums(terms, units, 1000, seed=0)
        ends = bootstrap.interval(metrics.classification(drawn, 2).accuracy)
        assert ends is not None
        widths.append(ends[1] - ends[0])
    assert widths[1] > 3 * widths[0]


def test_a_measure_that_most_resamples_lack_has_no_interval() -> None:
    assert bootstrap.interval(np.array([np.nan] * 6 + [0.1] * 4)) is None
    assert bootstrap.interval(np.array([np.nan] * 4 + [0.1] * 6)) == (0.1, 0.1)
    assert bootstrap.interval(np.zeros(0)) is None


def test_nothing_to_draw_from_gives_no_intervals() -> None:
    (drawn,) = bootstrap.resampled_sums([np.zeros((0, 8))], np.zeros(0, int), 5, seed=0)
    assert bootstrap.interval(metrics.intensity(drawn).pcc) is None
