"""How a set was chosen: the recipe's funnel, whom each clause rejected, and the set before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from curate.choosing import REJECTED
from curate.output import visible
from curate.recipes.association import association
from curate.recipes.funnel import REASON, REJECTED_BY
from curate.reports.album import Shot
from curate.reports.figures import ACCENT, OTHER, Drawing, plot
from curate.reports.material import Gap, Material, tidy
from curate.reports.temperature import WIDTH, colour
from curate.reports.wording import count, listed, number, percent
from curate.scorers.columns import EXPRESSIONS

_SHOWN = 5
_CELLS = 24


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the funnel, how many came and stayed, and some that did not."""

    kind: str
    clause: str
    came: int
    stayed: int
    share: str
    portion: float
    rejected: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class Both:
    """An expression before and after: faces, shares, and the widths of its bars in [0, 1]."""

    name: str
    colour: str
    before: int
    before_share: str
    before_width: float
    after: int
    after_share: str
    after_width: float


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the section shows.

    Attributes:
        kind: `recipe`, or how else it was chosen; then `told` says it and the rest is empty.
        bins: the drawing as a table: the temperature from which on, and the shares before and after.
        goes_with: columns, and Cramér's V of the expression with them, before and after.
        cells: wanted, there, kept and missing of each cell that was balanced.
    """

    finding: str
    name: str
    text: str
    told: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    cells: tuple[tuple[str, int, int, int, int], ...]
    more_cells: int
    distances: tuple[str, ...]
    both: tuple[Both, ...]
    drawing: Drawing | None
    bins: tuple[tuple[int, str, str], ...]
    goes_with: tuple[tuple[str, str, str], ...]
    gap: Gap | None


def chosen(material: Material) -> Chosen | Gap:
    """What the manifest says of the choice, and the rejected rows that lie in the set."""
    choice = material.scores.manifest.choice
    if choice is None:
        command = f"curate apply balanced-expressions {material.name} -o keep.scores"
        return Gap(
            "This set was scored and not chosen by a recipe, so there is no before and after.", command
        )
    if "steps" not in choice:
        told = tuple(
            (key, visible(str(value))) for key, value in choice.items() if isinstance(value, str | int)
        )
        finding = f"The {count(material.rows.height, 'row')} of this set were chosen from another."
        return Chosen(finding, "", "", told, (), (), 0, (), (), None, (), (), None)
    rejected = _rejected(material)
    steps = _steps(material, choice["steps"], rejected)
    kept, out = int(choice.get("kept", material.rows.height)), int(choice.get("rejected", 0))
    balance = choice.get("balance") or {}
    cells = [_cell(cell) for cell in balance.get("cells", ())]
    distances = tuple(
        f"{d['of']}: {percent(d['tv_before'])} of the faces would have had to be others to fit the target, now "
        f"{percent(d['tv_after'])} (total variation)"
        for d in balance.get("distances", ())
        if d.get("tv_before") is not None and d.get("tv_after") is not None
    )
    whole = kept + out
    name = visible(str(choice.get("name", "A recipe")))
    finding = f"{name} keeps {kept:,} of {count(whole, 'row')}, {percent(kept, whole)}."
    if short := sorted((cell for cell in cells if cell[4]), key=lambda cell: -cell[4]):
        lacking, most = count(sum(cell[4] for cell in short), "face"), listed(cell[0] for cell in short[:3])
        finding += f" {lacking} that it wants are not there, most of all of {most}."
    gap = None
    both: tuple[Both, ...] = ()
    drawing: Drawing | None = None
    bins: tuple[tuple[int, str, str], ...] = ()
    goes_with: tuple[tuple[str, str, str], ...] = ()
    if rejected is None:
        gap = Gap(
            "The rejected rows are not in this set any more, so it cannot be held against what was there before."
        )
    else:
        before = pl.concat([material.rows, rejected], how="diagonal_relaxed").filter(pl.col("status") == "ok")
        both = _expressions(before, material.faces)
        drawing, bins = _temperatures(before, material.faces)
        goes_with = _associations(before, material)
    return Chosen(
        finding, visible(str(choice.get("name", ""))), str(choice.get("recipe", "")), (), steps,
        tuple(cells[:_CELLS]), max(0, len(cells) - _CELLS), distances, both, drawing, bins, goes_with, gap,
    )  # fmt: skip


def _rejected(material: Material) -> pl.DataFrame | None:
    folder = material.scores.folder / REJECTED
    parts = sorted(folder.glob("*.parquet"))
    if not parts:
        return None
    scanned = pl.concat([pl.scan_parquet(path, glob=False) for path in parts], how="diagonal")
    names = [
        n for n in scanned.collect_schema().names() if n in {*material.rows.columns, REJECTED_BY, REASON}
    ]
    return tidy(material.scores.collect(scanned.select(names)))


def _steps(
    material: Material, steps: list[dict[str, Any]], rejected: pl.DataFrame | None
) -> tuple[Step, ...]:
    told = []
    first = max((s["in"] for s in steps), default=0)
    for step in steps:
        some: list[dict[str, Any]] = []
        if rejected is not None and step["kind"] != "status":
            rows = rejected.filter(pl.col(REJECTED_BY) == step["clause"])
            some = rows.sort("sha256", "face", "image").head(_SHOWN).to_dicts()
        told.append(
            Step(
                step["kind"],
                visible(step["clause"]),
                step["in"],
                step["out"],
                percent(step["out"], step["in"]),
                step["out"] / max(1, first),
                tuple(material.album.want(row) for row in some),
            )
        )
    return tuple(told)


def _cell(cell: dict[str, Any]) -> tuple[str, int, int, int, int]:
    numbers = {"share", "wanted", "had", "kept", "missing"}
    name = ", ".join(visible(str(value)) for key, value in cell.items() if key not in numbers)
    wanted, had, kept, missing = (int(cell.get(key) or 0) for key in ("wanted", "had", "kept", "missing"))
    return name, wanted, had, kept, missing


def _expressions(before: pl.DataFrame, after: pl.DataFrame) -> tuple[Both, ...]:
    if "expression" not in before.columns or before["expression"].null_count() == before.height:
        return ()
    counts = [dict(f["expression"].drop_nulls().value_counts().iter_rows()) for f in (before, after)]
    wholes = [max(1, sum(c.values())) for c in counts]
    most = max(n / whole for c, whole in zip(counts, wholes, strict=True) for n in [*c.values(), 1e-9])
    told = []
    for name in EXPRESSIONS:
        a, b = (c.get(name, 0) for c in counts)
        x, y = a / wholes[0], b / wholes[1]
        told.append(Both(name, colour(name), a, percent(x), x / most, b, percent(y), y / most))
    return tuple(told)


def _associations(before: pl.DataFrame, material: Material) -> tuple[tuple[str, str, str], ...]:
    """Choosing by emotion quietly chooses other things: what the expression went with, and what it goes with."""
    after = material.stats.associations.get("expression")
    if after is None or "expression" not in before.columns:
        return ()
    was = {row["column"]: row["v"] for row in association(before).to_dicts()}
    now = {row["column"]: row["v"] for row in after.to_dicts()}
    known = [c for c in dict.fromkeys([*now, *was]) if now.get(c) is not None or was.get(c) is not None]
    return tuple((column, number(was.get(column)), number(now.get(column))) for column in known)


def _temperatures(
    before: pl.DataFrame, after: pl.DataFrame
) -> tuple[Drawing | None, tuple[tuple[int, str, str], ...]]:
    """Two outlines, each in shares of its own faces."""
    values = [
        f["temperature"].drop_nulls().cast(pl.Float64).to_numpy()
        if "temperature" in f.columns
        else np.empty(0)
        for f in (before, after)
    ]
    if not len(values[0]) or not len(values[1]):
        return None, ()
    shares = [100 * np.histogram(v, 20, (0, 100))[0] / len(v) for v in values]
    chart = plot(WIDTH, 220, bottom=34)
    edges = np.linspace(0, 100, 21)
    chart.axes.stairs(shares[1], edges, fill=True, color=ACCENT, alpha=0.85)
    chart.axes.stairs(shares[0], edges, color=OTHER, linewidth=2)
    top = 1.1 * float(max(s.max() for s in shares))
    chart.axes.set(xlim=(0, 100), ylim=(0, top), xticks=range(0, 101, 10))
    chart.axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    medians = [float(np.median(v)) for v in values]
    alt = (
        f"Temperature before, an outline, and after, filled: the median was {medians[0]:.0f} of 100 among "
        f"{count(len(values[0]), 'face')} and is {medians[1]:.0f} among {count(len(values[1]), 'face')}."
    )
    bins = tuple(
        (5 * i, percent(x / 100), percent(y / 100)) for i, (x, y) in enumerate(zip(*shares, strict=True))
    )
    return chart.drawing("Temperature before and after", alt), bins
