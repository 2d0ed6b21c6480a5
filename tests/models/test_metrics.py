from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from curate.models import metrics

# Six targets, four judges: Shrout & Fleiss 1979, table 2.
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)

Floats = NDArray[np.float64]
numbers = st.floats(0, 5, width=32)
columns = st.integers(2, 40).flatmap(lambda n: arrays(np.float64, (2, n), elements=numbers))
choices = st.integers(1, 60).flatmap(lambda n: arrays(np.int64, (2, n), elements=st.integers(0, 7)))


def intensity(x: object, y: object) -> metrics.Intensity:
    return metrics.intensity(metrics.intensity_terms(np.asarray(x), np.asarray(y)).sum(axis=0))


def presence(p: object, t: object) -> metrics.Presence:
    return metrics.presence(metrics.presence_terms(np.asarray(p), np.asarray(t)).sum(axis=0))


def classification(answers: object, truth: object, classes: int = 8) -> metrics.Classification:
    terms = metrics.classification_terms(np.asarray(answers), np.asarray(truth), classes)
    return metrics.classification(terms.sum(axis=0), classes)


def calibration(confidence: object, right: object) -> metrics.Calibration:
    return metrics.calibration(
        metrics.calibration_terms(np.asarray(confidence), np.asarray(right)).sum(axis=0)
    )


def spread(values: Floats) -> bool:
    """Whether a column varies by more than rounding, so that other libraries' answers can be trusted."""
    return bool(np.ptp(values) > 1e-3)


def test_icc_of_the_published_table_is_the_published_one() -> None:
    assert metrics.icc(SHROUT_FLEISS) == pytest.approx(0.71, abs=0.005)
    # The paper's mean squares: between targets 11.24, residual 1.02.
    assert metrics.icc(SHROUT_FLEISS) == pytest.approx((11.24 - 1.02) / (11.24 + 3 * 1.02), abs=0.002)


def test_icc_of_two_of_its_judges_is_that_of_the_pair() -> None:
    for i, j in ((0, 1), (1, 2), (0, 3)):
        pair = SHROUT_FLEISS[:, [i, j]]
        assert float(intensity(pair[:, 0], pair[:, 1]).icc) == pytest.approx(metrics.icc(pair), abs=1e-12)


@given(columns)
def test_icc_by_analysis_of_variance_is_icc_by_sums(pair: Floats) -> None:
    by_sums, by_variance = float(intensity(*pair).icc), metrics.icc(pair.T)
    if spread(pair[0]) or spread(pair[1]):
        assert by_sums == pytest.approx(by_variance, abs=1e-6)


@given(columns)
def test_correlation_is_scipys(pair: Floats) -> None:
    x, y = pair
    if spread(x) and spread(y):
        assert metrics.pcc(x, y) == pytest.approx(scipy.stats.pearsonr(x, y).statistic, abs=1e-6)


@given(columns)
def test_errors_are_scikit_learns(pair: Floats) -> None:
    told = intensity(*pair)
    assert told.mse == pytest.approx(sklearn.metrics.mean_squared_error(*pair), abs=1e-9)
    assert told.mae == pytest.approx(sklearn.metrics.mean_absolute_error(*pair), abs=1e-9)


@given(columns, st.floats(0.1, 10), st.floats(-3, 3))
def test_scale_and_shift_leave_correlation_alone_and_a_shift_leaves_icc_alone(
    pair: Floats, scale: float, shift: float
) -> None:
    x, y = pair
    if spread(x) and spread(y):
        assert metrics.pcc(x, y) == pytest.approx(metrics.pcc(scale * x + shift, y), abs=1e-5)
        assert float(intensity(x, y).icc) == pytest.approx(float(intensity(x + shift, y).icc), abs=1e-5)
        assert abs(float(intensity(x, y).icc)) <= abs(metrics.pcc(x, y)) + 1e-9


def test_correlation_and_errors_are_torchmetrics_too() -> None:
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional")
    x, y = np.random.default_rng(0).random((2, 300)) * 5
    a, b = torch.from_numpy(x), torch.from_numpy(y)
    assert metrics.pcc(x, y) == pytest.approx(float(functional.pearson_corrcoef(a, b)), abs=1e-9)
    assert intensity(x, y).mse == pytest.approx(float(functional.mean_squared_error(a, b)))


def test_calibration_error_is_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.classification")
    random = np.random.default_rng(1)
    probabilities = random.dirichlet(np.full(8, 0.3), 500)
    truth = random.integers(0, 8, 500)
    theirs = functional.multiclass_calibration_error(
        torch.from_numpy(probabilities), torch.from_numpy(truth), num_classes=8, n_bins=15
    )
    ours = calibration(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth)
    assert ours.ece == pytest.approx(float(theirs), abs=1e-6)


def test_calibration_by_hand() -> None:
    # Bin (.8, .8667]: three at .85, one wrong: |2/3 - .85|. Bin (.3333, .4]: one right at .4: |1 - .4|.
    told = calibration([0.85, 0.85, 0.85, 0.4, np.nan], [True, True, False, True, True])
    assert told.ece == pytest.approx(3 / 4 * (0.85 - 2 / 3) + 1 / 4 * 0.6)
    assert np.nonzero(told.n)[0].tolist() == [5, 12]
    assert told.n.sum() == 4


