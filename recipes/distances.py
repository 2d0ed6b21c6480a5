"""How far one distribution over cells is from another."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def total_variation(p: ArrayLike, q: ArrayLike) -> float:
    """The share of rows that would have to change their cell: half the sum of |p - q|.

    Args:
        p, q: counts or shares of the same cells, any one shape; each is divided by its sum.

    Returns:
        In [0, 1]; nan where one of the two has no rows at all, for nothing has no distribution.

    Raises:
        ValueError: different shapes, or a number that is negative or not finite.
    """
    a, b = _shares(p, q)
    return float(np.abs(a - b).sum() / 2)


def jensen_shannon(p: ArrayLike, q: ArrayLike) -> float:
    """The Jensen-Shannon divergence in bits: H((p + q) / 2) - (H(p) + H(q)) / 2 with logarithms to base 2.

    The divergence, not its square root (`scipy.spatial.distance.jensenshannon` is the root). An empty
    cell adds nothing, so zeros on either side are no trouble. Lin 1991, "Divergence measures based on the
    Shannon entropy".

    Args:
        p, q: as in `total_variation`.

    Returns:
        In [0, 1]; never more than the total variation; nan where one of the two has no rows at all.

    Raises:
        ValueError: different shapes, or a number that is negative or not finite.
    """
    a, b = _shares(p, q)
    middle = (a + b) / 2
    divergence = (_relative_entropy(a, middle) + _relative_entropy(b, middle)) / 2
    return divergence if np.isnan(divergence) else min(max(divergence, 0.0), 1.0)


def distances(p: ArrayLike, q: ArrayLike) -> tuple[float, float]:
    """Total variation and Jensen-Shannon divergence, as the two functions above give them."""
    return total_variation(p, q), jensen_shannon(p, q)


def _shares(p: ArrayLike, q: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"different cells: {a.shape} and {b.shape}")
    if not all(np.isfinite(x).all() and (x >= 0).all() for x in (a, b)):
        raise ValueError("a share is a finite number, 0 or more")
    return _divided(a), _divided(b)


def _divided(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares that sum to 1; nan everywhere where there is nothing to divide."""
    top = counts.max(initial=0.0)
    if top == 0:
        return np.full(counts.shape, np.nan)
    # By the largest first: the sum of numbers near the end of what a float holds would overflow.
    scaled = counts / top
    return np.asarray(scaled / scaled.sum(), dtype=np.float64)


def _relative_entropy(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    if np.isnan(p).any() or np.isnan(q).any():
        return float("nan")
    some = p > 0
    return float((p[some] * np.log2(p[some] / q[some])).sum())
