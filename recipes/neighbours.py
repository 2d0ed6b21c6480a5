"""Faces that do what a given face does: the nearest in the space of action units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.errors import RecipeError
from curate.recipes.vectors import au_columns, au_vectors, whole

_CHUNK = 1 << 16
_NEVER = np.iinfo(np.int64).max
_CONTENT = ("sha256", "face")


def neighbours(rows: pl.DataFrame, asked: Sequence[int], count: int) -> pl.DataFrame:
    """The rows whose action units are nearest to those of the rows that are asked about.

    The distance of two faces is that of near-duplicates (`au_distance`): the root mean square difference of their
    action units, each from 0 to 1 (`au_vectors`), in steps of a thousandth. Of several asked rows the nearest counts.
    Sums are of whole numbers, and equals come in the order of their content (`sha256`, `face`, where `rows` has them)
    and then of their rows: the same rows give the same answer on any machine.

    Args:
        rows: a score set, with columns of action units. A row without them is nobody's neighbour.
        asked: numbers of rows.
        count: so many, or as many as there are.

    Returns:
        row (UInt32), distance (Float64, in [0, 1]); nearest first, without the asked rows.

    Raises:
        RecipeError: the set has no action units, or an asked row has none or is not there.
    """
    if not au_columns(rows.columns):
        raise RecipeError(
            "neighbours need action units, and the set has none", hint="curate score SOURCE --scorers lite"
        )
    for row in asked:
        if not 0 <= row < rows.height:
            raise RecipeError(f"there is no row {row}", hint=f"rows go from 0 to {rows.height - 1}")
    vectors = whole(au_vectors(rows))
    known = vectors[:, 0] >= 0
    for row in asked:
        if not known[row]:
            raise RecipeError(f"row {row} has no action units", hint="choose a face that was scored")
    squares = _squares(vectors, vectors[list(asked)].astype(np.int32))
    squares[~known] = _NEVER
    squares[list(asked)] = _NEVER
    there = int((squares < _NEVER).sum())
    wanted = max(min(count, there), 0)
    if not wanted:
        return pl.DataFrame(schema={"row": pl.UInt32, "distance": pl.Float64})
    farthest = np.partition(squares, wanted - 1)[wanted - 1]
    near = np.flatnonzero(squares <= farthest)  # all that tie for the last place, too
    content = [rows[name][near] for name in _CONTENT if name in rows.columns]
    number, square = pl.Series("row", near, dtype=pl.UInt32), pl.Series("_squares", squares[near])
    found = pl.DataFrame([*content, number, square])
    by = ["_squares", *(series.name for series in content), "row"]
    distance = (pl.col("_squares") / vectors.shape[1]).sqrt() / 1000
    return found.sort(by).head(wanted).select("row", distance.alias("distance"))


def _squares(vectors: NDArray[np.int16], to: NDArray[np.int32]) -> NDArray[np.int64]:
    """Of each vector the squared distance to the nearest of `to`, in millionths."""
    nearest = np.full(len(vectors), _NEVER)
    for first in range(0, len(vectors), _CHUNK):
        some = vectors[first : first + _CHUNK].astype(np.int32)
        best = nearest[first : first + _CHUNK]
        for vector in to:
            apart = some - vector
            np.minimum(best, np.einsum("ij,ij->i", apart, apart), out=best)
    return nearest