def test_bins_are_open_below_and_closed_above_and_hold_both_ends() -> None:
    told = calibration([0.0, 1 / 15, 2 / 15, 1.0], [False, True, True, True])
    assert told.n[[0, 1, 14]].tolist() == [2, 1, 1]


@given(choices)
def test_expression_measures_are_scikit_learns(pair: NDArray[np.int64]) -> None:
    answers, truth = pair
    told = classification(answers, truth)
    assert told.accuracy == pytest.approx(sklearn.metrics.accuracy_score(truth, answers))
    labels = np.unique(truth)
    f1 = sklearn.metrics.f1_score(truth, answers, labels=labels, average="macro", zero_division=0.0)
    assert told.macro_f1 == pytest.approx(f1)
    confusion = sklearn.metrics.confusion_matrix(truth, answers, labels=range(8))
    assert told.confusion.tolist() == confusion.tolist()
    if len({*answers, *truth}) > 1:
        expected = sklearn.metrics.cohen_kappa_score(truth, answers)
        assert metrics.kappa(told.confusion) == pytest.approx(expected)


def test_no_answer_is_wrong_in_one_accuracy_and_absent_from_the_other() -> None:
    told = classification([0, 1, -1, -1, 0], [0, 0, 0, 1, -1], classes=2)
    assert (told.accuracy, told.accuracy_of_all) == (0.5, 0.25)
    assert told.unanswered.tolist() == [1, 1]
    assert told.confusion.tolist() == [[1, 1], [0, 0]]
    assert np.isnan(told.f1[1])
    assert told.macro_f1 == pytest.approx(2 / 3)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1))
def test_presence_is_scikit_learns(rows: list[tuple[float, int]]) -> None:
    p, t = (np.array(side, np.float64) for side in zip(*rows, strict=True))
    told = presence(p, t)
    said = p >= 0.5
    assert told.accuracy == pytest.approx(sklearn.metrics.accuracy_score(t, said))
    if t.any() or said.any():
        assert told.f1 == pytest.approx(sklearn.metrics.f1_score(t, said, zero_division=0.0))
    else:
        assert np.isnan(told.f1)


def test_half_a_probability_is_a_yes() -> None:
    assert presence([0.5, 0.49], [1, 0]).accuracy == 1


@given(columns)
def test_pairs_with_a_gap_do_not_count(pair: Floats) -> None:
    x, y = pair
    gaps = np.concatenate([x, [np.nan, 1.0, np.inf]]), np.concatenate([y, [1.0, np.nan, 1.0]])
    with_gaps, without = intensity(*gaps), intensity(x, y)
    for name in ("n", "pcc", "icc", "mse", "mae"):
        assert getattr(with_gaps, name) == pytest.approx(getattr(without, name), nan_ok=True)


@pytest.mark.parametrize(
    ("x", "y", "pcc", "icc"),
    [
        ([], [], None, None),
        ([1.0], [2.0], None, None),
        ([0.1] * 7, [0.1] * 7, None, None),
        ([0.1] * 7, [0.3] * 7, None, None),
        ([0.1] * 3, [1.0, 2.0, 3.0], None, 0.0),
        ([1.0, 2.0, 3.0], [0.7] * 3, None, 0.0),
        ([np.nan, np.nan], [1.0, 2.0], None, None),
        ([1.0, 2.0], [2.0, 1.0], -1.0, -1.0),
    ],
)
def test_what_cannot_be_said_is_nan(
    x: list[float], y: list[float], pcc: float | None, icc: float | None
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = intensity(x, y)
    assert float(told.pcc) == pytest.approx(np.nan if pcc is None else pcc, nan_ok=True)
    assert float(told.icc) == pytest.approx(np.nan if icc is None else icc, nan_ok=True)


def test_empty_tables_say_nothing() -> None:
    nothing = np.zeros(0)
    assert np.isnan(intensity(nothing, nothing).mse)
    assert np.isnan(presence(nothing, nothing).accuracy)
    told = classification(nothing, nothing)
    assert all(np.isnan([told.accuracy, told.accuracy_of_all, told.macro_f1]))
    assert np.isnan(calibration(nothing, nothing).ece)
    assert np.isnan(metrics.kappa(np.zeros((3, 3))))
    assert np.isnan(metrics.kappa(np.diag([5, 0, 0])))
    assert np.isnan(metrics.icc(np.zeros((1, 2))))
    assert np.isnan(metrics.icc(np.full((5, 3), 0.1)))


def test_sums_of_many_resamples_are_measured_at_once() -> None:
    random = np.random.default_rng(0)
    x, y = random.random((2, 50))
    terms = metrics.intensity_terms(x, y)
    halves = np.stack([terms[:25].sum(axis=0), terms[25:].sum(axis=0)])
    told = metrics.intensity(halves)
    assert told.pcc == pytest.approx([metrics.pcc(x[:25], y[:25]), metrics.pcc(x[25:], y[25:])])
    assert told.mae == pytest.approx([np.abs(x - y)[:25].mean(), np.abs(x - y)[25:].mean()])


@given(columns, st.integers(2, 30))
def test_a_resample_of_one_pair_again_and_again_is_constant(pair: Floats, times: int) -> None:
    terms = metrics.intensity_terms(*pair)
    told = metrics.intensity(np.stack([np.repeat(row[None], times, axis=0).sum(axis=0) for row in terms]))
    assert np.isnan(told.pcc).all()
    assert np.isnan(told.icc).all()
