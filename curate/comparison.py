"""`curate models compare`: where two scorers disagree on the same faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from curate.errors import InputError
from curate.manifest import ScorerRecord
from curate.models import metrics
from curate.models.metrics import Floats
from curate.scorers.columns import EXPRESSIONS, suggest
from curate.scoreset import ScoreSet, open_scores

if TYPE_CHECKING:
    import polars as pl

_KEY = ("sha256", "face")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class ColumnComparison(_Part):
    """One column that both fill. Differences are the first scorer's value less the second's; None where there
    is no face with both, or (`correlation`) where a side is constant."""

    column: str
    n: int
    correlation: float | None
    mean_difference: float | None
    mean_absolute_difference: float | None


class ExpressionComparison(_Part):
    """The expressions they name: share of faces named alike, Cohen's kappa, and the cross table: a row what the
    first says, a column what the second says, in the order of `classes`."""

    classes: tuple[str, ...]
    n: int
    agreement: float | None
    kappa: float | None
    table: tuple[tuple[int, ...], ...]


class Comparison(_Part):
    """The answer of `compare`. `only` are faces that one of them alone has scores of."""

    names: tuple[str, str]
    scorers: tuple[ScorerRecord, ScorerRecord]
    faces: int
    only: tuple[int, int]
    columns: tuple[ColumnComparison, ...]
    expression: ExpressionComparison | None


def compare(first: str, second: str, scores: Sequence[str | Path]) -> tuple[Comparison, pl.DataFrame]:
    """Put two scorers' answers side by side.

    Faces are the same where the picture's sha256 and the number of the face are.

    Args:
        first, second: names of scorers.
        scores: score sets that hold both between them; usually one each, for two scorers that fill the same
            columns cannot be in one.

    Returns:
        What they have in common, and the faces with the worst disagreement first: `image`, `sha256`, `face`,
        `disagreement` (0 is none), then `NAME:first` and `NAME:second` for every common column. Disagreement is
        the mean of up to three parts: mean absolute difference of intensities / 5, mean absolute difference of
        presences, and half the sum of absolute differences of expression probabilities; where two scorers
        share none of them, the mean absolute difference of what they do share, in standard deviations.

    Raises:
        InputError: a scorer is in none of the sets, they fill no common column, or no common face.
    """
    if first == second:
        raise InputError("a scorer agrees with itself", where=first, hint="name two different scorers")
    opened = [open_scores(folder) for folder in scores]
    a_set, b_set = _having(first, opened), _having(second, opened)
    a_record, b_record = (s[0].manifest.scorers[n] for s, n in ((a_set, first), (b_set, second)))
    common = [name for name in a_record.columns if name in b_record.columns and name != "landmarks"]
    if not common:
        raise InputError(
            f"{first} and {second} fill no common column",
            where=f"{first} {second}",
            hint="curate columns says what which scorer fills",
        )
    a, b = (_answers(sets, common) for sets in (a_set, b_set))
    both = a.join(b, on=_KEY, how="inner", suffix=f":{second}", nulls_equal=False)
    if both.is_empty():
        raise InputError(
            f"{first} and {second} have no face in common",
            where=" ".join(str(s.place) for s in opened),
            hint="score the same pictures with both",
        )
    both = both.drop(f"image:{second}").rename({name: f"{name}:{first}" for name in common})
    numbers = [name for name in common if both.schema[f"{name}:{first}"].is_numeric()]
    sides = {n: (_floats(both[f"{n}:{first}"]), _floats(both[f"{n}:{second}"])) for n in numbers}
    order = ["image", *_KEY, "disagreement"] + [f"{n}:{who}" for n in common for who in (first, second)]
    ranked = (
        both.with_columns(_series("disagreement", _disagreement(sides, both.height)))
        .sort("disagreement", "image", descending=[True, False], nulls_last=True)
        .select(order)
    )
    answer = Comparison(
        names=(first, second),
        scorers=(a_record, b_record),
        faces=both.height,
        only=(a.height - both.height, b.height - both.height),
        columns=tuple(_column(name, *sides[name]) for name in numbers),
        expression=(
            _expression(both[f"expression:{first}"], both[f"expression:{second}"])
            if "expression" in common
            else None
        ),
    )
    return answer, ranked


def _having(name: str, opened: Sequence[ScoreSet]) -> list[ScoreSet]:
    """The sets that a scorer filled, all by the same version of it."""
    having = [one for one in opened if name in one.manifest.scorers]
    there = sorted({scorer for one in opened for scorer in one.manifest.scorers})
    if not having:
        raise InputError(
            f"no such scorer in these sets{suggest(name, there)} (there are {', '.join(there) or 'none'})",
            where=name,
            hint=f"curate score {opened[0].manifest.source.location} --scorers {name} -o {name}.scores",
        )
    if len({one.manifest.scorers[name].fingerprint for one in having}) > 1:
        raise InputError(
            f"{having[0].place} and {having[1].place} were scored by different versions of it",
            where=name,
            hint="leave one of them out, or run `curate score` on it again",
        )
    return having


def _answers(sets: Sequence[ScoreSet], columns: Sequence[str]) -> pl.DataFrame:
    """`image`, `sha256`, `face` and these columns of every face that has any of them, each face once."""
    import polars as pl

    frames = []
    for one in sets:
        rows = one.read(landmarks=False)
        missing = [pl.lit(None).alias(name) for name in columns if name not in rows.columns]
        frames.append(rows.with_columns(missing).select("image", *_KEY, *columns, "status"))
    rows = pl.concat(frames, how="vertical_relaxed").filter(
        pl.col("status") == "ok", pl.any_horizontal(pl.col(list(columns)).is_not_null())
    )
    return rows.drop("status").unique(_KEY, keep="first", maintain_order=True)


def _floats(series: pl.Series) -> Floats:
    import polars as pl

    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _series(name: str, values: Floats) -> pl.Series:
    import polars as pl

    return pl.Series(name, values).fill_nan(None)


def _column(name: str, a: Floats, b: Floats) -> ColumnComparison:
    told = metrics.intensity(metrics.intensity_terms(a, b).sum(axis=0))
    difference = a - b
    there = difference[np.isfinite(difference)]
    return ColumnComparison(
        column=name,
        n=int(told.n),
        correlation=_number(float(told.pcc)),
        mean_difference=float(there.mean()) if len(there) else None,
        mean_absolute_difference=_number(float(told.mae)),
    )


def _expression(a: pl.Series, b: pl.Series) -> ExpressionComparison:
    known = {name: i for i, name in enumerate(EXPRESSIONS)}
    table = np.zeros((len(known), len(known)), np.int64)
    for one, other in zip(a, b, strict=True):
        if one in known and other in known:
            table[known[one], known[other]] += 1
    n = int(table.sum())
    return ExpressionComparison(
        classes=EXPRESSIONS,
        n=n,
        agreement=float(np.trace(table)) / n if n else None,
        kappa=_number(metrics.kappa(table)),
        table=tuple(tuple(row) for row in table.tolist()),
    )


def _disagreement(sides: dict[str, tuple[Floats, Floats]], faces: int) -> Floats:
    """How far apart the two are, a number a face; NaN where there is nothing to compare."""
    apart = {name: np.abs(a - b) for name, (a, b) in sides.items()}
    units = [name for name in apart if name.startswith("au")]
    parts = []
    if intensities := [apart[name] / 5 for name in units if not name.endswith("_p")]:
        parts.append(metrics.mean_of_defined(np.column_stack(intensities)))
    if presences := [apart[name] for name in units if name.endswith("_p")]:
        parts.append(metrics.mean_of_defined(np.column_stack(presences)))
    if all(name in apart for name in EXPRESSIONS):
        parts.append(np.column_stack([apart[name] for name in EXPRESSIONS]).sum(axis=1) / 2)
    if not parts:
        for name, (a, b) in sides.items():
            values = np.concatenate([a, b])
            values = values[np.isfinite(values)]
            spread = float(values.std()) if len(values) else 0.0
            parts.append(apart[name] / spread if spread else apart[name])
    if not parts:
        return np.full(faces, np.nan)
    return metrics.mean_of_defined(np.column_stack(parts))


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
