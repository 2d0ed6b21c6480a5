"""What was asked for and what came, by expression and by whatever made the pictures."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

import polars as pl

from curate.output import visible
from curate.recipes.leaderboard import ALL_GROUPS, ALL_INTENTS, leaderboard
from curate.reports.material import Gap, Material
from curate.reports.temperature import colour
from curate.reports.wording import count, listed, number, percent

_BY = ("model", "lora", "generator", "sampler")
_GROUPS, _LONG = 12, 60
_READ = ("intent", "intent_p", "intent_rank", "expression")


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the leaderboard: how many faces, how many are hits, and where the share of hits lies with 95 %."""

    name: str
    faces: int
    hit: str
    low: float
    share: float
    high: float
    interval: str
    displayed: str
    temperature: str
    instead: str
    colour: str


@dataclass(frozen=True, slots=True)
class Intents:
    """What the section shows; `groups` are columns with several values: their lines, and how many were left out."""

    finding: str
    intents: tuple[Line, ...]
    groups: tuple[tuple[str, tuple[Line, ...], int], ...]


def intents(material: Material) -> Intents | Gap:
    """The leaderboard by intended expression, and by model, LoRA, generator and sampler."""
    if not material.faces.height or not material.has("expression"):
        return material.gap(
            "Nothing is known of what the faces show, so it cannot be compared with what was asked for."
        )
    if not material.has("intent", "intent_rank"):
        return _unknown(material)
    table = leaderboard(material.faces)
    lines = {row["intent"]: row for row in table.to_dicts()}
    whole = lines[ALL_INTENTS]
    told = tuple(_line(row["intent"], row) for row in table.to_dicts() if row["intent"] != ALL_INTENTS)
    finding = (
        f"{count(whole['faces'], 'face')} {'was' if whole['faces'] == 1 else 'were'} meant to show something: "
        f"{percent(whole['hit'])} show it (95 % interval {percent(whole['hit_low'])} to {percent(whole['hit_high'])})."
    )
    never = [row["intent"] for row in table.to_dicts() if row["hits"] == 0]
    if never and whole["hits"]:
        finding += f" Never delivered: {listed(never)}."
    return Intents(finding, told, tuple(_group(material.faces, by) for by in _BY if _several(material, by)))


def _unknown(material: Material) -> Gap:
    """Why nothing can be said of what was asked for."""
    if material.has("prompt"):
        what = (
            "None of the prompts, and no folder's name, has a word of the lexicon that says what to express."
        )
        return Gap(what, f"curate intent {shlex.quote(material.name)} --words FILE")
    what = (
        "Nothing is known of what these faces were meant to show: no picture has a prompt, and no folder is named for "
        "an expression."
    )
    if "prompt" not in material.faces.columns:
        return material.gap(what, "mesh,quality,lite,generation")
    return Gap(f"{what} A table can say it (docs/generation.md).", material.scoring(metadata="TABLE"))


def _several(material: Material, by: str) -> bool:
    return material.has(by) and material.faces.drop_nulls(_READ)[by].drop_nulls().n_unique() > 1


def _group(faces: pl.DataFrame, by: str) -> tuple[str, tuple[Line, ...], int]:
    table = leaderboard(faces, by)
    rows = table.filter(pl.col("intent") == ALL_INTENTS, pl.col("group") != ALL_GROUPS).to_dicts()
    return by, tuple(_line(row["group"], row) for row in rows[:_GROUPS]), max(0, len(rows) - _GROUPS)


def _line(name: str, row: dict[str, Any]) -> Line:
    shown = visible(name)
    return Line(
        name=shown if len(shown) <= _LONG else f"{shown[:_LONG]}…",
        faces=row["faces"],
        hit=percent(row["hit"]),
        low=row["hit_low"],
        share=row["hit"],
        high=row["hit_high"],
        interval=f"{percent(row['hit_low'])} to {percent(row['hit_high'])}",
        displayed=number(row["intent_p"]),
        temperature=number(row["temperature"], 0),
        instead="–" if row["instead"] is None else f"{row['instead']} ({percent(row['instead_share'])})",
        colour=colour(name),
    )
