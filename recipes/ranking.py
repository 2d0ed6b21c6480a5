"""Which of several faces comes first: what the user says, then content, so that the order of rows never matters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.errors import QueryError
from curate.recipes.query import Order, parse_order

if TYPE_CHECKING:
    from curate.recipes.lexicon import Lexicon

_DIRECTION = re.compile(r"(?i)\s(asc|desc)\s*$")
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MASK = (1 << 64) - 1


def parse_best(
    clauses: Sequence[str], schema: Mapping[str, pl.DataType], lexicon: Lexicon | None
) -> list[Order]:
    """What makes a face the better one: the most of each expression, unless it ends in `asc`.

    Raises:
        QueryError: one makes no sense, or is a condition.
    """
    parsed = []
    for clause in clauses:
        order = parse_order(clause, schema, lexicon)
        if order.by.kind == "condition":
            raise QueryError("this is a condition; faces are ordered by a number", where=clause)
        parsed.append(order if _DIRECTION.search(clause) else replace(order, descending=True))
    return parsed


def best_first(frame: pl.DataFrame, order: Sequence[Order], seed: int) -> NDArray[np.intp]:
    """Numbers of the rows, the first to keep first; what has no answer comes last.

    Args:
        frame: the faces, sorted by content (what comes first there decides between copies of one file), with the
            helper columns of the queries.
        order: from `parse_best`.
        seed: decides which of equals comes first, together with their content.
    """
    keys = [one.by.expr.alias(f"_{i}") for i, one in enumerate(order)]
    table = frame.select(
        *keys, _tie=pl.Series(content_keys(frame["sha256"], seed)), _place=pl.int_range(pl.len())
    )
    ranks = table.select(
        pl.arg_sort_by(
            *table.columns,
            descending=[one.descending for one in order] + [False, False],
            nulls_last=True,
        )
    )
    return ranks.to_series().to_numpy().astype(np.intp)


def content_keys(sha256: pl.Series, seed: int) -> NDArray[np.uint64]:
    """A number for each content, as good as random and the same on every machine; 0 where there is no content.

    The first 64 bits of the hash and the seed, through splitmix64 (Steele, Lea & Flood 2014).
    """
    bits = sha256.str.slice(0, 16).str.to_integer(base=16, dtype=pl.UInt64, strict=False)
    start = np.uint64((seed * int(_GOLDEN)) & _MASK)
    with np.errstate(over="ignore"):
        mixed = (bits.fill_null(0).to_numpy() ^ start) + _GOLDEN
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return np.where(bits.is_null().to_numpy(), np.uint64(0), mixed)
