"""What rows are balanced by: columns, and bins of columns, that put every row into a cell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from curate.errors import RecipeError
from curate.scorers.columns import CATALOGUE, suggest

# A column with more different values than this is not one to balance by: seeds, prompts, hashes.
MAX_LEVELS = 200
_VALUES = {column.name: column.values for column in CATALOGUE if column.values}


class By(BaseModel):
    """One thing to balance by. In YAML a column's name, or a mapping with the bins of a number.

    Attributes:
        column: its name.
        edges: bins of a number: below the first, from each to the next (the lower edge is inside), from
            the last on. In the column's own unit, ascending.
        quantiles: as many bins with as nearly the same number of rows as equal values allow; their edges
            are values of the rows at hand.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: Annotated[str, Field(min_length=1)]
    edges: tuple[FiniteFloat, ...] | None = None
    quantiles: Annotated[int, Field(ge=2, le=MAX_LEVELS)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_kind_of_bins(self) -> By:
        if self.edges is not None and self.quantiles is not None:
            raise ValueError("either edges or quantiles, not both")
        if self.edges is not None:
            if not 1 <= len(self.edges) < MAX_LEVELS:
                raise ValueError(f"from 1 to {MAX_LEVELS - 1} edges")
            if any(low >= high for low, high in pairwise(self.edges)):
                raise ValueError("edges ascend, each larger than the one before")
        return self


def settled(frame: pl.DataFrame, by: Sequence[By]) -> list[By]:
    """The same with every quantile bin made a bin with edges, so that other rows can be put into the same cells.

    Args:
        frame: the rows at hand. Their order does not matter, nulls and NaN are passed over.
        by: what to balance by.

    Returns:
        As many By, none with `quantiles`. The k-th edge of q bins over n values is the value of rank
        floor(k n / q), from 0, in ascending order: no interpolation. Equal edges become one, and one that is
        the smallest value falls away, so a column with few values gets fewer bins, one that is constant a
        single bin, `all`.

    Raises:
        RecipeError: a column that is not there, or not a number.
    """
    return [one if one.quantiles is None else _with_edges(frame, one, one.quantiles) for one in by]


def levels(frame: pl.DataFrame, by: By) -> list[str]:
    """Every label that `by` can give, in natural order, whether or not a row has it.

    A column whose words are in the catalogue has all of them, in the catalogue's order, then what else
    occurs; bins ascend; numbers ascend; `false` comes before `true`; other words are sorted.

    Args:
        frame: the rows at hand.
        by: what to balance by.

    Returns:
        From 0 (a column of nulls) to `MAX_LEVELS` labels.

    Raises:
        RecipeError: as `cell_labels`.
    """
    values = _column(frame, by)
    if by.quantiles is not None or by.edges is not None:
        return _bin_labels(settled(frame, [by])[0].edges or ())
    if values.dtype == pl.Boolean:
        return ["false", "true"]
    seen = values.unique().drop_nulls().sort()
    if len(seen) > MAX_LEVELS:
        hint = f"{{column: {by.column}, quantiles: 4}}" if seen.dtype.is_numeric() else "another column"
        raise RecipeError(
            f"`{by.column}` has {len(seen):,} different values, too many to balance by", hint=f"by: {hint}"
        )
    named = list(_VALUES.get(by.column, ()))
    return named + [label for label in seen.cast(pl.String).to_list() if label not in named]


def cell_labels(frame: pl.DataFrame, by: Sequence[By]) -> pl.DataFrame:
    """What each row is, in words: `anger`, `true`, `3`, `< -30`, `-30..-10`, `>= 30`.

    Args:
        frame: the rows at hand.
        by: what to balance by, each column once.

    Returns:
        As many rows in the same order, one String column for each By, named as its column. Null where the
        row has no value (null or NaN): it cannot be put into a cell.

    Raises:
        RecipeError: a column that is not there, that stands twice, that is neither words, a truth value nor
            a number, bins of something that is no number, a fraction without bins, or more than
            `MAX_LEVELS` different values.
    """
    names = [one.column for one in by]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f"`{name}` stands twice in `by`", hint="name each column once")
    return pl.DataFrame({one.column: _labels(frame, one) for one in settled(frame, by)})


