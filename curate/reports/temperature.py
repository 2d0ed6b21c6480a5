"""How hot the faces of a set are: the histogram, with a face at every tenth degree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.browsing.colours import EXPRESSION_COLOURS, NONE
from curate.reports.figures import INK, TEXT, Drawing, Placed, plot
from curate.reports.material import Gap, Material
from curate.reports.wording import band_of, count, listed, number, percent
from curate.scorers.columns import BANDS, EXPRESSIONS

WIDTH, _STEP = 760, 5
_FACES, _SIDE = 10, 58
_TURNED = 25.0  # degrees
_OTHER = "not told"


@dataclass(frozen=True, slots=True)
class Band:
    """A band of the temperature: where it begins and ends, and its faces."""

    name: str
    begin: float
    end: float
    faces: int
    share: str


@dataclass(frozen=True, slots=True)
class Temperature:
    """What the section shows.

    Attributes:
        bins: the figure as a table: from, to, and the faces by expression.
        names: the expressions that occur, the columns of `bins`.
    """

    finding: str
    drawing: Drawing
    bands: tuple[Band, ...]
    names: tuple[str, ...]
    colours: dict[str, str]
    bins: tuple[tuple[int, int, tuple[int, ...], int], ...]


def temperature(
    material: Material, *, examples: bool = True, highest: float | None = None, title: str = ""
) -> Temperature | Gap:
    """The histogram in steps of 5, stacked by expression.

    Args:
        material: the set.
        examples: whether faces stand on the axis.
        highest: the share of the faces at the top of the y axis, in percent; None for the set's own. Two sets side by
            side need the same.
        title: of the figure.
    """
    if not material.has("temperature"):
        return material.gap("Temperature follows from expressions, and this set has none.")
    faces = material.faces.drop_nulls("temperature")
    names, counts = histogram(faces)
    bands = _bands(material, faces.height)
    mean, median = material.stats.temperature or (0.0, 0.0)
    told = ", ".join(f"{band.name} {band.share}" for band in bands)
    most, least = (pick(bands, key=lambda band: band.faces) for pick in (max, min))
    finding = (
        f"Half of the faces are below {median:.0f} of 100 ({band_of(material.stats)}), the mean is {mean:.0f}. The "
        f"largest band is {most.name} ({most.share}), the smallest {least.name} ({least.share})."
    )
    drawing = _drawn(material, faces, names, counts, bands, examples, highest, title, told)
    bins = tuple(
        (i * _STEP, (i + 1) * _STEP, tuple(int(n) for n in row), int(row.sum()))
        for i, row in enumerate(counts)
    )
    return Temperature(finding, drawing, bands, names, {n: colour(n) for n in names}, bins)


def histogram(faces: pl.DataFrame) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The expressions that occur, and (20, k) faces by temperature, in steps of 5, and expression."""
    told = pl.col("expression") if "expression" in faces.columns else pl.lit(None, pl.String)
    table = faces.select(
        pl.col("temperature").cast(pl.Float64).floordiv(_STEP).clip(0, 100 // _STEP - 1).cast(pl.Int64),
        told.fill_null(_OTHER).alias("expression"),
    )
    had = set(table["expression"])
    names = tuple(name for name in (*EXPRESSIONS, _OTHER) if name in had)
    counts = np.zeros((100 // _STEP, len(names)), np.int64)
    for step, name, n in table.group_by("temperature", "expression").len().iter_rows():
        counts[step, names.index(name)] = n
    return names, counts


def tallest(material: Material) -> float:
    """The share of the faces in the highest bar, in percent; 0 without any."""
    if not material.has("temperature"):
        return 0.0
    counts = histogram(material.faces.drop_nulls("temperature"))[1].sum(axis=1)
    return float(100 * counts.max() / counts.sum())


def colour(expression: str) -> str:
    """Of an expression, in all figures."""
    return EXPRESSION_COLOURS.get(expression, NONE)


def typical(faces: pl.DataFrame, low: float, high: float) -> dict[str, Any] | None:
    """The face nearest to the middle of a range; one that looks ahead and is sharp, if there is one."""
    some = faces.filter(pl.col("temperature") >= low, (pl.col("temperature") < high) | (high >= 100))
    if some.is_empty():
        return None
    good = pl.lit(True)
    if "yaw" in some.columns:
        good &= pl.col("yaw").abs() < _TURNED
    if "sharpness" in some.columns:
        good &= pl.col("sharpness") >= faces["sharpness"].quantile(0.4)
    far = (pl.col("temperature") - (low + high) / 2).abs()
    ranked = some.with_columns(_good=good.fill_null(False), _far=far)
    return ranked.sort(["_good", "_far", "sha256", "face", "image"], descending=[True, *[False] * 4]).row(
        0, named=True
    )


def _bands(material: Material, whole: int) -> tuple[Band, ...]:
    edges = [*(material.affect.bands[name] for name in BANDS), 100.0]
    counts = material.stats.bands or {}
    return tuple(
        Band(name, edges[i], edges[i + 1], counts.get(name, 0), percent(counts.get(name, 0), whole))
        for i, name in enumerate(BANDS)
    )


def _drawn(
    material: Material,
    faces: pl.DataFrame,
    names: tuple[str, ...],
    counts: NDArray[np.int64],
    bands: tuple[Band, ...],
    examples: bool,
    highest: float | None,
    title: str,
    told: str,
) -> Drawing:
    shares = 100 * counts / faces.height
    below = 34 + (_SIDE + 14 if examples else 0)
    chart = plot(WIDTH, 250 + below, top=48, bottom=below)
    axes = chart.axes
    floor = np.zeros(len(counts))
    lefts = np.arange(len(counts)) * _STEP
    for i, name in enumerate(names):
        axes.bar(
            lefts + 0.25,
            shares[:, i],
            _STEP - 0.5,
            floor,
            align="edge",
            color=colour(name),
            edgecolor=INK,
            linewidth=0.5,
        )
        floor += shares[:, i]
    top = 1.08 * max(highest or 0.0, float(floor.max()), 1.0)
    axes.set(xlim=(0, 100), ylim=(0, top), xticks=range(0, 101, 10))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.yaxis.set_major_locator(_ticks())
    for band in bands:
        if band.begin:
            axes.axvline(band.begin, color=INK, linewidth=1, linestyle=(0, (2, 3)), alpha=0.55)
        middle = (band.begin + band.end) / 2
        for text, rise, weight in ((band.name, 30, 1.0), (band.share, 12, 1.0)):
            axes.annotate(
                text, (middle, top), (0, rise), textcoords="offset points", ha="center", fontsize=TEXT, color=INK,
                alpha=weight, annotation_clip=False,
            )  # fmt: skip
    placed = []
    if examples:
        wide = 100 / _FACES
        for i in range(_FACES):
            found = typical(faces, i * wide, (i + 1) * wide)
            if found is not None:
                x = chart.x((i + 0.5) * wide) - _SIDE / 2
                y = chart.height - _SIDE - 6
                placed.append(
                    Placed(material.album.want(found), x, y, _SIDE, colour(found.get("expression") or ""))
                )
    mean, median = material.stats.temperature or (0.0, 0.0)
    alt = (
        f"Histogram of the temperature of {count(faces.height, 'face')}, stacked by expression: {told}. "
        f"Mean {number(mean, 1)}, median {number(median, 1)} of 100."
    )
    if placed:
        alt += f" Below the axis one face for each ten degrees: {listed(p.shot.alt for p in placed)}."
    return chart.drawing(title or "Temperature", alt, placed)


def _ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(5, min_n_ticks=3)
