"""How good the pictures are: focus, light, size, pose, contradictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from curate.reports.album import Shot
from curate.reports.figures import ACCENT, Drawing, plot
from curate.reports.material import Gap, Material
from curate.reports.wording import count, number, percent

_SHOWN = 6
_BINS = 24
# The clauses of the built-in recipe `clean-faces`, turned round: what a face is left out for, in words, and by what
# the plainest cases come first.
_CLAUSES = (
    ("n_faces > 1", "not alone in the picture", -pl.col("n_faces")),
    ("eye_distance < 40", "small: less than 40 px between the eyes", pl.col("eye_distance")),
    ("sharpness <= .2", "blurred", pl.col("sharpness")),
    ("brightness < .15 or brightness > .9", "too dark or too bright", -(pl.col("brightness") - 0.5).abs()),
    ("contrast <= .1", "flat: hardly any contrast", pl.col("contrast")),
    ("abs(yaw) >= 45", "turned away by 45 degrees or more", -pl.col("yaw").abs()),
    ("abs(pitch) >= 35", "nodding by 35 degrees or more", -pl.col("pitch").abs()),
    ("au_conflicts > 3", "more than 3 contradictions among the action units", -pl.col("au_conflicts")),
)


@dataclass(frozen=True, slots=True)
class Panel:
    """A small histogram, its sentence, and its bars as numbers: from, to, faces."""

    drawing: Drawing
    median: str
    bins: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Quality:
    """What the section shows.

    Attributes:
        clauses: what speaks against faces: the query, in words, how many, their share.
        worst: faces in question, by the clause in words.
        gaps: what is not scored.
    """

    finding: str
    panels: tuple[Panel, ...]
    clauses: tuple[tuple[str, str, int, str], ...]
    worst: tuple[tuple[str, tuple[Shot, ...]], ...]
    gaps: tuple[Gap, ...]


def quality(material: Material) -> Quality | Gap:
    """Histograms of what can be wrong with a picture, and how many faces the recipe `clean-faces` would leave out."""
    from curate.recipes.query import parse_condition

    panels = tuple(
        _panel(material, *spec)
        for spec in (
            ("sharpness", "Sharpness", "0 blurred, 1 sharp", 0.0, 1.0),
            ("brightness", "Brightness", "0 black, 1 white", 0.0, 1.0),
            ("contrast", "Contrast", "0 flat, 1 full", 0.0, 1.0),
            ("eye_distance", "Distance of the eyes", "px", 0.0, None),
            ("yaw", "Head turn", "degrees", -90.0, 90.0),
            ("pitch", "Head nod", "degrees", -90.0, 90.0),
        )
        if material.has(spec[0])
    )
    if not panels:
        return material.gap("Nothing is known of the quality of these pictures.")
    clauses, worst, any_of = [], [], pl.lit(False)
    for text, words, plainest in _CLAUSES:
        if not material.has(*plainest.meta.root_names()):
            continue
        hit = parse_condition(text, dict(material.faces.schema)).expr.fill_null(False)
        any_of |= hit
        found = material.faces.filter(hit)
        clauses.append((text, words, found.height, percent(found.height, material.faces.height)))
        if found.height:
            first = found.sort(plainest, "sha256", "face", "image").head(_SHOWN)
            worst.append((words, tuple(material.album.want(row) for row in first.to_dicts())))
    bad = int(material.faces.select(any_of.sum()).item())
    whole = material.faces.height
    finding = f"Nothing speaks against any of the {count(whole, 'face')}."
    if bad:
        finding = (
            f"{percent(bad, whole)} of the faces ({bad:,} of {whole:,}) have something that the recipe clean-faces "
            "leaves faces out for."
        )
    gaps = (
        () if material.has("sharpness") else (material.gap("Focus and light are not measured in this set."),)
    )
    return Quality(finding, panels, tuple(clauses), tuple(worst), gaps)


def _panel(material: Material, column: str, title: str, unit: str, low: float, high: float | None) -> Panel:
    values = material.faces[column].drop_nulls().cast(pl.Float64).to_numpy()
    top = high if high is not None else float(np.ceil(max(values.max(), 1) / 50) * 50)
    counts, edges = np.histogram(np.clip(values, low, top), _BINS, (low, top))
    chart = plot(252, 130, left=8, right=12, top=6, bottom=24)
    wide = edges[1] - edges[0]
    chart.axes.bar(edges[:-1] + 0.08 * wide, counts, 0.84 * wide, align="edge", color=ACCENT, linewidth=0)
    chart.axes.set(xlim=(low, top), ylim=(0, 1.05 * max(1, counts.max())), yticks=[])
    chart.axes.set_xticks(np.linspace(low, top, 3))
    chart.axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    first, *_, last = chart.axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    digits = 2 if top <= 1 else 0
    middle, least, most = (number(float(np.quantile(values, q)), digits) for q in (0.5, 0.05, 0.95))
    alt = f"Histogram of {column} ({unit}): median {middle}, nine tenths of the faces from {least} to {most}."
    drawing = chart.drawing(title, alt)
    bins = tuple(
        (number(low, digits + 1), number(high, digits + 1), int(n))
        for low, high, n in zip(edges, edges[1:], counts, strict=False)
    )
    told = f"median {middle}{'' if top <= 1 else ' ' + unit}, 90 % from {least} to {most}"
    return Panel(drawing, told, bins)