def cell_numbers(labels: pl.DataFrame, levels: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """The number of each row's cell, the last column running fastest (C order).

    Args:
        labels: from `cell_labels`.
        levels: the labels of each of its columns, in order.

    Returns:
        int64 [rows], from 0; -1 where a label is null or none of the levels.
    """
    number = pl.lit(0, dtype=pl.Int64)
    for name, known in zip(labels.columns, levels, strict=True):
        place = pl.col(name).replace_strict(
            list(known), list(range(len(known))), default=None, return_dtype=pl.Int64
        )
        number = number * len(known) + place
    return labels.select(number.fill_null(-1).alias("cell")).to_series().to_numpy()


def cell_counts(labels: pl.DataFrame, levels: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """How many rows each cell has.

    Args:
        labels, levels: as for `cell_numbers`.

    Returns:
        int64, one axis for each column, as long as its levels. Rows without a cell are not counted.
    """
    shape = tuple(len(known) for known in levels)
    numbers = cell_numbers(labels, levels)
    counts = np.bincount(numbers[numbers >= 0], minlength=int(np.prod(shape)))
    return counts.astype(np.int64).reshape(shape)


def _column(frame: pl.DataFrame, by: By) -> pl.Series:
    """The column, NaN made null, or the error that says what is wrong with it."""
    if by.column not in frame.columns:
        raise RecipeError(
            f"no column `{by.column}`{suggest(by.column, frame.columns)}", hint="curate columns"
        )
    values = frame[by.column]
    binned = by.edges is not None or by.quantiles is not None
    if binned and not values.dtype.is_numeric():
        raise RecipeError(
            f"`{by.column}` is no number and has no bins", hint=f"by: {by.column}, without edges or quantiles"
        )
    if values.dtype.is_float():
        if not binned:
            raise RecipeError(
                f"`{by.column}` is a fraction: nearly every row would be a cell of its own",
                hint=f"{{column: {by.column}, quantiles: 4}}, or edges: [...]",
            )
        return values.fill_nan(None)
    if values.dtype.is_integer() or values.dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null):
        # A category sorts by its code, which depends on what came first; words sort the same everywhere.
        return values.cast(pl.String) if values.dtype in (pl.Categorical, pl.Enum, pl.Null) else values
    raise RecipeError(f"rows cannot be balanced by `{by.column}` ({values.dtype})", hint="by: expression")


def _with_edges(frame: pl.DataFrame, by: By, quantiles: int) -> By:
    values = _column(frame, by).cast(pl.Float64).drop_nulls().sort().to_numpy()
    ranks = np.arange(1, quantiles) * len(values) // quantiles
    edges = np.unique(values[ranks]) if len(values) else values
    kept = tuple(float(edge) for edge in edges if edge > values[0] and np.isfinite(edge))
    return by.model_copy(update={"edges": kept, "quantiles": None})


def _labels(frame: pl.DataFrame, by: By) -> pl.Series:
    values = _column(frame, by)
    if by.edges is None:
        levels(frame, by)
        return values.cast(pl.String)
    numbers = values.cast(pl.Float64).to_numpy()
    words = pl.Series(_bin_labels(by.edges), dtype=pl.String)
    # An edge belongs to the bin above it. A null is NaN here; it gets a bin and loses it again.
    found = words.gather(np.searchsorted(np.array(by.edges), numbers, side="right"))
    return pl.select(pl.when(values.is_not_null()).then(found)).to_series()


def _bin_labels(edges: Sequence[float]) -> list[str]:
    """`< 10`, `10..20`, `>= 20`, with as many digits as tell the edges apart."""
    if not edges:
        return ["all"]
    words: list[str] = []
    for digits in range(6, 18):
        words = [str(int(edge)) if edge.is_integer() else f"{edge:.{digits}g}" for edge in edges]
        if len(set(words)) == len(edges):
            break
    between = [f"{low}..{high}" for low, high in pairwise(words)]
    return [f"< {words[0]}", *between, f">= {words[-1]}"]
