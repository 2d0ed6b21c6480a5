"""Derived columns: what follows from a score set's other columns and two tables, affect and lexicon."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from curate.recipes.affect import Affect, affect_columns, load_affect
from curate.recipes.intent import intent_columns
from curate.recipes.lexicon import Lexicon, load_lexicon
from curate.recipes.measures import TABLE, measure_columns
from curate.scorers.columns import AFFECT, EXPRESSIONS, INTENT, MEASURES, schema

if TYPE_CHECKING:
    import polars as pl

# Raised whenever the same tables may give other derived columns.
VERSION = "1"
DERIVED = (*AFFECT, *MEASURES, *INTENT)
# What an intent is made from, where the set has it.
_INTENT_READS = ("image", "prompt", "negative_prompt", *EXPRESSIONS)


@dataclass(frozen=True, slots=True)
class Tables:
    """What derived columns are made with. Make one with `open_tables`.

    Attributes:
        affect: coordinates, weights, bands.
        lexicon: words, for the intent.
    """

    affect: Affect
    lexicon: Lexicon

    @property
    def fingerprint(self) -> str:
        """What decides the derived columns of a row, in 16 hexadecimal digits."""
        prototypes = hashlib.sha256(TABLE.read_bytes()).hexdigest()
        parts = (VERSION, self.affect.sha256, prototypes, self.lexicon.sha256)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def open_tables(affect: Path | None = None, words: Path | None = None) -> Tables:
    """The shipped tables, or a user's own.

    Args:
        affect: a table of affect that takes the shipped one's place.
        words: a file of words that are added to the lexicon.

    Raises:
        RecipeError: a file cannot be read or makes no sense.
    """
    return Tables(load_affect(affect), load_lexicon(words))


def derive(rows: pl.LazyFrame, tables: Tables) -> pl.LazyFrame:
    """Rows with their derived columns: affect, measures and intent, at the end, in place of any they had.

    Only what can be made from the rows' columns is there: no affect without expressions. Affect and measures are
    Polars expressions, so a query pays for what it reads; an intent is looked up in Python, once a prompt.
    """
    import polars as pl

    had = rows.collect_schema().names()
    derived = {column.name for column in DERIVED}
    names = [name for name in had if name not in derived]
    rows = rows.select(names)
    inputs = [name for name in _INTENT_READS if name in names]
    return (
        rows.with_columns(
            **affect_columns(tables.affect, names),
            **measure_columns(names),
            _intent=pl.struct(inputs).map_batches(
                lambda asked: intent_columns(asked.struct.unnest(), tables.lexicon).to_struct(),
                return_dtype=pl.Struct(schema(INTENT)),
            ),
        )
        .with_columns(pl.col("_intent").struct.field(*schema(INTENT)))
        .drop("_intent")
    )
