"""Emotional temperature: what a face expresses, as a few numbers that follow from its scores.

Two witnesses: expressivity I, how far the classifier puts the face from neutral, and energy E, how much the
muscles do. Temperature is their geometric mean: no heat without movement, and none from a dropped jaw alone.
Tone says how pleasant it is. docs/affect.md has the reasons.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import polars as pl
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from curate.recipes.checked_yaml import read_checked
from curate.recipes.division import over
from curate.scorers.columns import BANDS, EXPRESSIONS, INTENSITY_AUS, PRESENCE_AUS, suggest

SHIPPED = Path(__file__).with_name("tables") / "affect.yaml"
_MOST = 5.0  # FACS points of one action unit

Coordinate = Annotated[float, Field(ge=-1, le=1)]
Weight = Annotated[float, Field(ge=0, le=10)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Point(_Part):
    """Where an expression lies in the plane of pleasure and arousal.

    Attributes:
        valence, arousal: -1 to 1.
        source: where they come from.
        provisional: whether they are a guess.
    """

    valence: Coordinate
    arousal: Coordinate
    source: str = ""
    provisional: bool = False

    @property
    def length(self) -> float:
        """Distance from neutral."""
        return math.hypot(self.valence, self.arousal)


def _an_expression(name: str) -> str:
    if name not in EXPRESSIONS:
        raise ValueError(f"there is no expression `{name}`{suggest(name, EXPRESSIONS)}")
    return name


class Unit(_Part):
    """The expressions at which expressivity is 1, and tone 100."""

    expressivity: Annotated[str, AfterValidator(_an_expression)]
    tone: Annotated[str, AfterValidator(_an_expression)]


def _exactly(names: Sequence[str]) -> AfterValidator:
    """A table with these keys, no more and no less."""

    def check(table: dict[str, Any]) -> dict[str, Any]:
        for name in table:
            if name not in names:
                raise ValueError(f"there is no `{name}`{suggest(name, names)}")
        if missing := [name for name in names if name not in table]:
            raise ValueError(f"{', '.join(missing)} is missing")
        return table

    return AfterValidator(check)


def _measured(among: Sequence[int]) -> AfterValidator:
    """A table whose keys are action units with such an answer."""

    def check(table: dict[int, Any]) -> dict[int, Any]:
        for number in table:
            if number not in among:
                raise ValueError(
                    f"no action unit {number} is measured so; there are {', '.join(map(str, among))}"
                )
        return table

    return AfterValidator(check)


class Energy(_Part):
    """How action units add up.

    Attributes:
        scale: FACS points at which energy is 1 - 1/e.
        intensity: weight of a point of each AU's intensity.
        presence: points of an AU that is certainly there; for those whose intensity does not count.
    """

    scale: Annotated[float, Field(gt=0, le=1000)]
    intensity: Annotated[dict[int, Weight], _measured(INTENSITY_AUS)]
    presence: Annotated[dict[int, Weight], _measured(PRESENCE_AUS)]

    @model_validator(mode="after")
    def _each_once(self) -> Energy:
        for number in self.presence:
            if number in self.intensity:
                raise ValueError(f"action unit {number} would count twice, by intensity and by presence")
        return self


class Affect(_Part):
    """A table of affect: coordinates, weights, bands.

    Attributes:
        name, version: what a manifest calls it.
        coordinates: of each of the eight expressions; neutral is (0, 0).
        unit: see `Unit`; no expression is longer than `unit.expressivity`, and `unit.tone` is pleasant.
        energy: see `Energy`.
        bands: the temperature at which each of the five begins; the first at 0, rising.
    """

    name: Annotated[str, Field(min_length=1)]
    version: Annotated[str, Field(min_length=1)]
    description: str = ""
    coordinates: Annotated[dict[str, Point], _exactly(EXPRESSIONS)]
    unit: Unit
    energy: Energy
    bands: Annotated[dict[str, Annotated[float, Field(ge=0, lt=100)]], _exactly(BANDS)]

    @model_validator(mode="after")
    def _makes_sense(self) -> Affect:
        if self.coordinates["neutral"].length:
            raise ValueError("coordinates.neutral: it is the origin, valence 0 and arousal 0")
        for name, point in self.coordinates.items():
            if point.length > self.length:
                raise ValueError(
                    f"unit.expressivity: {name} ({point.length:.3f}) is farther from neutral than "
                    f"{self.unit.expressivity} ({self.length:.3f}); take the farthest: no face may exceed 1"
                )
        if self.pleasure <= 0:
            raise ValueError(
                f"unit.tone: {self.unit.tone} is not pleasant; take one whose valence is above 0"
            )
        edges = [self.bands[name] for name in BANDS]
        if edges[0] != 0 or any(a >= b for a, b in pairwise(edges)):
            raise ValueError(f"bands: {', '.join(BANDS)} have to begin at 0 and rise")
        return self

    @property
    def length(self) -> float:
        """Distance from neutral that counts as an expressivity of 1; .957 in the shipped table."""
        return self.coordinates[self.unit.expressivity].length

    @property
    def pleasure(self) -> float:
        """Valence that counts as a tone of 100; .81 in the shipped table."""
        return self.coordinates[self.unit.tone].valence

    @property
    def sha256(self) -> str:
        """Of what it says, in hexadecimal: comments and the order of lines do not matter."""
        said = json.dumps(self.model_dump(exclude={"description"}), sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()

    def energy_columns(self, columns: Collection[str]) -> list[str]:
        """Of a set's columns those that energy is made of."""
        names = [f"au{n:02}" for n in sorted(self.energy.intensity)]
        names += [f"au{n:02}_p" for n in sorted(self.energy.presence)]
        return [name for name in names if name in columns]


