"""Two sets side by side: how far apart they are, in which columns, and the faces that only one of them has."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.recipes.distances import distances
from curate.recipes.diversity import expression_vectors
from curate.recipes.sample import by_content
from curate.recipes.stats import Statistics
from curate.recipes.vectors import au_columns, au_vectors
from curate.scorers.columns import EXPRESSIONS

# Faces of each set for what is counted over pairs.
SAMPLE = 2_000
_PERMUTATIONS = 199
_EXEMPLARS = 5
_CANDIDATES = 50
_OTHERS = 100_000
_CHUNK = 20_000
# Nearer than this (root mean square), two faces do the same but for rounding.
_SAME = 1e-4
_AFFECT = ("valence", "arousal")


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two clouds of points are apart.

    Attributes:
        coefficient: 0 where they are one, towards 1 the less they overlap.
        p: the share of random splits of both together that are as far apart; the least is 1 / 200.
    """

    coefficient: float
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What sets A and B apart. None: one of them lacks what it takes.

    Attributes:
        expressions, bands: total variation and Jensen-Shannon divergence (bits) of their shares, in [0, 1].
        flat: the difference of the neutral + polite smile shares, A - B, and its 95 % interval.
        action_units, affect: energy distance of the action units, and of valence and arousal.
        columns: `column`, `a`, `b` (means), `d`, the standardised difference (a - b) / s; the largest first.
        only_a, only_b: the faces of one set that are least like any of the other: `image`, `face`, `expression`,
            `temperature` and `distance` to the nearest (root mean square over action units and probabilities).
    """

    expressions: tuple[float, float] | None
    bands: tuple[float, float] | None
    flat: tuple[float, float, float] | None
    action_units: Distance | None
    affect: Distance | None
    columns: pl.DataFrame
    only_a: pl.DataFrame
    only_b: pl.DataFrame

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        pairs = {"expressions": self.expressions, "bands": self.bands}
        energy = {"action_units": self.action_units, "affect": self.affect}
        return {
            **{k: v and {"total_variation": v[0], "jensen_shannon": v[1]} for k, v in pairs.items()},
            "neutral_and_polite_difference": self.flat
            and {"difference": self.flat[0], "low": self.flat[1], "high": self.flat[2]},
            "energy_distance": {k: v and {"coefficient": v.coefficient, "p": v.p} for k, v in energy.items()},
            "columns": self.columns.to_dicts(),
            "only_a": self.only_a.to_dicts(),
            "only_b": self.only_b.to_dicts(),
        }


def compare(a: pl.DataFrame, b: pl.DataFrame, stats_a: Statistics, stats_b: Statistics) -> Comparison:
    """Set A against set B.

    Args:
        a, b: their rows.
        stats_a, stats_b: `statistics` of the same rows.
    """
    a, b = (x.filter(pl.col("status") == "ok") for x in (a, b))
    common = [c for c in a.columns if c in b.columns]
    a, b = a.select(common), b.select(common)
    sample_a, sample_b = by_content(a, SAMPLE), by_content(b, SAMPLE)
    plane = set(_AFFECT) <= set(common)
    return Comparison(
        expressions=_apart(stats_a.expressions, stats_b.expressions),
        bands=_apart(stats_a.bands, stats_b.bands),
        flat=_flat(stats_a, stats_b),
        action_units=energy_distance(au_vectors(sample_a), au_vectors(sample_b)),
        affect=energy_distance(*(_points(x) for x in (sample_a, sample_b))) if plane else None,
        columns=standardised(a, b),
        only_a=furthest(a, b),
        only_b=furthest(b, a),
    )


def energy_distance(x: NDArray[np.floating], y: NDArray[np.floating]) -> Distance | None:
    """The energy coefficient of two samples, with a permutation test (Székely & Rizzo 2013, J. Stat. Plan. Inf. 143).

    E = 2 mean|X - Y| - mean|X - X'| - mean|Y - Y'|, over 2 mean|X - Y|: 0 only where the distributions are the same,
    whatever their shape.

    Args:
        x, y: (n, k) and (m, k); rows with NaN are left out. n + m points take (n + m)^2 numbers.

    Returns:
        None where one of them is empty or has no columns.
    """
    x, y = (np.asarray(v[~np.isnan(v).any(axis=1)], np.float64) for v in (x, y))
    if not len(x) or not len(y) or not x.shape[1]:
        return None
    points = np.concatenate([x, y])
    between = _between(points, points)
    np.fill_diagonal(between, 0)
    n, m = len(x), len(y)
    sides = np.concatenate([np.full(n, 1 / n), np.full(m, -1 / m)])
    random = np.random.default_rng(0)
    signs = np.stack([sides, *(random.permutation(sides) for _ in range(_PERMUTATIONS))], axis=1)
    energies = -np.einsum("ij,ij->j", signs, between @ signs)
    apart = 2 * float(between[:n, n:].mean())
    energy = max(0.0, float(energies[0]))
    as_far = int((energies[1:] >= energy - 1e-12).sum())
    return Distance(min(1.0, energy / apart) if apart else 0.0, (1 + as_far) / (1 + _PERMUTATIONS))


def standardised(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """Means of action units, probabilities and affect, and their difference over the pooled deviation (Cohen's d).

    Returns:
        `column`, `a`, `b`, `d`; the largest |d| first. d is null where a column does not vary or is empty.
    """
    names = [
        c for c in (*au_columns(a.columns), *EXPRESSIONS, *_AFFECT, "temperature", "tone") if c in a.columns
    ]
    rows = []
    for name in names:
        x, y = (f.get_column(name).drop_nulls().cast(pl.Float64) for f in (a, b))
        if x.is_empty() or y.is_empty():
            continue
        first, second = float(x.mean()), float(y.mean())  # type: ignore[arg-type]
        n, m = x.len(), y.len()
        variances = (float(v.var() or 0.0) for v in (x, y))  # type: ignore[arg-type]
        squares = sum(v * (k - 1) for v, k in zip(variances, (n, m), strict=True))
        spread = sqrt(squares / (n + m - 2)) if n + m > 2 else 0.0
        rows.append((name, first, second, (first - second) / spread if spread > 1e-9 else None))
    schema = {"column": pl.String, "a": pl.Float64, "b": pl.Float64, "d": pl.Float64}
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return table.sort(pl.col("d").abs(), descending=True, nulls_last=True, maintain_order=True)


def furthest(frame: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """The faces of a set that are least like any face of another, and not like each other.

    Of a sample of the first, the 50 that are furthest from a sample of the second are compared with 100,000 faces of
    it; then the one that is furthest from all of them, and from those that were taken before it, comes next.

    Args:
        frame: the faces to choose from.
        other: the other set.

    Returns:
        `image`, `face`, `expression`, `temperature` as far as the set has them, and `distance` to the nearest face of
        `other`; at most 5 rows, none whose like is there.
    """
    shown = [c for c in ("image", "face", "expression", "temperature") if c in frame.columns]
    sample, vectors = _known(by_content(frame, SAMPLE))
    _, others = _known(by_content(other, _OTHERS))
    if not len(vectors) or not len(others) or not vectors.shape[1]:
        return sample.select(shown).with_columns(pl.lit(None, pl.Float64).alias("distance")).clear()
    first = np.argsort(-_nearest(vectors, others[:SAMPLE]), kind="stable")[:_CANDIDATES]
    sample, vectors = sample[first], vectors[first]
    scale = sqrt(vectors.shape[1])
    distance = _nearest(vectors, others) / scale
    apart, chosen = distance.copy(), list[int]()
    while len(chosen) < _EXEMPLARS and apart.max() > _SAME:
        best = int(apart.argmax())
        chosen.append(best)
        apart = np.minimum(apart, _between(vectors, vectors[best : best + 1])[:, 0] / scale)
        apart[best] = 0
    return sample[chosen].select(shown).with_columns(pl.Series("distance", distance[chosen], pl.Float64))


def _known(frame: pl.DataFrame) -> tuple[pl.DataFrame, NDArray[np.float64]]:
    """The rows that have a vector, and their vectors."""
    vectors = expression_vectors(frame)
    known = ~np.isnan(vectors).any(axis=1)
    return frame.filter(pl.Series(known, dtype=pl.Boolean)), vectors[known].astype(np.float64)


def difference_of_shares(x: int, n: int, y: int, m: int) -> tuple[float, float, float]:
    """x / n - y / m and its 95 % interval (Newcombe 1998, Statist. Med. 17, method 10: from Wilson's intervals)."""
    p, q = x / n, y / m
    (low_p, high_p), (low_q, high_q) = _wilson(x, n), _wilson(y, m)
    low = p - q - sqrt((p - low_p) ** 2 + (high_q - q) ** 2)
    high = p - q + sqrt((high_p - p) ** 2 + (q - low_q) ** 2)
    return p - q, low, high


def _wilson(x: int, n: int) -> tuple[float, float]:
    z = 1.959963984540054
    middle, half = x + z * z / 2, z * sqrt(x * (n - x) / n + z * z / 4)
    return (middle - half) / (n + z * z), (middle + half) / (n + z * z)


def _flat(a: Statistics, b: Statistics) -> tuple[float, float, float] | None:
    parts: list[int] = []
    for stats in (a, b):
        whole = sum((stats.expressions or {}).values())
        if stats.neutral is None or stats.polite is None or not whole:
            return None
        parts += [stats.neutral + stats.polite, whole]
    return difference_of_shares(*parts)


def _apart(a: dict[str, int] | None, b: dict[str, int] | None) -> tuple[float, float] | None:
    if not a or not b or not sum(a.values()) or not sum(b.values()):
        return None
    return distances(list(a.values()), list(b.values()))


def _points(frame: pl.DataFrame) -> NDArray[np.float64]:
    return frame.select(pl.col(c).cast(pl.Float64).fill_null(float("nan")) for c in _AFFECT).to_numpy()


def _between(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean distance of every row of x to every row of y."""
    return np.asarray(np.sqrt(np.maximum(_squares(x, y), 0)), np.float64)


def _squares(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Their squares; rounding may leave a hair under 0."""
    return np.asarray((x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1)[None] - 2 * (x @ y.T), np.float64)


def _nearest(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each row of x to the nearest row of y."""
    best = np.full(len(x), np.inf)
    for start in range(0, len(y), _CHUNK):
        np.minimum(best, _squares(x, y[start : start + _CHUNK]).min(axis=1), out=best)
    return np.asarray(np.sqrt(np.maximum(best, 0)), np.float64)
