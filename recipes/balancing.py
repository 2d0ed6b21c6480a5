"""The step `balance`: rows into cells, a quota for each cell, and how near that comes to what was wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.errors import RecipeError
from curate.recipes.cells import By, cell_counts, cell_labels, cell_numbers, levels, settled
from curate.recipes.distances import distances
from curate.recipes.quotas import Counts, Shares, per_cell, quotas, wanted
from curate.recipes.raking import rake
from curate.recipes.recipe import Balance, like_of
from curate.recipes.targets import joint_shares, marginal_shares, shares_of

_MOST_CELLS = 1_000_000


@dataclass(frozen=True, slots=True)
class Distance:
    """How far the kept faces are from a target, and how far all of them were.

    Attributes:
        of: the column, or the columns whose cells were balanced.
        tv_before, tv_after: total variation, in [0, 1]; nan where there are no faces.
        js_before, js_after: Jensen-Shannon divergence in bits, in [0, 1]; nan likewise.
    """

    of: str
    tv_before: float
    tv_after: float
    js_before: float
    js_after: float


@dataclass(frozen=True, slots=True)
class Balanced:
    """Quotas for the faces at hand.

    Attributes:
        clause: the step in words.
        cell: (n,) the cell of each face, -1 for one that has none.
        unplaced: String, the reasons of those, in their order.
        keep: int64, how many faces to keep of each cell.
        reasons: String, why a face of a cell falls, a cell each.
        table: what was wanted: a row a cell (the columns' names, `share`, `wanted`, `had`, `kept`, `missing`), or a
            row a level of each marginal (`column`, `level`, and the same).
        distances: to the target, for each marginal or for the cells.
    """

    clause: str
    cell: NDArray[np.int64]
    unplaced: pl.Series
    keep: Counts
    reasons: pl.Series
    table: pl.DataFrame
    distances: tuple[Distance, ...]

    @property
    def missing(self) -> pl.DataFrame:
        """The rows of the table that ran dry."""
        return self.table.filter(pl.col("missing") > 0)


def balance(faces: pl.DataFrame, step: Balance, like: Mapping[str, pl.DataFrame]) -> Balanced:
    """How many faces of each cell to keep.

    Args:
        faces: those that came so far.
        step: what is wanted.
        like: the score sets that targets name.

    Raises:
        RecipeError: a column cannot be balanced by, or a target does not fit it.
    """
    by = settled(faces, [*step.by, *(marginal.by for marginal in step.marginals)])
    names = [one.column for one in by]
    labels = cell_labels(faces, by)
    others = [frame.select(names) for frame in like.values()]
    known = {
        one.column: levels(pl.concat([faces.select(names), *others], how="vertical_relaxed"), one)
        for one in by
    }
    cells = int(np.prod([len(level) for level in known.values()], dtype=np.float64))
    if cells > _MOST_CELLS:
        raise RecipeError(
            f"balance: {cells:,} cells are more than {_MOST_CELLS:,}",
            hint="fewer columns or wider bins, or marginals",
        )
    cell = cell_numbers(labels, list(known.values()))
    had = cell_counts(labels, list(known.values()))
    if step.marginals:
        targets = [marginal.target for marginal in step.marginals]
        shares = [
            _one_marginal(axis, one, known, target, like)
            for axis, (one, target) in enumerate(zip(by, targets, strict=True))
        ]
        keep = rake(had, shares, step.total)
        total = step.total or int(keep.sum())
        table = pl.concat(
            [
                _table(
                    {"column": [one.column] * len(share), "level": known[one.column]},
                    share,
                    wanted(_along(had, axis), share, max(total, 1))
                    if total
                    else np.zeros(len(share), np.int64),
                    _along(had, axis),
                    _along(keep, axis),
                )
                for axis, (one, share) in enumerate(zip(by, shares, strict=True))
            ]
        )
        apart = tuple(
            _distance(one.column, _along(had, axis), _along(keep, axis), shares[axis])
            for axis, one in enumerate(by)
        )
    else:
        share = _joint(by, known, step.target, like)
        flat = had.ravel()
        if step.per_cell is not None:
            keep, wants = per_cell(flat, step.per_cell), np.full(flat.shape, step.per_cell, np.int64)
        else:
            keep = quotas(flat, share.ravel(), step.total)
            total = step.total or int(keep.sum())
            wants = wanted(flat, share.ravel(), total) if total else np.zeros(flat.shape, np.int64)
        dimensions = np.unravel_index(np.arange(flat.size), had.shape)
        words = {
            name: pl.Series(known[name], dtype=pl.String).gather(index)
            for name, index in zip(names, dimensions, strict=True)
        }
        table = _table(words, share.ravel(), wants, flat, keep)
        apart = (_distance(", ".join(names), flat, keep, share.ravel()),)
    keep = keep.ravel()
    return Balanced(
        _clause(step, names),
        cell,
        _unplaced(labels.filter(pl.Series(cell < 0)), names),
        keep,
        _reasons(list(known.values()), had.ravel(), keep),
        table,
        apart,
    )


def _joint(
    by: Sequence[By], known: Mapping[str, Sequence[str]], target: Any, like: Mapping[str, pl.DataFrame]
) -> Shares:
    """The share of each cell, an axis for each column."""
    name = like_of(target)
    if name is not None:
        return shares_of(cell_counts(cell_labels(like[name], by), list(known.values())))
    return joint_shares(marginal_shares(known, target))


def _one_marginal(
    axis: int, by: By, known: Mapping[str, Sequence[str]], target: Any, like: Mapping[str, pl.DataFrame]
) -> Shares:
    """The shares of one column's levels."""
    return _joint([by], {by.column: known[by.column]}, target, like)


def _table(words: Mapping[str, Any], share: Shares, wants: Counts, had: Counts, kept: Counts) -> pl.DataFrame:
    counts = {
        "share": share,
        "wanted": wants,
        "had": had,
        "kept": kept,
        "missing": np.maximum(wants - kept, 0),
    }
    return pl.DataFrame({**words, **counts})


def _distance(of: str, had: Counts, kept: Counts, share: Shares) -> Distance:
    (tv_before, js_before), (tv_after, js_after) = distances(had, share), distances(kept, share)
    return Distance(of, tv_before, tv_after, js_before, js_after)


def _along(table: Counts, axis: int) -> Counts:
    return np.asarray(table.sum(axis=tuple(i for i in range(table.ndim) if i != axis)), dtype=np.int64)


def _clause(step: Balance, names: Sequence[str]) -> str:
    if step.per_cell is not None:
        return f"balance by {', '.join(names)}: {step.per_cell} of each"
    many = "as many as the target allows" if step.total is None else f"{step.total} in all"
    how = "each by itself" if step.marginals else "cells"
    return (
        f"balance by {', '.join(names)} ({how}): {many}"
        if len(names) > 1
        else f"balance by {names[0]}: {many}"
    )


def _unplaced(labels: pl.DataFrame, names: Sequence[str]) -> pl.Series:
    """Why a row has no cell: the columns in which it has no value."""
    lacking = pl.concat_str(
        [pl.when(pl.col(name).is_null()).then(pl.lit(name)) for name in names],
        separator=", ",
        ignore_nulls=True,
    )
    return labels.select(("no value to balance by: " + lacking).alias("reason")).to_series()


def _reasons(known: Sequence[Sequence[str]], had: Counts, keep: Counts) -> pl.Series:
    """`anger, hot: 50 of 312 are kept`, a cell each."""
    cells = np.indices([len(level) for level in known]).reshape(len(known), -1)
    words = pl.DataFrame(
        {f"{i}": pl.Series(level, dtype=pl.String).gather(cells[i]) for i, level in enumerate(known)}
    ).with_columns(keep=keep, had=had)
    names = pl.concat_str([pl.col(f"{i}") for i in range(len(known))], separator=", ")
    return words.select(
        pl.format("{}: {} of {} are kept", names, pl.col("keep"), pl.col("had")).alias("reason")
    ).to_series()
