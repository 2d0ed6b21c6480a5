"""Bootstrap confidence intervals of measures that are made of sums (`curate.models.metrics`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from curate.models.metrics import Floats, Integers

LEVEL = 0.95
# Weights held at once: 32 MB of them.
_WEIGHTS = 1 << 22


def resampled_sums(terms: Sequence[Floats], units: ArrayLike, resamples: int, *, seed: int) -> list[Floats]:
    """The sums of every block of terms over rows that are drawn anew, with replacement (Efron 1979).

    What is drawn are units: all rows of a unit come together. With a unit a row this is the plain bootstrap; with
    a unit a subject it is the cluster bootstrap, which the frames of one face need: they are no independent rows
    (Field & Welsh 2007).

    Args:
        terms: blocks (N, F_i) of what each row adds; all are drawn alike.
        units: (N,) the unit of each row, numbers from 0 without gaps.
        resamples: how often.
        seed: the same seed draws the same rows.

    Returns:
        For each block the sums (resamples, F_i), float64.
    """
    of = np.asarray(units, np.int64)
    count = int(of.max()) + 1 if len(of) else 0
    together = np.hstack([np.zeros((len(of), 0)), *terms])
    if count < len(of):
        rows = together
        together = np.zeros((count, rows.shape[1]))
        np.add.at(together, of, rows)
    sums = np.zeros((resamples, together.shape[1]))
    random = np.random.Generator(np.random.PCG64(seed))
    step = max(1, _WEIGHTS // max(count, 1))
    for start in range(0, resamples if count else 0, step):
        size = min(step, resamples - start)
        drawn = random.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        sums[start : start + size] = weights.astype(np.float64) @ together
    return np.split(sums, np.cumsum([block.shape[1] for block in terms])[:-1], axis=1)


def interval(values: Floats) -> tuple[float, float] | None:
    """The percentile interval (Efron & Tibshirani 1993, chapter 13) of a measure's resamples (B,), at 95 %.

    Resamples without a value (NaN) do not count; None where fewer than half have one.
    """
    there = values[np.isfinite(values)]
    if len(there) == 0 or 2 * len(there) < len(values):
        return None
    low, high = np.quantile(there, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def units_of(groups: Sequence[str | None]) -> Integers:
    """(N,) unit numbers: one for each group where there are several, otherwise one for each row.

    Rows without a group are units of their own.
    """
    named = {group for group in groups if group is not None}
    if len(named) < 2:
        return np.arange(len(groups))
    numbers: dict[object, int] = {}
    keys = [group if group is not None else (row,) for row, group in enumerate(groups)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)
