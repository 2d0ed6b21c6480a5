"""Captions: what a face shows, in words; action units become "brow lowered, lips pressed, eyes wide".

A table has the words (`tables/captions.yaml`); what is unsure is not said. Pure functions of a row's columns:
the same row gives the same words.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from curate.recipes.checked_yaml import read_checked
from curate.recipes.prompts import parse_prompt
from curate.scorers.columns import EXPRESSIONS, INTENSITY_AUS, PRESENCE_AUS, PRESENCE_ONLY_AUS, suggest

SHIPPED = Path(__file__).with_name("tables") / "captions.yaml"
# FACS points of an action unit that is certainly there, where only its presence is scored: B, "slight" (as `energy`).
_PRESENT = 2.0
_SCORED = sorted({*INTENSITY_AUS, *PRESENCE_ONLY_AUS})
# Columns that a row needs for its words.
COLUMNS = (
    *(f"au{n:02}" for n in INTENSITY_AUS), *(f"au{n:02}_p" for n in PRESENCE_AUS), "expression", "confidence",
    "temperature", "tone", "prompt",
)  # fmt: skip


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _a_line(words: str) -> str:
    if not words.isprintable():
        raise ValueError("a wording is one line without control characters")
    return words.strip()


def _scored(aus: tuple[int, ...]) -> tuple[int, ...]:
    for number in aus:
        if number not in _SCORED:
            raise ValueError(f"no scorer gives AU{number}; there are {' '.join(map(str, _SCORED))}")
    if len(set(aus)) < len(aus):
        raise ValueError("an action unit is named twice")
    return aus


Words = Annotated[str, AfterValidator(_a_line)]
Aus = Annotated[tuple[int, ...], Field(min_length=1), AfterValidator(_scored)]
Pair = Annotated[tuple[int, int], AfterValidator(_scored)]
Points = Annotated[float, Field(gt=0, le=5)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Phrase(_Part):
    """Words for action units that are there together.

    Attributes:
        aus: all of them have to be there; the first says how strongly.
        slightly, clearly, strongly: the wordings, where the first has an intensity; none for `slightly` says nothing
            then, none for `strongly` says it as `clearly`.
        there: the wording, where the first is only scored as there or not.
    """

    aus: Aus
    slightly: Words = ""
    clearly: Words = ""
    strongly: Words = ""
    there: Words = ""

    @model_validator(mode="after")
    def _worded_as_it_is_scored(self) -> Phrase:
        number = self.aus[0]
        graded = number in INTENSITY_AUS
        if graded and (self.there or not self.clearly):
            raise ValueError(f"an intensity is scored of AU{number}: it needs `clearly`, and no `there`")
        if not graded and (not self.there or self.slightly or self.clearly or self.strongly):
            raise ValueError(f"only a presence is scored of AU{number}: it needs `there`, and nothing else")
        return self


class Degrees(_Part):
    """FACS points from which each wording holds; rising."""

    slightly: Points
    clearly: Points
    strongly: Points

    @model_validator(mode="after")
    def _rise(self) -> Degrees:
        if not self.slightly <= self.clearly <= self.strongly:
            raise ValueError("slightly, clearly, strongly have to rise")
        return self


class Sure(_Part):
    """Probabilities below which nothing is said."""

    presence: Probability
    expression: Probability


class Step(_Part):
    """A word from a value on, up to the next."""

    begin: Annotated[float, Field(ge=0, le=100, alias="from")]
    word: Words


def _rising(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    if steps[0].begin != 0 or any(a.begin >= b.begin for a, b in pairwise(steps)):
        raise ValueError("the steps have to begin at 0 and rise")
    return steps


Steps = Annotated[tuple[Step, ...], Field(min_length=1), AfterValidator(_rising)]


class CaptionTable(_Part):
    """A table of words for captions; `tables/captions.yaml` explains the fields."""

    version: Literal[1] = 1
    description: str = ""
    most: Annotated[int, Field(ge=1, le=24)]
    sure: Sure
    degrees: Degrees
    phrases: tuple[Phrase, ...]
    contrary: tuple[Pair, ...] = ()
    expressions: dict[str, Words]
    temperature: Steps
    tone: Steps

    @field_validator("expressions")
    @classmethod
    def _are_expressions(cls, words: dict[str, str]) -> dict[str, str]:
        for name in words:
            if name not in EXPRESSIONS:
                raise ValueError(f"there is no expression `{name}`{suggest(name, EXPRESSIONS)}")
        return words

    @property
    def sha256(self) -> str:
        """Of what it says, in hexadecimal: comments and the order of lines do not matter."""
        said = json.dumps(self.model_dump(exclude={"description"}), sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()


def load_captions(path: Path | None = None) -> CaptionTable:
    """A table from a file, or the shipped one.

    Raises:
        RecipeError: the file cannot be read or makes no sense; names the field, and the line.
    """
    return _shipped() if path is None else read_checked(path, CaptionTable)[0]


@cache
def _shipped() -> CaptionTable:
    return read_checked(SHIPPED, CaptionTable)[0]


def strengths(row: Mapping[str, Any], table: CaptionTable) -> dict[int, float]:
    """The action units that are surely there, and how strongly.

    Args:
        row: values by column; what is missing or null is not there.
        table: says what is sure.

    Returns:
        FACS points by number, `degrees.slightly` to 5: the intensity, of which a presence below `sure.presence`
        leaves nothing; 2 q for an action unit that has only a presence q.
    """
    found = {}
    for number in _SCORED:
        presence = _number(row.get(f"au{number:02}_p"))
        if presence is not None and presence < table.sure.presence:
            continue
        if number in INTENSITY_AUS:
            points = _number(row.get(f"au{number:02}"))
            if points is not None and points >= table.degrees.slightly:
                found[number] = min(points, 5.0)
        elif presence is not None:
            found[number] = _PRESENT * min(presence, 1.0)
    for pair in table.contrary:
        if found.keys() >= set(pair):
            # Of equal ones the second goes: the table's order decides.
            del found[min(reversed(pair), key=found.__getitem__)]
    return found


def phrases(row: Mapping[str, Any], table: CaptionTable) -> list[str]:
    """What the action units of a row show, the strongest first, `table.most` phrases at most; arguments as above."""
    there = strengths(row, table)
    left = set(there)
    said: list[tuple[float, str]] = []
    for phrase in table.phrases:
        if left.issuperset(phrase.aus):
            left.difference_update(phrase.aus)
            words = _worded(phrase, there[phrase.aus[0]], table.degrees)
            if words:
                said.append((max(there[number] for number in phrase.aus), words))
    # Sorting keeps the table's order among equals.
    said.sort(key=lambda one: -one[0])
    return [words for _, words in said[: table.most]]


def _worded(phrase: Phrase, points: float, degrees: Degrees) -> str:
    if phrase.there:
        return phrase.there
    if points >= degrees.strongly:
        return phrase.strongly or phrase.clearly
    return phrase.clearly if points >= degrees.clearly else phrase.slightly


def words(row: Mapping[str, Any], table: CaptionTable) -> dict[str, str]:
    """What a template may say in words: `aus`, `expression`, `temperature`, `tone`, `prompt`; "" where unsure.

    Args:
        row: values of `COLUMNS` by name; what is missing or null says nothing.
        table: the words.
    """
    confidence = _number(row.get("confidence"))
    expression, temperature = row.get("expression"), _number(row.get("temperature"))
    sure = confidence is not None and confidence >= table.sure.expression
    return {
        "aus": ", ".join(phrases(row, table)),
        "expression": table.expressions.get(str(expression), "") if sure else "",
        # "Subtle neutral expression" says nothing.
        "temperature": "" if sure and expression == "neutral" else _step(temperature, table.temperature),
        "tone": _step(_number(row.get("tone")), table.tone),
        "prompt": plain_prompt(row.get("prompt") or ""),
    }


def plain_prompt(prompt: str) -> str:
    """A prompt in plain words: without weights, brackets, LoRAs and other marks of programs, on one line."""
    text = "".join(piece.text for piece in parse_prompt(prompt) if piece.weight > 0)
    parts = (" ".join(part.split()) for part in text.replace("\n", ",").split(","))
    return ", ".join(part for part in parts if part)


def _step(value: float | None, steps: tuple[Step, ...]) -> str:
    if value is None:
        return ""
    return next((step.word for step in reversed(steps) if value >= step.begin), "")


def _number(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
