"""What combinations of action units say: smiles, pain, muscle patterns, contradictions.

Each measure is a plain formula over the columns of a scorer. AUs that have no intensity (7, 10, 14, 23, 24) count with
the probability that they are there. Null where any column that a formula reads is null.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from curate.recipes.checked_yaml import read_checked
from curate.recipes.division import over
from curate.scorers.columns import EXPRESSIONS, INTENSITY_AUS, PRESENCE_AUS

TABLE = Path(__file__).with_name("tables") / "prototypes.yaml"

# FACS points at which an action unit of a pattern is fully there: C, "marked".
_MARKED = 3.0
# What a presence counts where points are summed: B, "slight".
_SLIGHT = 2.0
# A smile has at least so many points of AU12 (A, "trace"); less is no smile whose eyes could be looked at.
_SMILE = 1.0
# How much of its pattern a face must show to be named by its muscles.
_PATTERN = 0.5
# Action units that are there together less often than by mistake: lip corners up and down, lips pressed and open.
_OPPOSED = ((12, 15), (24, 25), (24, 26))
# Two answers on one action unit contradict each other: likely and below this, or unlikely and at least that.
_NOTHING, _PLAIN = 0.5, 2.0
_SHARED = tuple(n for n in INTENSITY_AUS if n in PRESENCE_AUS)


class Prototype(BaseModel):
    """The action units of a strong display."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    aus: Annotated[tuple[int, ...], Field(min_length=1)]
    left_out: str = ""
    source: str


class Prototypes(BaseModel):
    """The muscle patterns of every expression but neutral."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    prototypes: dict[str, Annotated[tuple[Prototype, ...], Field(min_length=1)]]


Patterns = tuple[tuple[int, ...], ...]


@cache
def prototypes() -> dict[str, Patterns]:
    """The patterns of each expression but neutral, action units each; in the order of the catalogue."""
    found = read_checked(TABLE, Prototypes)[0].prototypes
    return {name: tuple(one.aus for one in found[name]) for name in EXPRESSIONS[1:]}


def measure_columns(columns: Collection[str]) -> dict[str, pl.Expr]:
    """The measures of a set, as expressions over its columns.

    Args:
        columns: names of the set's columns.

    Returns:
        duchenne, pspi_lite, congruence (Float32), muscles (String), au_conflicts (Int32), as the catalogue has them:
        those whose inputs are among the columns.
    """
    patterns = [_amount(number) for several in prototypes().values() for aus in several for number in aus]
    pairs = [_presence(number) for pair in _OPPOSED for number in pair]
    makers: dict[str, tuple[Callable[[], pl.Expr], Iterable[str]]] = {
        "duchenne": (_duchenne, ("au06", "au12")),
        "pspi_lite": (_pspi_lite, ("au04", "au06", "au09", "au07_p", "au10_p")),
        "congruence": (_congruence, ("expression", *patterns)),
        "muscles": (_muscles, patterns),
        "au_conflicts": (_conflicts, (*pairs, *(f"au{n:02}{end}" for n in _SHARED for end in ("", "_p")))),
    }
    return {
        name: make().alias(name) for name, (make, needed) in makers.items() if set(needed) <= set(columns)
    }


def pattern(patterns: Collection[Collection[int]]) -> pl.Expr:
    """How much of a muscle pattern is there: Float64 in [0, 1], the mean of min(x_j / 3, 1), or of q_j.

    Of several patterns the one that is there most. "Soft" in the words of OpenDBM, which has this measure beside the
    hard one (the least instead of the mean).
    """
    # A chain of comparisons would name each pattern many times, and an expression costs by its length, not its rows.
    most = pl.max_horizontal(_mean([_share(number) for number in aus]) for aus in patterns)
    return pl.when(_known(patterns)).then(most.clip(0, 1))


def _known(patterns: Collection[Collection[int]]) -> pl.Expr:
    """Whether all action units of these patterns have an answer."""
    return pl.all_horizontal(
        _number(_amount(number)).is_not_null() for number in sorted({n for aus in patterns for n in aus})
    )


def _mean(shares: Sequence[pl.Expr]) -> pl.Expr:
    total, *rest = shares
    for share in rest:
        total = total + share
    return over(total, len(shares))


def _larger(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    """The larger of two; null where either is (max_horizontal would pass over it)."""
    return pl.when(one >= other).then(one).when(one < other).then(other)


def _duchenne() -> pl.Expr:
    eyes, mouth = _number("au06").clip(0, 5), _number("au12").clip(0, 5)
    return pl.when(mouth >= _SMILE).then(eyes / (eyes + mouth)).cast(pl.Float32)


def _pspi_lite() -> pl.Expr:
    def slight(name: str) -> pl.Expr:
        return (_number(name) > 0.5).cast(pl.Float64) * _SLIGHT

    brows, cheeks, nose = (_number(name).clip(0, 5) for name in ("au04", "au06", "au09"))
    return (brows + _larger(cheeks, slight("au07_p")) + _larger(nose, slight("au10_p"))).cast(pl.Float32)


def _congruence() -> pl.Expr:
    found = pl.lit(None, dtype=pl.Float64)
    for name, several in prototypes().items():
        found = pl.when(pl.col("expression") == name).then(pattern(several)).otherwise(found)
    return found.cast(pl.Float32)


def _muscles() -> pl.Expr:
    # The threshold stands last among the amounts: of equals the first wins, in the order of the catalogue.
    amounts = pl.concat_list(*(pattern(several) for several in prototypes().values()), pl.lit(_PATTERN))
    names = dict(enumerate((*EXPRESSIONS[1:], EXPRESSIONS[0])))
    shown = amounts.list.arg_max().replace_strict(names, return_dtype=pl.String)
    return pl.when(_known([aus for several in prototypes().values() for aus in several])).then(shown)


def _conflicts() -> pl.Expr:
    def there(number: int) -> pl.Expr:
        return _number(_presence(number)) > 0.5 if number in PRESENCE_AUS else _number(f"au{number:02}") >= 1

    clashes = [there(one) & there(other) for one, other in _OPPOSED]
    for number in _SHARED:
        likely, points = _number(f"au{number:02}_p") > 0.5, _number(f"au{number:02}")
        clashes.append((likely & (points < _NOTHING)) | (~likely & (points >= _PLAIN)))
    first, *rest = (clash.cast(pl.Int32) for clash in clashes)
    for clash in rest:
        first = first + clash
    return first


def _amount(number: int) -> str:
    """The column that says most of an action unit."""
    return f"au{number:02}" if number in INTENSITY_AUS else f"au{number:02}_p"


def _presence(number: int) -> str:
    """The column that says whether an action unit is there."""
    return f"au{number:02}_p" if number in PRESENCE_AUS else f"au{number:02}"


def _share(number: int) -> pl.Expr:
    value = _number(_amount(number))
    return (over(value, _MARKED) if number in INTENSITY_AUS else value).clip(0, 1)


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64).fill_nan(None)
