"""Two sets side by side: how far apart they are, in what, and the faces that only one of them has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from curate.recipes.against import Comparison, Distance, compare
from curate.reports.album import Shot
from curate.reports.grid import Grid, grid
from curate.reports.material import Gap, Material
from curate.reports.temperature import Temperature, colour, tallest, temperature
from curate.reports.variety import told
from curate.reports.wording import listed, number, percent
from curate.scorers.columns import EXPRESSIONS

_COLUMNS = 10


@dataclass(frozen=True, slots=True)
class Share:
    """An expression in both sets: shares as text, and the widths of its bars in [0, 1]."""

    name: str
    colour: str
    a: str
    a_width: float
    b: str
    b_width: float


@dataclass(frozen=True, slots=True)
class Against:
    """What the section shows; A is the set of the report.

    Attributes:
        figures: name, A, B and A - B.
        distances: name and value, in words.
        columns: what differs most: column, mean of A, of B, difference in standard deviations.
        only_a, only_b: the faces that are least like any of the other set.
        networks: what other networks scored them with, if they did.
    """

    a: str
    b: str
    finding: str
    networks: str
    shares: tuple[Share, ...]
    figures: tuple[tuple[str, str, str, str], ...]
    distances: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str, str, str], ...]
    only_a: tuple[Shot, ...]
    only_b: tuple[Shot, ...]
    histograms: tuple[Temperature | Gap, Temperature | Gap]
    grids: tuple[Grid | Gap, Grid | Gap]


def against(a: Material, b: Material) -> Against:
    """Set A beside set B."""
    difference = compare(a.rows, b.rows, a.stats, b.stats)
    names = (a.name, b.name) if a.name != b.name else (f"{a.name} (A)", f"{b.name} (B)")
    highest = max(tallest(a), tallest(b))
    columns = difference.columns.drop_nulls("d").head(_COLUMNS)
    return Against(
        *names,
        finding=_finding(names, difference),
        networks=_networks(a, b),
        shares=_shares(a, b),
        figures=_figures(a, b),
        distances=_distances(difference),
        columns=tuple(
            (c, number(x, 3), number(y, 3), f"{d:+.2f}")
            for c, x, y, d in columns.select("column", "a", "b", "d").iter_rows()
        ),
        only_a=_only(a, difference.only_a),
        only_b=_only(b, difference.only_b),
        histograms=(
            temperature(a, examples=False, highest=highest, title=f"A: temperature of {names[0]}"),
            temperature(b, examples=False, highest=highest, title=f"B: temperature of {names[1]}"),
        ),
        grids=(grid(a), grid(b)),
    )


def _finding(names: tuple[str, str], difference: Comparison) -> str:
    if difference.flat is not None:
        share, low, high = difference.flat
        if low <= 0 <= high:
            return (
                f"Neutral and politely smiling faces are about as frequent in {names[0]} as in {names[1]} "
                f"({100 * share:+.1f} points, 95 % interval {100 * low:+.1f} to {100 * high:+.1f})."
            )
        more = "more" if share > 0 else "fewer"
        return (
            f"{names[0]} has {abs(100 * share):.1f} points {more} neutral and politely smiling faces than {names[1]} "
            f"(95 % interval {100 * low:+.1f} to {100 * high:+.1f})."
        )
    if difference.expressions is not None:
        changed = percent(difference.expressions[0])
        return f"{changed} of the faces would have to change their expression to make the shares alike."
    return "The two sets have no scores in common that could be compared."


def _networks(a: Material, b: Material) -> str:
    sides = [
        listed(
            f"{name} {r.version}"
            for name, r in m.scores.manifest.scorers.items()
            if {"expression", "au12"} & set(r.columns)
        )
        for m in (a, b)
    ]
    return f"{sides[0]}; {sides[1]}" if sides[0] != sides[1] else ""


def _shares(a: Material, b: Material) -> tuple[Share, ...]:
    counts = [m.stats.expressions or {} for m in (a, b)]
    wholes = [sum(c.values()) for c in counts]
    if not all(wholes):
        return ()
    parts = [[c[name] / whole for name in EXPRESSIONS] for c, whole in zip(counts, wholes, strict=True)]
    most = max(*parts[0], *parts[1])
    return tuple(
        Share(name, colour(name), percent(x), x / most, percent(y), y / most)
        for name, x, y in zip(EXPRESSIONS, *parts, strict=True)
    )


def _figures(a: Material, b: Material) -> tuple[tuple[str, str, str, str], ...]:
    one, other = a.stats.figures(), b.stats.figures()
    shares = {f"{name} share" for name in EXPRESSIONS}
    rows = []
    for name in one:
        x, y = one[name], other.get(name)
        if name not in shares and (x, y) != (None, None):
            rows.append((name, told(name, x), told(name, y), _change(name, x, y)))
    return tuple(rows)


def _change(name: str, x: float | None, y: float | None) -> str:
    if x is None or y is None:
        return "–"
    if name.endswith("share") or name.startswith("Duchenne"):
        return f"{round(100 * (x - y), 1) + 0.0:+.1f} points"
    if name in ("faces", "cells of the plane"):
        return f"{x - y:+,.0f}"
    return f"{round(x - y, 2) + 0.0:+.2f}"


def _distances(difference: Comparison) -> tuple[tuple[str, str], ...]:
    rows = []
    for name, pair in (("expressions", difference.expressions), ("temperature bands", difference.bands)):
        if pair is not None:
            rows.append(
                (
                    name,
                    f"total variation {pair[0]:.3f}, Jensen-Shannon {pair[1]:.3f} bit (0 alike, 1 nothing shared)",
                )
            )
    for name, energy in (
        ("action units", difference.action_units),
        ("valence and arousal", difference.affect),
    ):
        if energy is not None:
            rows.append((name, f"energy distance {energy.coefficient:.3f} of 1, {_chance(energy)}"))
    return tuple(rows)


def _chance(distance: Distance) -> str:
    return "p ≤ 0.005" if distance.p <= 0.005 else f"p = {distance.p:.2g}"


def _only(material: Material, faces: pl.DataFrame) -> tuple[Shot, ...]:
    """Those faces, with what it takes to find and cut their pictures."""
    found: list[dict[str, Any]] = []
    for image, face in faces.select("image", "face").iter_rows() if faces.height else ():
        found += material.faces.filter(pl.col("image") == image, pl.col("face") == face).to_dicts()
    return tuple(material.album.want(row) for row in found)
