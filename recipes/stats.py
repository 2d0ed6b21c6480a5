"""What a set looks like as a whole: shares, entropy, diversity, and what its expressions go with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from curate.recipes.affect import Affect, load_affect
from curate.recipes.association import DEFAULT_COLUMNS, association
from curate.recipes.diversity import Coverage, coverage, entropy, expression_vectors, vendi
from curate.recipes.vectors import au_columns
from curate.scorers.columns import BANDS, EXPRESSIONS, STATUSES

# A smile, and eyes in it: an action unit that is at least there (FACS intensity A).
_THERE = 1.0
_COOL = ("frozen", "cool", "warm")
_READ = (
    "image", "sha256", "face", "status", "temperature", "tone", "valence", "arousal", "band", "expression"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Statistics:
    """A set in figures. None: the set lacks what it takes, `missing` says what.

    Attributes:
        rows, faces: all rows; those with status `ok`.
        statuses: rows by status, the frequent ones first.
        expressions, bands: faces by expression and by temperature band, every one of them named.
        neutral: faces whose expression is neutral.
        polite: polite smiles: the expression is happiness, the band warm or below (temperature < 60), au06 < 1.
        smiles, duchenne: faces with au12 >= 1; those of them with au06 >= 1, where the eyes take part.
        entropy: of the mean of the eight probabilities, over log 8, in [0, 1].
        entropy_shares: of the shares of the expressions, over log 8, in [0, 1].
        temperature, tone: mean and median, 0 to 100.
        valence, arousal: means, -1 to 1.
        vendi, vendi_au: effective number of expressions, over action units and probabilities, and over action units
            alone; see `curate.recipes.diversity.vendi`.
        coverage: of the valence-arousal plane.
        associations: of the expression, then of the band, with other columns: `association` of each.
        missing: what cannot be said without which columns.
    """

    rows: int
    faces: int
    statuses: dict[str, int]
    expressions: dict[str, int] | None
    bands: dict[str, int] | None
    neutral: int | None
    polite: int | None
    smiles: int | None
    duchenne: int | None
    entropy: float | None
    entropy_shares: float | None
    temperature: tuple[float, float] | None
    tone: tuple[float, float] | None
    valence: float | None
    arousal: float | None
    vendi: float | None
    vendi_au: float | None
    coverage: Coverage | None
    associations: dict[str, pl.DataFrame]
    missing: tuple[str, ...]

    def figures(self) -> dict[str, float | None]:
        """Every single number by name, in order; shares are of the faces that have an answer."""
        expressions, bands = self.expressions or {}, self.bands or {}
        named = sum(expressions.values())
        flat = None if self.neutral is None or self.polite is None else self.neutral + self.polite
        return {
            "faces": float(self.faces),
            **{f"{name} share": _share(n, named) for name, n in expressions.items()},
            **{f"{name} share": _share(n, sum(bands.values())) for name, n in bands.items()},
            "polite smile share": _share(self.polite, named),
            "neutral + polite smile share": _share(flat, named),
            "Duchenne share of smiles": _share(self.duchenne, self.smiles),
            "entropy of mean probabilities": self.entropy,
            "entropy of shares": self.entropy_shares,
            "effective expressions (Vendi)": self.vendi,
            "effective expressions, AUs alone": self.vendi_au,
            "temperature, mean": self.temperature and self.temperature[0],
            "temperature, median": self.temperature and self.temperature[1],
            "tone, mean": self.tone and self.tone[0],
            "tone, median": self.tone and self.tone[1],
            "valence, mean": self.valence,
            "arousal, mean": self.arousal,
            "cells of the plane": None if self.coverage is None else float(self.coverage.covered),
        }

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        plane = self.coverage
        return {
            "rows": self.rows,
            "statuses": self.statuses,
            "expressions": self.expressions,
            "bands": self.bands,
            "neutral": self.neutral,
            "polite_smiles": self.polite,
            "smiles": self.smiles,
            "duchenne": self.duchenne,
            "figures": self.figures(),
            "coverage": plane and {"covered": plane.covered, "cells": plane.cells, "empty": plane.empty,
                                   "counts": plane.counts.tolist()},
            "associations": {of: table.to_dicts() for of, table in self.associations.items()},
            "missing": list(self.missing),
        }  # fmt: skip


def needed(have: Collection[str], columns: Sequence[str] = ()) -> list[str]:
    """Of a set's columns those that `statistics` and `compare` read, so that a scan reads no others."""
    wanted = {*_READ, *EXPRESSIONS, *au_columns(have), *DEFAULT_COLUMNS, *columns}
    # `dead_heads` looks at presences, too.
    return [c for c in have if c in wanted or (c.startswith("au") and c[2:4].isdigit())]


