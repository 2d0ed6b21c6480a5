"""How varied a set's expressions are: entropy, the Vendi score, the parts of the valence-arousal plane it reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from curate.recipes.vectors import au_vectors
from curate.scorers.columns import EXPRESSIONS

# The eight directions of the plane, from pleasant counter-clockwise (Russell 1980).
OCTANTS = ("pleased", "excited", "aroused", "distressed", "displeased", "depressed", "sleepy", "relaxed")
STRENGTHS = ("slightly", "clearly", "strongly")
# Distance of happiness from neutral, the farthest of the shipped coordinates.
LONGEST = 0.957
# Nearer to neutral than this, a direction is rounding.
_NEUTRAL = 1e-6
_CHUNK = 100_000


def entropy(shares: ArrayLike) -> float:
    """Shannon entropy of a distribution, over that of an even one: 0 all in one place, 1 the same everywhere.

    Args:
        shares: (k,) counts or shares >= 0.

    Returns:
        In [0, 1]; nan without any.
    """
    counts = np.asarray(shares, np.float64)
    if counts.size < 2 or counts.sum() <= 0:
        return float("nan")
    p = counts[counts > 0] / counts.sum()
    return float(np.clip(-(p * np.log(p)).sum() / np.log(counts.size), 0, 1))


def expression_vectors(frame: pl.DataFrame) -> NDArray[np.float32]:
    """What the muscles do and what the classifier says, side by side.

    Returns:
        (n, k) float32 in [0, 1]: `au_vectors` and the eight probabilities, as far as the set has them (k <= 25, 0
        without any); a row with a null among them is NaN throughout.
    """
    parts = [au_vectors(frame)]
    if set(EXPRESSIONS) <= set(frame.columns):
        chances = frame.select(pl.col(e).cast(pl.Float32).fill_null(float("nan")) for e in EXPRESSIONS)
        parts.append(chances.to_numpy())
    vectors = np.concatenate(parts, axis=1)
    vectors[np.isnan(vectors.sum(axis=1))] = np.nan
    return vectors


def vendi(vectors: NDArray[np.floating]) -> float:
    """The Vendi score: the effective number of different things among n (Friedman & Dieng 2023, TMLR).

    exp of the Shannon entropy of the eigenvalues of K / n, where K is the cosine similarity of every two rows. For
    this kernel they are those of the k x k matrix X'X / n of the rows at length 1, so that every row counts and a
    million take as long as it takes to read them; a kernel without that needs a sample of some 2,000, and its
    score grows with the sample. Rows of zeros are alike, and like nothing else.

    Args:
        vectors: (n, k) >= 0; rows with NaN are left out.

    Returns:
        1 where all rows point the same way, at most the smaller of n and k + 1; nan without rows.
    """
    k = vectors.shape[1]
    products = np.zeros((k, k))
    zeros = n = 0
    for start in range(0, len(vectors), _CHUNK):
        rows = np.asarray(vectors[start : start + _CHUNK], np.float64)
        rows = rows[~np.isnan(rows.sum(axis=1))]
        lengths = np.linalg.norm(rows, axis=1)
        n += len(rows)
        zeros += int((lengths == 0).sum())
        rows = rows[lengths > 0] / lengths[lengths > 0, None]
        products += rows.T @ rows
    if n == 0 or k == 0:
        return float("nan")
    spectrum = np.append(np.linalg.eigvalsh(products), zeros) / n
    p = spectrum[spectrum > 1e-12]
    # Rounding leaves identical rows a hair under 1.
    return max(1.0, float(np.exp(-(p * np.log(p)).sum())))


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which parts of the valence-arousal plane a set reaches.

    Attributes:
        counts: (8, 3) faces in each direction, `OCTANTS`, at each strength, `STRENGTHS`.
        reachable: (8, 3) whether any mixture of the eight expressions lies there; with the shipped coordinates,
            nothing that is pleasant is calm.
    """

    counts: NDArray[np.int64]
    reachable: NDArray[np.bool_]

    @property
    def covered(self) -> int:
        """Cells with a face."""
        return int(((self.counts > 0) & self.reachable).sum())

    @property
    def cells(self) -> int:
        """Cells that a face can lie in."""
        return int(self.reachable.sum())

    @property
    def empty(self) -> list[str]:
        """Cells that a face can lie in and none does, in words: `strongly distressed`."""
        return [
            f"{STRENGTHS[r]} {OCTANTS[o]}"
            for o, r in np.argwhere(self.reachable & (self.counts == 0)).tolist()
        ]


def coverage(
    frame: pl.DataFrame, coordinates: Mapping[str, Sequence[float]], longest: float = LONGEST
) -> Coverage:
    """Faces by the 24 cells of the plane: 8 directions, each 45 degrees around its own, and 3 equal strengths.

    Args:
        frame: the columns `valence` and `arousal`; rows without are left out.
        coordinates: valence and arousal of each expression, for what can be reached.
        longest: the distance from neutral that is full strength.
    """
    plane = frame.select("valence", "arousal").drop_nulls().cast(pl.Float64).to_numpy()
    counts = np.bincount(_cells(plane, longest), minlength=24).reshape(8, 3)
    points = _mixtures(np.asarray([coordinates[e] for e in EXPRESSIONS], np.float64))
    reachable = np.bincount(_cells(points, longest), minlength=24).reshape(8, 3) > 0
    # What is there can be there, whatever the grid of mixtures missed at an edge.
    return Coverage(counts, reachable | (counts > 0))


def _cells(points: NDArray[np.float64], longest: float) -> NDArray[np.intp]:
    """The cell of each point, direction x 3 + strength; neutral itself, which has no direction, is left out."""
    points = points[np.hypot(points[:, 0], points[:, 1]) > _NEUTRAL]
    length = np.hypot(points[:, 0], points[:, 1])
    direction = np.rint(np.arctan2(points[:, 1], points[:, 0]) / (np.pi / 4)).astype(np.intp) % 8
    strength = np.clip((length / longest * 3).astype(np.intp), 0, 2)
    return np.asarray(direction * 3 + strength, np.intp)


def _mixtures(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points all over the hull of the corners: every point in it is a mixture of three (Carathéodory 1907)."""
    steps = 40
    a, b = np.meshgrid(np.arange(steps + 1), np.arange(steps + 1), indexing="ij")
    inside = a + b <= steps
    weights = np.stack([a[inside], b[inside], steps - (a + b)[inside]], axis=1) / steps
    return np.concatenate([weights @ corners[list(three)] for three in combinations(range(len(corners)), 3)])
