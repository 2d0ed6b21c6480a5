"""Derived columns: what follows from a score set's other columns and two tables, affect and lexicon."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from curate.manifest import AffectRecord, LexiconRecord, Manifest
from curate.mirror import copied
from curate.place import Place, Remote, write_whole
from curate.recipes.affect import Affect, affect_columns, band, load_affect
from curate.recipes.intent import intent_columns
from curate.recipes.lexicon import TABLE as WORDS
from curate.recipes.lexicon import Lexicon, load_lexicon
from curate.recipes.measures import TABLE as PROTOTYPES
from curate.recipes.measures import measure_columns
from curate.scorers.columns import AFFECT, EXPRESSIONS, INTENT, MEASURES, schema

if TYPE_CHECKING:
    import polars as pl

# Raised whenever the same tables may give other derived columns.
VERSION = "1"
# What to say instead of a file, to go back to the tables of the package.
SHIPPED = "shipped"
# The names that a set's copies of the user's own tables have.
AFFECT_COPY, WORDS_COPY = "affect.yaml", "words.yaml"
DERIVED = (*AFFECT, *MEASURES, *INTENT)
# What an intent is made from, where the set has it.
_INTENT_READS = ("image", "status", "prompt", "negative_prompt", *EXPRESSIONS)


@dataclass(frozen=True, slots=True)
class Tables:
    """What derived columns are made with. Make one with `open_tables`.

    Attributes:
        affect: coordinates, weights, bands.
        lexicon: words, for the intent.
        affect_file, words_file: the user's own, as absolute paths; None where the shipped ones do alone.
    """

    affect: Affect
    lexicon: Lexicon
    affect_file: Path | None = None
    words_file: Path | None = None

    @property
    def fingerprint(self) -> str:
        """What decides the derived columns of a row, in 16 hexadecimal digits."""
        return _fingerprint(self.affect.sha256, self.lexicon.sha256)

    def records(self, columns: Collection[str]) -> dict[str, AffectRecord | LexiconRecord | None]:
        """What a manifest says of them (`affect`, `lexicon`), in a set whose scorers fill these columns."""
        affect = None
        if set(EXPRESSIONS) <= set(columns):
            used = " ".join(self.affect.energy_columns(columns))
            affect = AffectRecord(
                name=self.affect.name,
                version=self.affect.version,
                sha256=self.affect.sha256,
                file=str(self.affect_file) if self.affect_file else None,
                energy=used or "none: temperature is 100 I",
            )
        lexicon = LexiconRecord(
            words=len(self.lexicon.words),
            sha256=self.lexicon.sha256,
            file=str(self.words_file) if self.words_file else None,
        )
        return {"affect": affect, "lexicon": lexicon}


def open_tables(affect: Path | None = None, words: Path | None = None) -> Tables:
    """The shipped tables, or a user's own.

    Args:
        affect: a table of affect that takes the shipped one's place.
        words: a file of words that are added to the lexicon.

    Raises:
        RecipeError: a file cannot be read or makes no sense.
    """
    own = [path.absolute() if path else None for path in (affect, words)]
    return Tables(load_affect(affect), load_lexicon(words), *own)


def tables_of(
    folder: Place | None,
    manifest: Manifest | None,
    affect: str | Path | None = None,
    words: str | Path | None = None,
) -> Tables:
    """The tables that are asked for now, or else those that a set was made with, of which it has a copy.

    Args:
        folder, manifest: the set's, if there is one.
        affect, words: a file, or `shipped` for none of one's own; None takes the set's.

    Raises:
        RecipeError: a file cannot be read or makes no sense.
        InputError: the set lies at a URL that is out of reach.
    """

    def path(asked: str | Path | None, record: AffectRecord | LexiconRecord | None, copy: str) -> Path | None:
        if asked is not None:
            return None if str(asked) == SHIPPED else Path(asked)
        if folder is None or record is None or not record.file:
            return None
        return folder / copy if isinstance(folder, Path) else copied(folder / copy)

    had = (manifest.affect, manifest.lexicon) if manifest else (None, None)
    return open_tables(path(affect, had[0], AFFECT_COPY), path(words, had[1], WORDS_COPY))


def keep_tables(tables: Tables, folder: Place) -> None:
    """Leave a copy of the user's own tables in a set, so that it can be read wherever it goes and whatever they become.

    Raises:
        InputError: it cannot be written.
    """
    for file, name in ((tables.affect_file, AFFECT_COPY), (tables.words_file, WORDS_COPY)):
        copy = folder / name
        if file is None:
            copy.unlink(missing_ok=True)
        elif isinstance(copy, Remote) or file.absolute() != copy.absolute():
            write_whole(copy, file.read_bytes())


def derive(rows: pl.LazyFrame, tables: Tables) -> pl.LazyFrame:
    """Rows with their derived columns: affect, measures and intent, at the end, in place of any they had.

    Only what can be made from the rows' columns is there: no affect without expressions. Affect and measures are
    Polars expressions, so a query pays for what it reads; an intent is looked up in Python, once a prompt.
    """
    import polars as pl

    derived = schema(DERIVED)
    names = [name for name in rows.collect_schema().names() if name not in derived]
    reads = [name for name in _INTENT_READS if name in names]
    intended = pl.struct(reads).map_batches(
        lambda asked: intent_columns(asked.struct.unnest(), tables.lexicon).to_struct(),
        return_dtype=pl.Struct(schema(INTENT)),
    )
    made = affect_columns(tables.affect, names)
    made.pop("band", None)
    return (
        rows.select(names)
        .with_columns(**made)
        # From the finished column: each mention of a temperature's own expression costs as much as making it.
        .with_columns(**({"band": band(tables.affect, pl.col("temperature"))} if made else {}))
        .with_columns(**measure_columns(names), _intent=intended)
        .with_columns(pl.col("_intent").struct.field(*schema(INTENT)))
        .drop("_intent")
    )


def up_to_date(rows: pl.LazyFrame, folder: Path, manifest: Manifest, tables: Tables | None) -> pl.LazyFrame:
    """Rows of a set with derived columns: the stored ones, where they were made with these tables, or else new ones.

    Args:
        rows: as they are stored.
        folder, manifest: the set's.
        tables: None takes those that the set was made with, if they were the user's own, and else the shipped ones.
    """
    if tables is None:
        if not manifest.own_tables and manifest.derived == _shipped():
            return rows
        tables = tables_of(folder, manifest)
    return rows if manifest.derived == tables.fingerprint else derive(rows, tables)


def _shipped() -> str:
    """The fingerprint of the shipped tables, without reading what the words mean, which takes a third of a second."""
    text = WORDS.read_text(encoding="utf-8")
    return _fingerprint(load_affect().sha256, hashlib.sha256(text.encode()).hexdigest())


def _fingerprint(affect: str, lexicon: str) -> str:
    prototypes = PROTOTYPES.read_text(encoding="utf-8")
    return hashlib.sha256("\n".join((VERSION, affect, lexicon, prototypes)).encode()).hexdigest()[:16]
