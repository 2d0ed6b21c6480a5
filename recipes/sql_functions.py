"""The functions that a query may call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from curate.scorers.columns import suggest

Kind = Literal["condition", "number", "word", "null", "other"]
# Of an argument: "text" is a word in quotes, "places" a number from 0 to 9, "any" what can be compared.
Takes = Literal["number", "word", "text", "places", "any"]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of Polars' SQL, and what it takes.

    Attributes:
        takes: the kinds of its arguments, in order; the last is repeated up to `most`.
        gives: its kind; None where it is that of its arguments.
        least, most: how many arguments.
        whole: gives a whole number where it is given one.
        outside: may have no answer for a number (the root of -1): that is null, never NaN.
    """

    takes: tuple[Takes, ...]
    gives: Kind | None
    least: int = 1
    most: int = 1
    whole: bool = False
    outside: bool = False


_MANY = 1000
_NUMBER = Function(("number",), "number")
_OUTSIDE = Function(("number",), "number", outside=True)
_SAME = Function(("number",), "number", whole=True)
_POWER = Function(("number", "number"), "number", 2, 2, outside=True)
_WORD = Function(("word",), "word")

FUNCTIONS = {
    "abs": _SAME,
    "sign": _SAME,
    "floor": _SAME,
    "ceil": _SAME,
    "round": Function(("number", "places"), "number", 1, 2, whole=True),
    "sqrt": _OUTSIDE,
    "exp": _OUTSIDE,
    "ln": _OUTSIDE,
    "log2": _OUTSIDE,
    "log10": _OUTSIDE,
    "power": _POWER,
    "pow": _POWER,
    "least": Function(("number",), "number", 2, _MANY, whole=True),
    "greatest": Function(("number",), "number", 2, _MANY, whole=True),
    "coalesce": Function(("any",), None, 1, _MANY, whole=True),
    "lower": _WORD,
    "upper": _WORD,
    "trim": _WORD,
    "length": Function(("word",), "number", whole=True),
    "strpos": Function(("word", "word"), "number", 2, 2, whole=True),
    "starts_with": Function(("word", "word"), "condition", 2, 2),
    "ends_with": Function(("word", "word"), "condition", 2, 2),
    "pct": _NUMBER,
    "z": _NUMBER,
    "affect": Function(("text",), "number"),
}

# Those that look at the whole set, or at the lexicon: Polars' SQL has no such functions.
OURS = frozenset({"pct", "z", "affect"})
# Counted in unsigned numbers by Polars: 3 - length('four') is to be -1.
UNSIGNED = frozenset({"length", "strpos"})
_ELSEWHERE = {
    "percentile": "pct", "percent_rank": "pct", "rank": "pct", "zscore": "z", "standardize": "z", "min": "least",
    "max": "greatest", "if": "case when ... then ... else ... end", "ifnull": "coalesce", "isnull": "... is null",
    "log": "ln", "ceiling": "ceil", "len": "length", "contains": "like '%...%'", "word": "affect", "mod": "%",
    "startswith": "starts_with", "endswith": "ends_with", "substr": "like", "regexp_like": "like",
}  # fmt: skip


def meant(name: str) -> str:
    """`; did you mean ...?` for a function that is not there, or nothing."""
    other = _ELSEWHERE.get(name.lower())
    return f"; did you mean `{other}`?" if other else suggest(name.lower(), FUNCTIONS)
