"""How well answers fit the truth: every measure with its source.

Each measure is made of sums over rows, so each comes in two steps. `..._terms` says what every row adds: N rows
of F terms, zeros for a row that has no truth or no answer (NaN, or -1 for a class). The measure itself takes
terms that are added up, float64 of any shape (..., F), and answers in the shape (...): one set of sums for the
figure, a thousand for its bootstrap (`curate.models.bootstrap`).

What cannot be said is NaN, as each docstring has it; nothing here warns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BINS = 15
"""Of Guo et al. (2017)."""

# A spread below this share of the values' own size is rounding, not spread.
_CONSTANT = 1e-12


@dataclass(frozen=True, slots=True)
class Intensity:
    """How near numbers come to numbers; every field has the shape (...).

    Attributes:
        n: pairs.
        pcc: Pearson's correlation, -1 to 1; NaN below two pairs or where either side is constant.
        icc: ICC(3,1), -1 to 1; NaN below two pairs or where both sides are constant.
        mse: mean squared error; NaN without a pair.
        mae: mean absolute error; NaN without a pair.
    """

    n: Floats
    pcc: Floats
    icc: Floats
    mse: Floats
    mae: Floats


@dataclass(frozen=True, slots=True)
class Presence:
    """How well a yes or no is told; every field has the shape (...).

    Attributes:
        n: pairs.
        positives: pairs whose truth is yes.
        f1: 2 TP / (2 TP + FP + FN), 0 to 1; NaN where neither truth nor answers have a yes.
        accuracy: (TP + TN) / n; NaN without a pair.
    """

    n: Floats
    positives: Floats
    f1: Floats
    accuracy: Floats


@dataclass(frozen=True, slots=True)
class Classification:
    """How well one of K classes is told.

    Attributes:
        confusion: (..., K, K) rows with truth i and answer j.
        unanswered: (..., K) rows with truth i and no answer.
        accuracy: (...) right answers of all answers; NaN without an answer.
        accuracy_of_all: (...) right answers of all rows: no answer is a wrong one; NaN without a row.
        precision, recall, f1: (..., K) of the answers; NaN where nothing was answered i (precision), no answered
            row is of class i (recall, f1).
        macro_f1: (...) mean of f1 over the classes that have one.
    """

    confusion: Floats
    unanswered: Floats
    accuracy: Floats
    accuracy_of_all: Floats
    precision: Floats
    recall: Floats
    f1: Floats
    macro_f1: Floats


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether a probability means what it says.

    Attributes:
        n: (..., B) answers in each bin.
        confidence: (..., B) their mean probability; NaN in an empty bin.
        accuracy: (..., B) the share of them that is right; NaN in an empty bin.
        ece: (...) expected calibration error, 0 to 1; NaN without an answer.
    """

    n: Floats
    confidence: Floats
    accuracy: Floats
    ece: Floats


def intensity_terms(answers: ArrayLike, truth: ArrayLike) -> Floats:
    """(N, 8) terms of `intensity` for answers (N,) and truth (N,), NaN where there is none."""
    x, y = np.asarray(answers, np.float64), np.asarray(truth, np.float64)
    both = np.isfinite(x) & np.isfinite(y)
    terms = np.zeros((len(x), 8))
    if both.any():
        x, y = x[both], y[both]
        error = x - y
        # Neither correlation nor ICC(3,1) depends on the sides' means; without them the squares lose no digits.
        x, y = x - x.mean(), y - y.mean()
        terms[both] = np.column_stack(
            [np.ones_like(x), x, y, x * x, y * y, x * y, error * error, np.abs(error)]
        )
    return terms


def intensity(sums: Floats) -> Intensity:
    """Correlation, ICC(3,1), squared and absolute error, of sums (..., 8) of `intensity_terms`.

    PCC: r = Sxy / sqrt(Sxx Syy) (Pearson 1895). ICC(3,1) = (BMS - EMS) / (BMS + (k - 1) EMS) with k = 2 judges,
    the truth and the answers (Shrout & Fleiss 1979, table 4); for two judges that is 2 Sxy / (Sxx + Syy).
    """
    n, x, y, xx, yy, xy, squared, absolute = np.moveaxis(np.asarray(sums, np.float64), -1, 0)
    sxx, syy = xx - _ratio(x * x, n), yy - _ratio(y * y, n)
    sxy = xy - _ratio(x * y, n)
    sxx = np.where(sxx > _CONSTANT * xx, sxx, 0.0)
    syy = np.where(syy > _CONSTANT * yy, syy, 0.0)
    pcc = _ratio(sxy, np.sqrt(sxx) * np.sqrt(syy))
    icc = _ratio(np.where((sxx > 0) & (syy > 0), 2 * sxy, 0.0), sxx + syy)
    return Intensity(n, np.clip(pcc, -1, 1), np.clip(icc, -1, 1), _ratio(squared, n), _ratio(absolute, n))


def pcc(answers: ArrayLike, truth: ArrayLike) -> float:
    """Pearson's correlation of two columns (N,); see `Intensity`."""
    return float(intensity(intensity_terms(answers, truth).sum(axis=0)).pcc)


def icc(ratings: ArrayLike) -> float:
    """ICC(3,1) of N targets by k judges, (N, k); NaN below two targets or judges, or where no judge varies.

    Two-way mixed, single rating, consistency: (BMS - EMS) / (BMS + (k - 1) EMS), of the mean squares between
    targets and of the residuals (Shrout & Fleiss 1979). Targets that a judge left out (NaN) do not count.
    """
    table = np.asarray(ratings, np.float64)
    table = table[np.isfinite(table).all(axis=1)]
    n, k = table.shape
    if n < 2 or k < 2:
        return float("nan")
    size = float(np.square(table).sum())
    table = table - table.mean(axis=0)  # takes the judges' means, and with them their mean square, out
    between = k * float(np.square(table.mean(axis=1) - table.mean()).sum())
    residual = float(np.square(table).sum()) - between
    if between + residual <= _CONSTANT * size:
        return float("nan")
    bms, ems = between / (n - 1), residual / ((n - 1) * (k - 1))
    return float((bms - ems) / (bms + (k - 1) * ems))


