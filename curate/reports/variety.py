"""How varied a set is: its figures in one table, with what each is of."""

from __future__ import annotations

from dataclasses import dataclass

from curate.recipes.stats import Statistics
from curate.reports.material import Gap, Material
from curate.reports.temperature import colour
from curate.reports.wording import listed, number, percent
from curate.scorers.columns import EXPRESSIONS

_MEANING = {
    "neutral + polite smile share": "neutral, or happiness below 60 without the eyes (AU6 < 1)",
    "polite smile share": "happiness below 60 without the eyes (AU6 < 1)",
    "Duchenne share of smiles": "of the faces with AU12 of at least 1, those with AU6 of at least 1",
    "entropy of mean probabilities": "0 all in one expression, 1 all eight alike",
    "entropy of shares": "of the most probable expressions; 0 one, 1 all alike",
    "effective expressions (Vendi)": "effective number of different faces, by action units and probabilities",
    "effective expressions, AUs alone": "effective number of different faces, by action units",
    "temperature, mean": "0 to 100",
    "temperature, median": "0 to 100",
    "tone, mean": "0 unpleasant, 50 neither, 100 pleasant",
    "tone, median": "0 unpleasant, 50 neither, 100 pleasant",
    "valence, mean": "-1 to 1",
    "arousal, mean": "-1 to 1",
    "cells of the plane": "regions of valence and arousal that have a face",
}


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression's faces, their share, and the width of its bar in [0, 1]."""

    name: str
    colour: str
    faces: int
    share: str
    width: float


@dataclass(frozen=True, slots=True)
class Variety:
    """What the section shows; `figures` are name, value and meaning."""

    finding: str
    expressions: tuple[Expression, ...]
    figures: tuple[tuple[str, str, str], ...]


def variety(material: Material) -> Variety | Gap:
    """Shares of the expressions, entropy, effective numbers."""
    stats = material.stats
    if not material.has("expression") or stats.expressions is None:
        return material.gap("Expressions are not scored in this set.")
    named, most = sum(stats.expressions.values()), max(stats.expressions.values())
    expressions = tuple(
        Expression(name, colour(name), n, percent(n, named), n / most)
        for name, n in ((name, stats.expressions[name]) for name in EXPRESSIONS)
    )
    frequent = sorted(stats.expressions.items(), key=lambda item: -item[1])
    never = [name for name, n in frequent if not n]
    finding = f"Most frequent is {frequent[0][0]} ({percent(frequent[0][1], named)})."
    if never:
        finding += f" No face shows {listed(never).replace(' and ', ' or ')}."
    if stats.vendi is not None:
        finding += (
            f" The faces are as varied as {number(stats.vendi, 1)} wholly different ones (Vendi score)."
        )
    return Variety(finding, expressions, figures(stats))


def figures(stats: Statistics) -> tuple[tuple[str, str, str], ...]:
    """Name, value and meaning of all single figures that the set has, but the shares, which have their own tables."""
    return tuple(
        (name, told(name, value), _MEANING[name])
        for name, value in stats.figures().items()
        if name in _MEANING and value is not None
    )


def told(name: str, value: float | None) -> str:
    """A figure of `Statistics.figures`, as people read it."""
    if value is None:
        return "–"
    if name.endswith("share") or name.startswith("Duchenne"):
        return percent(value)
    if name in ("faces", "cells of the plane"):
        return f"{value:,.0f}"
    return number(value, 1 if name.startswith(("temperature", "tone", "effective")) else 2)