def load_affect(path: Path | None = None) -> Affect:
    """A table of affect from a file, or the shipped one.

    Raises:
        RecipeError: the file cannot be read or makes no sense; names the field, and the line.
    """
    return _shipped() if path is None else read_checked(path, Affect)[0]


@cache
def _shipped() -> Affect:
    return read_checked(SHIPPED, Affect)[0]


def expressivity(affect: Affect) -> pl.Expr:
    """I = sum p_k |(V, A)_k| / length: Float64 in [0, 1], what the classifier says; null without its answer."""
    shares = {name: point.length / affect.length for name, point in affect.coordinates.items()}
    return _mixture(shares).clip(0, 1)


def points(affect: Affect, columns: Collection[str]) -> pl.Expr:
    """S: what the muscles do, Float64 FACS points; null where none of the action units has an answer.

    S = sum w_j x_j + sum over the AUs that only have a presence of points_j clip(2 q_j - 1, 0, 1), over those
    of them that the set has.
    """
    used = affect.energy_columns(columns)
    if not used:
        return pl.lit(None, dtype=pl.Float64)
    terms = []
    for name in used:
        number = int(name[2:4])
        value = _number(name)
        if name.endswith("_p"):
            terms.append((2 * value - 1).clip(0, 1) * affect.energy.presence[number])
        else:
            terms.append(value.clip(0, _MOST) * affect.energy.intensity[number])
    silent = pl.all_horizontal(_number(name).is_null() for name in used)
    return pl.when(~silent).then(pl.sum_horizontal(terms))


def energy(affect: Affect, columns: Collection[str]) -> pl.Expr:
    """E = 1 - exp(-S / scale): Float64 in [0, 1], what the muscles say; null where they say nothing."""
    return (1 - over(-points(affect, columns), affect.energy.scale).exp()).clip(0, 1)


def affect_columns(affect: Affect, columns: Collection[str]) -> dict[str, pl.Expr]:
    """The affect columns of a set, as expressions over its columns.

    Args:
        affect: the table.
        columns: names of the set's columns.

    Returns:
        valence, arousal, energy, temperature, tone, agreement, ambivalence (Float32) and band (String), as the
        catalogue has them; nothing if the eight expressions are not among the columns. Null where the inputs are;
        without an answer of the muscles temperature is 100 I, and energy and agreement are null.
    """
    if not set(EXPRESSIONS) <= set(columns):
        return {}
    valence = _mixture({name: point.valence for name, point in affect.coordinates.items()})
    arousal = _mixture({name: point.arousal for name, point in affect.coordinates.items()})
    said, moved = expressivity(affect), energy(affect, columns)
    heat = (100 * (said * moved).sqrt()).fill_null(100 * said)
    temperature = heat.clip(0, 100).cast(pl.Float32)
    distance = over((valence.pow(2) + arousal.pow(2)).sqrt(), affect.length)
    numbers = {
        "valence": valence.clip(-1, 1),
        "arousal": arousal.clip(-1, 1),
        "energy": moved,
        "temperature": temperature,
        "tone": 50 + 50 * over(valence, affect.pleasure).clip(-1, 1),
        "agreement": (1 - (said - moved).abs()).clip(0, 1),
        "ambivalence": (said - distance).clip(0, 1),
    }
    found = {name: value.cast(pl.Float32).alias(name) for name, value in numbers.items()}
    return found | {"band": band(affect, temperature).alias("band")}


def band(affect: Affect, temperature: pl.Expr) -> pl.Expr:
    """The band of a temperature, String; at an edge the upper one."""
    name = pl.lit(BANDS[0])
    for upper in BANDS[1:]:
        name = (
            pl.when(temperature.cast(pl.Float64) >= affect.bands[upper]).then(pl.lit(upper)).otherwise(name)
        )
    return pl.when(temperature.is_not_null()).then(name)


def _mixture(weights: Mapping[str, float]) -> pl.Expr:
    """sum p_k w_k; null where any p is. The order is always the same, so the last digit is, too."""
    first, *rest = (_number(name) * weights[name] for name in EXPRESSIONS)
    for term in rest:
        first = first + term
    return first


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64).fill_nan(None)
