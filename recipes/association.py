"""Does the expression go with something it should not? Cramér's V of what is measured with a set's other columns.

Choosing by emotion quietly chooses people: where the angry faces are mostly men's, a recipe that keeps anger keeps
men. This is counted from the metadata and the words of the prompts, before and after choosing.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import erfc, exp, lgamma, log, sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.errors import QueryError
from curate.recipes.people import load_people, people_words
from curate.recipes.sample import by_content
from curate.scorers.columns import suggest

# What is looked at unless somebody names columns; `prompt` stands for its words about people.
DEFAULT_COLUMNS = (
    "model", "lora", "generator", "sampler", "steps", "cfg", "seed", "intent", "prompt", "yaw", "brightness"
)  # fmt: skip
SCHEMA = {
    "column": pl.String, "kind": pl.String, "levels": pl.Int64, "faces": pl.Int64, "v": pl.Float64,
    "v_plain": pl.Float64, "p": pl.Float64, "level": pl.String, "value": pl.String, "lift": pl.Float64,
    "deviation": pl.String, "skipped": pl.String,
}  # fmt: skip
_WORDS = "prompt: "
_GENERATED = ("model", "generator", "sampler", "prompt")
# Numbers with more values than this are cut into quarters.
_FEW_VALUES = 12
_FEWEST_FACES_A_LEVEL = 5
# A table this probable without any association has no deviation worth a sentence.
_CHANCE = 0.05
_LONG_SUM = 200
# Prompts beyond this many different ones are read for a sample of the faces: a share is then known to 0.2 %.
_MOST_PROMPTS = 50_000


def association(
    frame: pl.DataFrame, columns: Sequence[str] | None = None, *, of: str = "expression"
) -> pl.DataFrame:
    """How strongly a measured category goes with each of a set's other columns.

    Args:
        frame: the faces; rows without `of` are left out.
        columns: names; `prompt` stands for its words about people (`prompt: gender`, `prompt: age`,
            `prompt: ethnicity`). Without them, those of `DEFAULT_COLUMNS` that the set has.
        of: the measured category: `expression` or `band`.

    Returns:
        A row a column, the strongest first, those that were skipped last:
        `kind` category, number (cut into quarters) or words; `levels`, how many values it has; `faces`, how many
        have one; `v`, Cramér's V with Bergsma's correction of its bias, in [0, 1], and `v_plain`, without;
        `p`, the chance of a chi-square as large where the two have nothing to do with each other;
        `level`, `value`, `lift`: where they deviate most from that, and how many times as frequent the value is
        there as overall, null where p >= 0.05; `deviation`, the same in words; `skipped`, why there is no answer.

    Raises:
        QueryError: a column does not exist.
    """
    asked = asked_columns(frame.columns, columns)
    if of not in frame.columns:
        return pl.DataFrame([_skipped(name, f"the set has no `{of}`") for name in asked], schema=SCHEMA)
    frame = frame.filter(pl.col(of).is_not_null())
    rows = [_row(name, frame, of) for name in asked if not name.startswith(_WORDS)]
    groups = [name for name in asked if name.startswith(_WORDS)]
    if groups:
        faces = frame.filter(pl.col("prompt").is_not_null())
        if faces.is_empty():
            rows += [_skipped(name, "no face has a prompt") for name in groups]
        else:
            counts = _prompt_counts(faces, of)
            rows += [
                _associated(name, "words", counts.select(pl.col(name).alias("level"), "value", "n"))
                for name in groups
            ]
    return pl.DataFrame(rows, schema=SCHEMA).sort(
        pl.col("skipped").is_not_null(), "v", "column", descending=[False, True, False], nulls_last=True
    )


def cramers_v(table: NDArray[np.int64]) -> tuple[float, float, float]:
    """Cramér's V of a table of counts.

    Args:
        table: (levels, values), whole numbers >= 0; rows and columns without any are left out.

    Returns:
        V with the correction of its bias (Bergsma 2013, J. Korean Stat. Soc. 42), V without (Cramér 1946), both in
        [0, 1], and the p value of Pearson's chi-square.
        (0, 0, 1) for less than two rows or columns, where there is nothing to go with anything.
    """
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    rows, columns = table.shape
    n = int(table.sum())
    if rows < 2 or columns < 2:
        return 0.0, 0.0, 1.0
    expected = _expected(table)
    chi2 = float(((table - expected) ** 2 / expected).sum())
    freedom = (rows - 1) * (columns - 1)
    plain = np.sqrt(chi2 / n / min(rows - 1, columns - 1))
    excess = max(0.0, chi2 / n - freedom / (n - 1))
    scale = min(r - 1 - (r - 1) ** 2 / (n - 1) for r in (rows, columns))
    corrected = np.sqrt(excess / scale) if scale > 0 else 0.0
    return min(1.0, float(corrected)), min(1.0, float(plain)), _chance(chi2, freedom)


def _chance(chi2: float, freedom: int) -> float:
    """The chance of a chi-square of at least this: its finite sum, or Wilson & Hilferty's cube root (1931)."""
    half = chi2 / 2
    if half == 0:
        return 1.0
    if freedom > _LONG_SUM:
        spread = 2 / (9 * freedom)
        return 0.5 * erfc(((chi2 / freedom) ** (1 / 3) - (1 - spread)) / sqrt(2 * spread))
    odd = freedom % 2
    steps = (i + odd / 2 for i in range(freedom // 2))
    terms = (exp(i * log(half) - half - lgamma(i + 1)) for i in steps)
    return min(1.0, sum(terms) + (erfc(sqrt(half)) if odd else 0.0))


def _expected(table: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.outer(table.sum(axis=1), table.sum(axis=0)) / float(table.sum())


def asked_columns(have: Sequence[str], columns: Sequence[str] | None) -> list[str]:
    """What `association` compares in a set with these columns; `prompt` is taken apart into its groups of words.

    Raises:
        QueryError: a column does not exist.
    """
    groups = [f"{_WORDS}{group}" for group in load_people().groups]
    names: list[str] = []
    for name in DEFAULT_COLUMNS if columns is None else columns:
        if name in groups and "prompt" in have:
            names.append(name)
        elif name in have:
            names += groups if name == "prompt" else [name]
        elif columns is not None:
            raise QueryError(
                f"no column `{name}`{suggest(name, have)}", where=name, hint="curate columns lists them"
            )
    return list(dict.fromkeys(names))


def _row(name: str, frame: pl.DataFrame, of: str) -> dict[str, object]:
    """A column that is in the set."""
    values = frame.get_column(name)
    if values.dtype.is_nested():
        return _skipped(name, "not a category or a number")
    if name == "lora":
        # A picture that says how it was made and names no LoRA was made without one.
        made = [pl.col(c).is_not_null() for c in _GENERATED if c in frame.columns]
        none = pl.when(pl.any_horizontal(made)).then(pl.lit("none")) if made else pl.lit(None)
        values = frame.select(pl.col("lora").fill_null(none)).to_series()
    if values.dtype.is_float():
        values = values.fill_nan(None)
    counts = pl.DataFrame({"level": values, "value": frame.get_column(of)}).drop_nulls("level")
    if counts.is_empty():
        return _skipped(name, "no face has a value")
    kind = "number" if values.dtype.is_numeric() and name != "seed" else "category"
    distinct = counts.get_column("level").n_unique()
    if kind == "number" and distinct > _FEW_VALUES:
        counts = _quarters(counts)
    elif counts.height < _FEWEST_FACES_A_LEVEL * distinct:
        return _skipped(name, f"{distinct:,} values for {counts.height:,} faces", kind)
    return _associated(name, kind, counts.group_by("level", "value").agg(pl.len().alias("n")))


def _quarters(counts: pl.DataFrame) -> pl.DataFrame:
    """Numbers cut at their quartiles, named `low..high`."""
    level = pl.col("level").cast(pl.Float64)
    numbers = counts.get_column("level").cast(pl.Float64).to_numpy()
    edges = np.quantile(numbers, (0, 0.25, 0.5, 0.75, 1), method="nearest").tolist()
    # Where most of them are the least there is, that is one part and all others another.
    inner = sorted(set(edges[1:4]) - {edges[0]}) or [float(numbers[numbers > edges[0]].min())]
    names = [f"{_short(a)}..{_short(b)}" for a, b in zip([edges[0], *inner], [*inner, edges[4]], strict=True)]
    number = pl.sum_horizontal(*((level >= edge).cast(pl.UInt8) for edge in inner), pl.lit(0, pl.UInt8))
    named = pl.Series(names, dtype=pl.String)
    return counts.with_columns(number.alias("level")).with_columns(
        pl.lit(named).gather(pl.col("level")).alias("level")
    )


def _prompt_counts(faces: pl.DataFrame, of: str) -> pl.DataFrame:
    """How many faces (`n`) have each `value` and each level of `prompt: gender`, `prompt: age` ..."""
    if faces.get_column("prompt").n_unique() > _MOST_PROMPTS:
        faces = by_content(faces, _MOST_PROMPTS)
    counts = faces.group_by("prompt", pl.col(of).alias("value")).agg(pl.len().alias("n"))
    prompts = counts.get_column("prompt").unique()
    words = people_words(prompts).select(prompts, pl.all().name.prefix(_WORDS))
    return counts.join(words, on="prompt")


def _associated(name: str, kind: str, counts: pl.DataFrame) -> dict[str, object]:
    """The figures of one column from its faces by `level` and `value`."""
    counts = counts.group_by(pl.col("level").cast(pl.String), "value").agg(pl.col("n").sum().cast(pl.Int64))
    levels = counts.get_column("level").unique().sort()
    faces = int(counts.get_column("n").sum())
    known: dict[str, object] = {"column": name, "kind": kind, "levels": levels.len(), "faces": faces}
    if levels.len() < 2:
        return _skipped(name, f"the same for all: {levels.item()}", kind)
    if faces < _FEWEST_FACES_A_LEVEL * levels.len():
        return _skipped(name, f"{levels.len():,} values for {faces:,} faces", kind)
    values = counts.get_column("value").unique().sort()
    table = np.zeros((levels.len(), values.len()), np.int64)
    table[levels.search_sorted(counts["level"]), values.search_sorted(counts["value"])] = counts["n"]
    v, plain, p = cramers_v(table)
    known |= {"v": v, "v_plain": plain, "p": p}
    if p >= _CHANCE:
        return known
    i, j = _strongest(table)
    lift = float(table[i, j] / _expected(table)[i, j])
    level, value = str(levels[i]), str(values[j])
    return known | {
        "level": level,
        "value": value,
        "lift": lift,
        "deviation": _words(name, level, value, lift),
    }


def _strongest(table: NDArray[np.int64]) -> tuple[int, int]:
    """The cell whose adjusted residual (Haberman 1973) is the largest; of equals, the most frequent."""
    n = table.sum()
    rows, columns = table.sum(axis=1, keepdims=True) / n, table.sum(axis=0, keepdims=True) / n
    expected = rows * columns * n
    residual = (table - expected) / np.sqrt(expected * (1 - rows) * (1 - columns))
    # Of two rows, each deviates as much as the other: rounding must not decide between them, the ratio may.
    rank = np.round(np.abs(residual), 6) + 1e-8 * np.minimum(table / expected, 50)
    best = np.unravel_index(np.argmax(rank), table.shape)
    return int(best[0]), int(best[1])


def _words(name: str, level: str, value: str, lift: float) -> str:
    """`anger is 3.1x as frequent with `man` in the prompt as overall`."""
    if name.startswith(_WORDS):
        group = name.removeprefix(_WORDS)
        where = f"with no word on {group}" if level == "no word" else f"with `{level}` in the prompt"
    else:
        where = f"with {name} {level}"
    return (
        f"{value} never goes {where}"
        if lift == 0
        else f"{value} is {lift:.2g}x as frequent {where} as overall"
    )


def _skipped(name: str, reason: str, kind: str | None = None) -> dict[str, object]:
    return {"column": name, "kind": kind, "skipped": reason}


def _short(number: float) -> str:
    return f"{number:.3g}"
