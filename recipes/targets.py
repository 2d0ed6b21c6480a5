"""The shares that cells are to have: uniform, given in a recipe, or those of other rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from curate.errors import RecipeError
from curate.recipes.quotas import normalised
from curate.scorers.columns import suggest

Shares = NDArray[np.float64]


def target_shares(levels: Mapping[str, Sequence[str]], spec: object) -> Shares:
    """The share of every cell.

    Args:
        levels: the levels of each column rows are balanced by, in order.
        spec: `uniform`, every cell the same; or, for one column, what `level_shares` takes; or, for
            several, a mapping of columns to that, whose product is taken (a column that is not named is
            uniform).

    Returns:
        float64, one axis for each column, summing to 1.

    Raises:
        RecipeError: a column or a level that does not exist, or shares that make no sense.
    """
    return joint_shares(marginal_shares(levels, spec))


def marginal_shares(levels: Mapping[str, Sequence[str]], spec: object) -> list[Shares]:
    """The share of every level of every column, for raking; arguments and errors as `target_shares`.

    Returns:
        For each column float64 [levels], summing to 1.
    """
    for name, known in levels.items():
        if not known:
            raise RecipeError(f"no row has a value in `{name}`", hint="balance by another column")
    if isinstance(spec, Mapping) and (len(levels) > 1 or set(spec) <= set(levels)):
        for name in spec:
            if name not in levels:
                raise RecipeError(
                    f"target: `{name}` is none of {', '.join(levels)}{suggest(str(name), levels)}",
                    hint=f"target: {{{next(iter(levels))}: uniform}}",
                )
        return [level_shares(known, spec.get(name, "uniform"), name) for name, known in levels.items()]
    return [level_shares(known, spec, name) for name, known in levels.items()]


def level_shares(levels: Sequence[str], spec: object, column: str) -> Shares:
    """The share of every level of one column.

    Args:
        levels: their labels.
        spec: `uniform`, or a mapping of levels to numbers. Numbers that sum to less than 1 are shares, and
            those levels that are not named have the rest in equal parts; where all are named, and where
            the sum is 1 or more, they are weights (percentages, ratios), and levels not named have none.
        column: for the messages.

    Returns:
        float64 [levels], summing to 1.

    Raises:
        RecipeError: a level that does not exist, a share that is no number, negative, or nothing but 0.
    """
    if spec == "uniform":
        return np.full(len(levels), 1 / len(levels))
    if not isinstance(spec, Mapping):
        raise RecipeError(
            f"target of `{column}`: {spec!r} is neither `uniform` nor shares",
            hint=f"target: {{{levels[0]}: .5, ...}}",
        )
    given: dict[str, float] = {}
    for level, share in spec.items():
        name = _label(level)
        if name not in levels:
            raise RecipeError(
                f"`{column}` is never `{name}`{suggest(name, levels)}", hint=f"one of {', '.join(levels)}"
            )
        given[name] = _number(share, f"{column}: {name}")
    rest = 1 - sum(given.values())
    unnamed = len(levels) - len(given)
    # Ten times .1 is not quite 1 in floating point; what is left then is nobody's share.
    spread = rest / unnamed if unnamed and rest > 1e-9 else 0.0
    return normalised(np.array([given.get(level, spread) for level in levels]))


def joint_shares(marginals: Sequence[Shares]) -> Shares:
    """The product of the columns' shares: float64, one axis for each, summing to 1."""
    product = np.ones(())
    for shares in marginals:
        product = np.multiply.outer(product, shares)
    return product


def shares_of(counts: ArrayLike) -> Shares:
    """The distribution of other rows over the same cells.

    Raises:
        RecipeError: there are none.
    """
    found = np.asarray(counts, dtype=np.float64)
    if found.sum() == 0:
        raise RecipeError(
            "the rows to take the target from have none of these cells", hint="name a score set that has"
        )
    return normalised(found)


def _label(level: Any) -> str:
    """As YAML reads a key, so it is labelled: `true`, `3`, `anger`."""
    return str(level).lower() if isinstance(level, bool) else str(level)


def _number(share: object, where: str) -> float:
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < float("inf"):
        raise RecipeError(f"{where}: {share!r} is no share", hint="a number, 0 or more")
    return float(share)