def presence_terms(probabilities: ArrayLike, truth: ArrayLike, *, threshold: float = 0.5) -> Floats:
    """(N, 4) terms of `presence` for probabilities (N,) and truth (N,); from `threshold` on either is a yes."""
    p, t = np.asarray(probabilities, np.float64), np.asarray(truth, np.float64)
    both = np.isfinite(p) & np.isfinite(t)
    said, true = p >= threshold, t >= threshold
    cases = [said & true, said & ~true, ~said & true, ~said & ~true]
    return np.column_stack([case & both for case in cases]).astype(np.float64)


def presence(sums: Floats) -> Presence:
    """F1 (van Rijsbergen 1979) and accuracy, of sums (..., 4) of `presence_terms`."""
    tp, fp, fn, tn = np.moveaxis(np.asarray(sums, np.float64), -1, 0)
    n = tp + fp + fn + tn
    return Presence(n, tp + fn, _ratio(2 * tp, 2 * tp + fp + fn), _ratio(tp + tn, n))


def classification_terms(answers: ArrayLike, truth: ArrayLike, classes: int) -> Floats:
    """(N, K (K + 1)) terms of `classification`: classes as numbers (N,) from 0, -1 where there is none."""
    a, t = np.asarray(answers, np.int64), np.asarray(truth, np.int64)
    terms = np.zeros((len(a), classes * (classes + 1)))
    (known,) = np.nonzero(t >= 0)
    terms[known, t[known] * (classes + 1) + np.where(a[known] < 0, classes, a[known])] = 1
    return terms


def classification(sums: Floats, classes: int) -> Classification:
    """Accuracy, macro-F1 and the confusion matrix, of sums (..., K (K + 1)) of `classification_terms`.

    F1 of a class is 2 TP / (2 TP + FP + FN); macro-F1 is the mean of the classes' F1, not the F1 of mean
    precision and mean recall (Opitz & Burst 2019 on the difference). A class that the truth lacks has no F1
    and no part in the mean; an answer of such a class still counts against the true one's recall.
    """
    sums = np.asarray(sums, np.float64)
    table = sums.reshape(*sums.shape[:-1], classes, classes + 1)
    confusion, unanswered = table[..., :classes], table[..., classes]
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    true, answered = confusion.sum(axis=-1), confusion.sum(axis=-2)
    f1 = np.where(true > 0, _ratio(2 * right, true + answered), np.nan)
    n = true.sum(axis=-1)
    return Classification(
        confusion,
        unanswered,
        _ratio(right.sum(axis=-1), n),
        _ratio(right.sum(axis=-1), n + unanswered.sum(axis=-1)),
        _ratio(right, answered),
        _ratio(right, true),
        f1,
        mean_of_defined(f1),
    )


def kappa(confusion: ArrayLike) -> float:
    """Cohen's kappa of a (K, K) cross table (Cohen 1960): agreement beyond chance, -1 to 1.

    NaN for an empty table, and where chance alone agrees always (both sides know one class, the same).
    """
    table = np.asarray(confusion, np.float64)
    n = table.sum()
    observed = _ratio(np.trace(table), n)
    chance = _ratio((table.sum(axis=0) * table.sum(axis=1)).sum(), n * n)
    return float(_ratio(observed - chance, 1 - chance))


def calibration_terms(confidence: ArrayLike, right: ArrayLike, *, bins: int = BINS) -> Floats:
    """(N, 3 B) terms of `calibration`: the probability (N,) of each answer, NaN where there is none, and
    whether it is right (N,)."""
    p = np.asarray(confidence, np.float64)
    (known,) = np.nonzero(np.isfinite(p))
    # Bin m holds ((m - 1) / B, m / B], as in the paper.
    of = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], p[known], side="left")
    terms = np.zeros((len(p), 3, bins))
    terms[known, 0, of] = 1
    terms[known, 1, of] = p[known]
    terms[known, 2, of] = np.asarray(right, bool)[known]
    return terms.reshape(len(p), 3 * bins)


def calibration(sums: Floats) -> Calibration:
    """Reliability diagram and expected calibration error, of sums (..., 3 B) of `calibration_terms`.

    ECE = sum over bins of n_b / n |accuracy_b - confidence_b|, equal-width bins of the top probability (Guo et
    al. 2017, equation 3; the diagram is Niculescu-Mizil & Caruana's, 2005).
    """
    sums = np.asarray(sums, np.float64)
    n, confidence, right = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    ece = _ratio(np.abs(right - confidence).sum(axis=-1), n.sum(axis=-1))
    return Calibration(n, _ratio(confidence, n), _ratio(right, n), ece)


def mean_of_defined(values: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is left."""
    there = np.isfinite(values)
    return _ratio(np.where(there, values, 0.0).sum(axis=-1), there.sum(axis=-1))


def _ratio(above: ArrayLike, below: ArrayLike) -> Floats:
    """`above / below`, NaN where there is nothing to divide by."""
    above, below = np.broadcast_arrays(np.asarray(above, np.float64), np.asarray(below, np.float64))
    ratio: Floats = np.divide(above, below, out=np.full(below.shape, np.nan), where=below != 0)
    return ratio
