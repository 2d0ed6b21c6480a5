"""A score set, read for a report."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from curate.affect import tables_of
from curate.choosing import RECIPE
from curate.decisions import COLUMN as DECISION
from curate.recipes.affect import Affect
from curate.recipes.association import DEFAULT_COLUMNS
from curate.recipes.stats import Statistics, statistics
from curate.reports.album import Album
from curate.scorers.columns import AFFECT, FACE, IDENTITY, INTENT, MEASURES, QUALITY, expression_columns
from curate.scoreset import ScoreSet, open_scores

_SCORERS = "mesh,quality,lite"
_NAMES = {c.name for c in (*IDENTITY, *FACE, *QUALITY, *expression_columns(""), *AFFECT, *MEASURES, *INTENT)}
_READ = _NAMES | set(DEFAULT_COLUMNS) | {DECISION}


@dataclass(frozen=True, slots=True)
class Gap:
    """What a set cannot say, and the command that would make it; "" where none would."""

    what: str
    command: str = ""


@dataclass(frozen=True)
class Material:
    """What the parts of a report are made of.

    Attributes:
        scores: the set.
        name: of its folder.
        rows: all its rows, by picture and face, without what no part shows; floats that are no number are null.
        faces: those with status `ok`.
        stats: its figures.
        affect: coordinates and bands that its derived columns were made with.
        album: the faces that are to be shown.
    """

    scores: ScoreSet
    name: str
    rows: pl.DataFrame
    faces: pl.DataFrame
    stats: Statistics
    affect: Affect
    album: Album

    def has(self, *columns: str) -> bool:
        """Whether at least one face has a value in each of them."""
        return all(
            c in self.faces.columns and self.faces[c].null_count() < self.faces.height for c in columns
        )

    def gap(self, what: str, scorers: str = _SCORERS) -> Gap:
        """What is missing, and how to score it."""
        if not self.faces.height:
            return Gap("No face was scored in this set.", self.scoring())
        return Gap(what, self.scoring(scorers))

    def scoring(self, scorers: str = "", metadata: str = "") -> str:
        """The command that scores the set's source again, into the set or into the one that it was chosen from."""
        source, choice = self.scores.manifest.source, self.scores.manifest.choice
        into, then = f" -o {shlex.quote(self.name)}", ""
        if choice is not None:
            origin = choice.get("source")
            known = (
                shlex.quote(str(origin["folder"])) if isinstance(origin, dict) and "folder" in origin else ""
            )
            into = f" -o {known}" if known else ""
            if known and choice.get("kind") == "recipe":
                then = f" && curate apply {shlex.quote(f'{self.name}/{RECIPE}')} {known} -o again.scores"
        split = f" --split {shlex.quote(source.split)}" if source.split else ""
        more = f" --scorers {scorers}" if scorers else ""
        more += f" --metadata {metadata}" if metadata else ""
        return f"curate score {shlex.quote(source.location)}{split}{into}{more}{then}"


def read_material(folder: str | Path, letter: str = "a") -> Material:
    """Read a set; `letter` tells its faces from those of another set.

    Raises:
        InputError: there is no such set, or it cannot be read.
    """
    scores = open_scores(folder)
    tables = tables_of(scores.folder, scores.manifest)
    scanned = scores.scan(tables)
    names = [name for name in scores.schema(scanned).names() if name in _READ]
    rows = tidy(scores.collect(scanned.select(names).sort("image", "face")))
    faces = rows.filter(pl.col("status") == "ok")
    name = scores.name
    stats = statistics(rows, tables.affect)
    return Material(scores, name, rows, faces, stats, tables.affect, Album(scores, letter))


def tidy(rows: pl.DataFrame) -> pl.DataFrame:
    """Numbers that are none (NaN, infinite) as null: nobody can draw them."""
    floats = pl.selectors.float()
    return rows.with_columns(pl.when(floats.is_finite()).then(floats))
