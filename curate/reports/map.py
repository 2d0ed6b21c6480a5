"""The map of valence and arousal: every face a point, and some of them to be seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from curate.recipes.diversity import OCTANTS, STRENGTHS
from curate.recipes.sample import by_content
from curate.reports.figures import FAINT, INK, TEXT, Drawing, Placed, plot
from curate.reports.material import Gap, Material
from curate.reports.temperature import colour
from curate.reports.wording import count, listed, number, percent
from curate.scorers.columns import EXPRESSIONS

_POINTS, _CANDIDATES = 2_000, 5_000
_SIDE, _GAP = 40.0, 12.0
_MOST_FACES = 36
_WIDTH, _HEIGHT = 760, 590
_TICKS = (-0.8, -0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6, 0.8)
_VALENCE, _AROUSAL = (-0.85, 1.0), (-0.5, 0.85)


@dataclass(frozen=True, slots=True)
class AffectMap:
    """What the section shows; `cells` is the plane as a table: direction, and the faces at each strength or None where
    no mixture of expressions lies."""

    finding: str
    drawing: Drawing
    note: str
    names: tuple[str, ...]
    colours: dict[str, str]
    strengths: tuple[str, ...]
    cells: tuple[tuple[str, tuple[int | None, ...]], ...]
    covered: str


def affect_map(material: Material) -> AffectMap | Gap:
    """The scatter of valence and arousal."""
    plane = material.stats.coverage
    if not material.has("valence", "arousal") or plane is None:
        return material.gap("Valence and arousal follow from expressions, and this set has none.")
    faces = material.faces.drop_nulls(["valence", "arousal"])
    pleasant, unpleasant = (
        int(faces.select(condition.sum()).item())
        for condition in (pl.col("valence") > 0.1, pl.col("valence") < -0.1)
    )
    rest = faces.height - pleasant - unpleasant
    high, low, middle = (percent(n, faces.height) for n in (pleasant, unpleasant, rest))
    finding = f"{high} of the faces look pleasant, {low} unpleasant, and {middle} neither (valence within 0.1 of 0)."
    empty = plane.empty
    covered = f"{plane.covered} of the {plane.cells} regions that expressions reach have a face"
    covered += f"; none is {listed(empty)}." if empty else "."
    drawing, names, shown = _drawn(material, faces, finding)
    note = ""
    if shown < faces.height:
        note = f"Of {faces.height:,} faces {shown:,} have a point."
    cells = tuple(
        (
            octant,
            tuple(int(plane.counts[o, s]) if plane.reachable[o, s] else None for s in range(len(STRENGTHS))),
        )
        for o, octant in enumerate(OCTANTS)
    )
    return AffectMap(finding, drawing, note, names, {n: colour(n) for n in names}, STRENGTHS, cells, covered)


def _drawn(material: Material, faces: pl.DataFrame, finding: str) -> tuple[Drawing, tuple[str, ...], int]:
    points = by_content(faces, _POINTS)
    chart = plot(_WIDTH, _HEIGHT, left=50, right=10, top=10, bottom=48)
    axes = chart.axes
    axes.set(xlim=_VALENCE, ylim=_AROUSAL, xticks=_TICKS, yticks=[t for t in _TICKS if -0.5 < t < 0.85])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(axis="both", color=FAINT, linewidth=1)
    axes.set_xlabel("valence: unpleasant to pleasant", fontsize=TEXT, color=INK, labelpad=8)
    axes.set_ylabel("arousal: calm to excited", fontsize=TEXT, color=INK, labelpad=4)
    for draw in (axes.axvline, axes.axhline):
        draw(0, color=INK, linewidth=1, alpha=0.35)
    said = (
        points["expression"] if "expression" in points.columns else pl.repeat("", points.height, eager=True)
    )
    names = tuple(name for name in EXPRESSIONS if name in set(said))
    for name in names:
        some = points.filter(said == name)
        axes.plot(
            some["valence"].to_numpy(), some["arousal"].to_numpy(), linestyle="none", marker="o", markersize=5.5,
            markerfacecolor=colour(name), markeredgecolor=INK, markeredgewidth=0.5, alpha=0.8,
        )  # fmt: skip
    spread = _spread(faces, chart.x(1) - chart.x(0), chart.y(0) - chart.y(1))
    placed = []
    for row in spread.iter_rows(named=True):
        x = min(max(chart.x(row["valence"]) - _SIDE / 2, chart.left), chart.width - _SIDE - 2)
        y = min(max(chart.y(row["arousal"]) - _SIDE / 2, chart.top), chart.height - 48 - _SIDE)
        placed.append(Placed(material.album.want(row), x, y, _SIDE, colour(row.get("expression") or "")))
    means = f"Mean valence {number(material.stats.valence)}, mean arousal {number(material.stats.arousal)}"
    alt = (
        f"Scatter of valence and arousal, both from -1 to 1. {finding} {means}. {count(len(placed), 'face')} stand "
        "where they lie on the map."
    )
    return chart.drawing("Valence and arousal", alt, placed), names, points.height


def _spread(faces: pl.DataFrame, wide: float, high: float) -> pl.DataFrame:
    """Faces whose pictures do not cover each other: from the one nearest to the middle of all, always the one that is
    farthest from those taken. `wide`, `high`: units of the figure that 1 is."""
    inside = faces.filter(pl.col("valence").is_between(*_VALENCE), pl.col("arousal").is_between(*_AROUSAL))
    some = by_content(_shown(inside), _CANDIDATES)
    if some.is_empty():
        return some
    points = some.select("valence", "arousal").cast(pl.Float64).to_numpy() * (wide, high)
    taken = [int(np.abs(points - np.median(points, axis=0)).max(axis=1).argmin())]
    apart = np.abs(points - points[taken[0]]).max(axis=1)
    while len(taken) < _MOST_FACES:
        best = int(apart.argmax())
        if apart[best] < _SIDE + _GAP:
            break
        taken.append(best)
        apart = np.minimum(apart, np.abs(points - points[best]).max(axis=1))
    return some[taken]


def _shown(faces: pl.DataFrame) -> pl.DataFrame:
    """The faces that make good examples: those that look ahead, if there are enough."""
    if "yaw" not in faces.columns:
        return faces
    ahead = faces.filter(pl.col("yaw").abs() < 30)
    return ahead if ahead.height >= faces.height / 2 else faces
