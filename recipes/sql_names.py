"""What a query's names stand for: the kind of a column, its values, and words of advice where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

import polars as pl

from curate.recipes.sql_functions import Kind
from curate.scorers.columns import CATALOGUE, suggest

_DECLARED = {column.name: column for column in CATALOGUE}
_DERIVED = {
    "affect": "it follows from the expressions and action units",
    "measures": "it follows from action units",
    "intent": "it follows from prompts or folder names, and the expressions",
}

# Stands in hints for what a set was scored from.
SOURCE = "SOURCE"


def kind_of(name: str, dtype: pl.DataType) -> tuple[Kind, str, str]:
    """What a column holds; the SQL type to read it as, if not its own; the SQL type to calculate with it in."""
    if dtype == pl.Null and name in _DECLARED:
        declared = pl.Series(dtype=_DECLARED[name].polars).dtype
        kind = kind_of(name, declared)[0]
        return kind, {"number": "DOUBLE", "word": "VARCHAR", "condition": "BOOLEAN"}.get(kind, ""), ""
    if dtype == pl.Boolean:
        return "condition", "", ""
    if dtype == pl.String:
        return "word", "", ""
    if dtype in (pl.Categorical, pl.Enum):
        return "word", "VARCHAR", ""
    if dtype.is_integer():
        return "number", "", "HUGEINT" if dtype == pl.UInt64 else "BIGINT"
    if dtype.is_float():
        return "number", "", ""
    return "other", "", ""


def absent(
    name: str, schema: Mapping[str, pl.DataType], functions: Iterable[str], *, a_word: bool
) -> tuple[str, str]:
    """Message and hint for a name that is no column of the set; `a_word` where a word was more likely meant."""
    if a_word and name not in _DECLARED:
        return f"no column `{name}`", f"put words in single quotes: '{name}'"
    if name in _DECLARED:
        scorer = _DECLARED[name].scorer
        if scorer in _DERIVED:
            hint = f"{_DERIVED[scorer]}: curate score {SOURCE} --scorers mesh,quality,lite"
            if scorer == "intent":
                hint += ",generation"
        else:
            scorers = dict.fromkeys(("mesh", "quality", scorer.split(" or ")[0] or "mesh"))
            hint = f"curate score {SOURCE} --scorers {','.join(scorers)}"
            if name == "landmarks":
                hint += " --landmarks"
        filled = f" (the scorer `{scorer}` fills it)" if scorer and scorer not in _DERIVED else ""
        return f"this set has no column `{name}`{filled}", hint
    if name.lower() in functions:
        return f"`{name}` is a function", f"write {name.lower()}(...)"
    close = suggest(name, schema) or suggest(name.lower(), schema)
    if not close:
        for holder, column in _DECLARED.items():
            if name.lower() in column.values and holder in schema:
                return f"no column `{name}`", f"did you mean {holder} = '{name.lower()}'?"
    return f"no column `{name}`{close}", "curate columns lists what there is"


def no_such_value(column: str, value: str, sign: str) -> tuple[str, str] | None:
    """Message and hint where a category never holds this word."""
    values = _DECLARED[column].values if column in _DECLARED else ()
    if not values or value in values or sign in ("<", "<=", ">", ">="):
        return None
    close = get_close_matches(value.lower(), values, n=1, cutoff=0.5)
    begins = [word for word in values if len(value) > 2 and word.startswith(value.lower()[:4])]
    near = (close or begins)[:1]
    did_you_mean = f"; did you mean '{near[0]}'?" if near else ""
    return f"`{column}` is never '{value}'{did_you_mean}", f"its values: {' '.join(values)}"