def statistics(
    frame: pl.DataFrame, affect: Affect | None = None, columns: Sequence[str] | None = None
) -> Statistics:
    """The figures of a set.

    Args:
        frame: its rows, at least `status`; what else it lacks is left out of the answer.
        affect: the coordinates, for what part of the plane can be reached; the shipped ones without.
        columns: what the association is counted with; without them, `association`'s own.

    Raises:
        QueryError: one of `columns` does not exist.
    """
    ok = frame.filter(pl.col("status") == "ok")
    statuses = frame.get_column("status").value_counts().rows()
    affect = affect or load_affect()
    have = set(frame.columns)
    expressions = _counts(ok, "expression", EXPRESSIONS)
    bands = _counts(ok, "band", BANDS)
    smiles = _filtered(ok, pl.col("au12") >= _THERE, "au12", "au06")
    duchenne = _filtered(ok, (pl.col("au12") >= _THERE) & (pl.col("au06") >= _THERE), "au12", "au06")
    chances = None
    if set(EXPRESSIONS) <= have:
        chances = [v or 0.0 for v in ok.select(pl.col(e).cast(pl.Float64).mean() for e in EXPRESSIONS).row(0)]
    vectors = expression_vectors(ok)
    plane = None
    if {"valence", "arousal"} <= have:
        corners = {e: (p.valence, p.arousal) for e, p in affect.coordinates.items()}
        plane = coverage(ok, corners, affect.length)
    return Statistics(
        rows=frame.height,
        faces=ok.height,
        statuses=dict(sorted(statuses, key=lambda row: (-row[1], STATUSES.index(row[0])))),
        expressions=expressions,
        bands=bands,
        neutral=None if expressions is None else expressions["neutral"],
        polite=_filtered(ok, polite_smile(), "expression", "band", "au06"),
        smiles=smiles,
        duchenne=duchenne,
        entropy=None if chances is None else _number(entropy(chances)),
        entropy_shares=None if expressions is None else _number(entropy(list(expressions.values()))),
        temperature=_middle(ok, "temperature"),
        tone=_middle(ok, "tone"),
        valence=_mean(ok, "valence"),
        arousal=_mean(ok, "arousal"),
        vendi=None if chances is None else _number(vendi(vectors)),
        # The action units come first among them.
        vendi_au=_number(vendi(vectors[:, : len(au_columns(have))])),
        coverage=plane,
        associations={
            of: association(ok, columns, of=of) for of in ("expression", "band") if of in frame.columns
        },
        missing=_missing(have),
    )


def polite_smile() -> pl.Expr:
    """Whether a face smiles without meaning much by it; reads expression, band, au06."""
    calm = pl.col("band").is_in(_COOL) & (pl.col("au06") < _THERE)
    return (pl.col("expression") == "happiness") & calm


def _counts(ok: pl.DataFrame, column: str, values: Sequence[str]) -> dict[str, int] | None:
    if column not in ok.columns:
        return None
    had = dict(ok.get_column(column).drop_nulls().value_counts().rows())
    return {value: int(had.get(value, 0)) for value in values}


def _filtered(ok: pl.DataFrame, condition: pl.Expr, *reads: str) -> int | None:
    return int(ok.select(condition.sum()).item()) if set(reads) <= set(ok.columns) else None


def _middle(ok: pl.DataFrame, column: str) -> tuple[float, float] | None:
    """Mean and median."""
    if column not in ok.columns or not (values := ok.get_column(column).drop_nulls().cast(pl.Float64)).len():
        return None
    array = values.to_numpy()
    return float(array.mean()), float(np.median(array))


def _mean(ok: pl.DataFrame, column: str) -> float | None:
    middle = _middle(ok, column)
    return middle and middle[0]


def _missing(have: set[str]) -> tuple[str, ...]:
    lacks = []
    if not set(EXPRESSIONS) <= have:
        lacks.append("no expressions in this set: shares, entropy, temperature and association need them")
    if not au_columns(have):
        lacks.append("no action units in this set: smiles and their eyes, and diversity, need them")
    return tuple(lacks)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value


def _share(part: int | None, whole: int | None) -> float | None:
    return part / whole if part is not None and whole else None
