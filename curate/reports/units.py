"""Action units: how strongly, how often, and the face that does most of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from curate.recipes.signal import dead_heads
from curate.reports.album import Shot
from curate.reports.material import Gap, Material
from curate.reports.wording import listed, percent
from curate.scorers.columns import CATALOGUE, INTENSITY_AUS, PRESENCE_AUS

THERE, MARKED = 1.0, 3.0  # FACS points: A, trace; C, marked
_BINS = 20
_HIGH = 24.0


@dataclass(frozen=True, slots=True)
class Bars:
    """A small histogram: the height of each bar, 0 to 24; None for what is not scored."""

    heights: tuple[float, ...]
    alt: str


@dataclass(frozen=True, slots=True)
class Unit:
    """An action unit.

    Attributes:
        intensity: distribution over 0 to 5 points; `there` and `marked` are the shares of faces with at least 1 and 3.
        presence: distribution of the probability; `likely` is the share above one half.
        strongest: the face with most of it.
    """

    code: str
    name: str
    intensity: Bars | None
    there: str
    marked: str
    presence: Bars | None
    likely: str
    strongest: Shot | None
    amount: str


@dataclass(frozen=True, slots=True)
class Units:
    """What the section shows; `warnings` say which outputs look dead."""

    finding: str
    units: tuple[Unit, ...]
    warnings: tuple[str, ...]


def units(material: Material) -> Units | Gap:
    """Every action unit that the set has."""
    numbers = sorted({*INTENSITY_AUS, *PRESENCE_AUS})
    had = [n for n in numbers if material.has(f"au{n:02}") or material.has(f"au{n:02}_p")]
    if not had:
        return material.gap("Action units are not scored in this set.")
    shares = {n: _share(material.faces, f"au{n:02}", THERE) for n in had if material.has(f"au{n:02}")}
    order = sorted(shares, key=lambda n: (-shares[n], n))
    if order:
        often = listed(f"AU{n} {_name(n)} ({percent(shares[n])})" for n in order[:3])
        rarely = listed(f"AU{n} {_name(n)} ({percent(shares[n])})" for n in order[:-3:-1])
        finding = f"Most often at work, with 1 point or more: {often}. Most rarely: {rarely}."
    else:
        finding = "This set has presences of action units, and no intensities."
    told = tuple(_unit(material, n) for n in had)
    return Units(finding, told, tuple(dead_heads(material.faces, material.affect)))


def _unit(material: Material, n: int) -> Unit:
    faces, column, chance = material.faces, f"au{n:02}", f"au{n:02}_p"
    has, asked = material.has(column), material.has(chance)
    points = faces[column].drop_nulls().cast(pl.Float64) if has else pl.Series([], dtype=pl.Float64)
    by = column if has else chance
    row = (
        faces.drop_nulls(by)
        .sort([by, "sha256", "face", "image"], descending=[True, *[False] * 3])
        .row(0, named=True)
    )
    likely = _share(faces, chance, 0.5, above=True) if asked else None
    there = _share(faces, column, THERE) if has else None
    amount = f"{row[by]:.1f} of 5" if has else f"p = {row[by]:.2f}"
    return Unit(
        code=f"AU{n}",
        name=_name(n),
        intensity=_bars(points, 5.0, f"{percent(there)} at 1 point or more") if has else None,
        there=percent(there),
        marked=percent(_share(faces, column, MARKED)) if has else "–",
        presence=_bars(faces[chance].drop_nulls(), 1.0, f"{percent(likely)} above one half")
        if asked
        else None,
        likely=percent(likely),
        strongest=material.album.want(row),
        amount=amount,
    )


def _share(faces: pl.DataFrame, column: str, least: float, *, above: bool = False) -> float:
    values = faces[column].drop_nulls()
    return float(((values > least) if above else (values >= least)).sum() / values.len())


def _bars(values: pl.Series, most: float, alt: str) -> Bars:
    """Square roots of the shares: most faces do nothing, and what the others do is to be seen."""
    counts, _ = np.histogram(values.to_numpy(), _BINS, (0, most))
    heights = np.sqrt(counts / max(1, counts.max())) * _HIGH
    return Bars(tuple(round(float(h), 1) for h in heights), alt)


def _name(n: int) -> str:
    """In words, from the catalogue: `brow lowerer`."""
    column = next(c for c in CATALOGUE if c.name in (f"au{n:02}", f"au{n:02}_p"))
    return column.doc.split(" ", 1)[1].split(",")[0]
