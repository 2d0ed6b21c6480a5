"""`curate evaluate`: how well the scores of a set fit labels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from curate.errors import InputError
from curate.labels import Labels, read_labels
from curate.matching import by_content, by_name, one_face_each
from curate.measured import (
    Classes,
    ClassScore,
    Counts,
    Estimate,
    Evaluation,
    ExpressionScore,
    Inputs,
    IntensityScore,
    PresenceScore,
    ReliabilityBin,
)
from curate.models import metrics
from curate.models.bootstrap import interval, resampled_sums, units_of
from curate.models.metrics import Floats
from curate.scorers.columns import EXPRESSIONS
from curate.scoreset import ScoreSet, open_scores

if TYPE_CHECKING:
    import polars as pl

_LABEL = "label:"


def evaluate(
    scores: str | Path,
    labels: str | Path,
    *,
    split: str | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    classes: Classes = "all",
) -> Evaluation:
    """Compare a score set with labels.

    Args:
        scores: the score set. Of a picture with several faces the largest counts.
        labels: a table (see `curate.labels`).
        split: only the labels whose `split` is this.
        bootstrap: resamples for the intervals, of subjects where the table names several, else of pictures; 0
            for none.
        seed: of the resampling.
        classes: `labelled` restricts the scorer's answer to the expressions that occur in the labels.

    Raises:
        InputError: one of them cannot be read, no picture is in both, or no column.
    """
    opened = open_scores(scores)
    table = read_labels(labels, split=split)
    rows = opened.read(landmarks=False)
    compared = _compared(table, rows, opened)
    labelled, counts = _labelled_pictures(opened, rows, table, compared)
    intensities = [name for name in compared if name.startswith("au") and not name.endswith("_p")]
    presences = [name for name in compared if name.startswith("au") and name.endswith("_p")]
    names = _answerable(table, classes) if "expression" in compared else ()

    terms = [metrics.intensity_terms(*_pair(labelled, name)) for name in intensities]
    terms += [metrics.presence_terms(*_pair(labelled, name)) for name in presences]
    if names:
        terms += _expression_terms(labelled, names)
    units = units_of(labelled["subject"].to_list())
    # The sums of the pictures as they are come first, then those of the resamples: one formula for all.
    drawn = resampled_sums(terms, units, bootstrap, seed=seed)
    sums = [np.vstack([t.sum(axis=0), d]) for t, d in zip(terms, drawn, strict=True)]
    intensity = [metrics.intensity(s) for s in sums[: len(intensities)]]
    presence = [metrics.presence(s) for s in sums[len(intensities) :][: len(presences)]]
    return Evaluation(
        inputs=Inputs(
            scores=str(opened.place),
            source=opened.manifest.source.location,
            scorers=opened.manifest.scorers,
            labels=str(labels),
            labels_sha256=table.sha256,
            key=table.key,
            split=split,
            classes=classes,
            bootstrap=bootstrap,
            seed=seed,
            resampled="subjects" if labelled["subject"].drop_nulls().n_unique() > 1 else "pictures",
            units=int(units.max()) + 1,
        ),
        counts=counts,
        intensities=tuple(_intensity(name, [one]) for name, one in zip(intensities, intensity, strict=True)),
        intensity_mean=_intensity("mean", intensity) if intensity else None,
        presences=tuple(_presence(name, [one]) for name, one in zip(presences, presence, strict=True)),
        presence_mean=_presence("mean", presence) if presence else None,
        expression=_expression(names, sums[-2], sums[-1]) if names else None,
        not_compared=tuple(name for name in table.columns if name not in compared),
    )


def _compared(table: Labels, rows: pl.DataFrame, opened: ScoreSet) -> list[str]:
    """The label columns that the set can answer."""
    wanted = {name: EXPRESSIONS if name == "expression" else (name,) for name in table.columns}
    compared = [name for name, needs in sorted(wanted.items()) if set(needs) <= set(rows.columns)]
    if compared:
        return compared
    answers = [c for scorer in opened.manifest.scorers.values() for c in scorer.columns]
    raise InputError(
        f"they label {', '.join(wanted)}; the set has {', '.join(answers) or 'no scores'}",
        where=str(table.path),
        hint=f"score {opened.manifest.source.location} with a scorer that fills them: curate columns",
    )


def _labelled_pictures(
    opened: ScoreSet, rows: pl.DataFrame, table: Labels, compared: Sequence[str]
) -> tuple[pl.DataFrame, Counts]:
    """The labelled pictures of the set, a row each, with their scores (null where there are none), their labels
    as `label:NAME`, and `subject`; and what became of the other labels."""
    import polars as pl

    pictures = one_face_each(rows)
    keys = table.table["key"]
    found = (
        by_content(keys, pictures)
        if table.key == "sha256"
        else by_name(keys, pictures, opened, where=str(table.path))
    )
    named = table.table.with_columns(pl.Series("picture", found, pl.UInt32))
    there = named.drop_nulls("picture")
    if there.is_empty():
        key = "sha256" if table.key == "sha256" else "image"
        raise InputError(
            f"the score set has none of these pictures: it says {pictures[key][0] if pictures.height else 'nothing'}, "
            f"the labels say {keys.drop_nulls()[0] if keys.count() else 'nothing'}",
            where=str(table.path),
            hint=f"curate show {opened.place}",
        )
    once = _once(there, pictures, compared, where=str(table.path))
    labelled = once.filter(pl.any_horizontal(pl.col(list(compared)).is_not_null()))
    if labelled.is_empty():
        raise InputError(
            f"no picture of the set has a label; the columns {', '.join(compared)} are empty",
            where=str(table.path),
        )
    labels = labelled.select("subject", *(pl.col(name).alias(_LABEL + name) for name in compared))
    scores = pictures[labelled["picture"]].drop("subject", strict=False)
    statuses = scores["status"].value_counts(sort=True)
    counts = Counts(
        labels=table.table.height,
        not_in_set=table.table.height - there.height,
        repeated=there.height - once.height,
        without_label=once.height - labelled.height,
        ties=table.ties,
        evaluated=labelled.height,
        statuses={str(status): int(count) for status, count in statuses.iter_rows()},
        set_without_labels=pictures.height - once.height,
    )
    return scores.hstack(labels), counts


def _once(
    there: pl.DataFrame, pictures: pl.DataFrame, compared: Sequence[str], *, where: str
) -> pl.DataFrame:
    """Every picture once; InputError where the table contradicts itself."""
    import polars as pl

    distinct = there.unique(["picture", *compared], keep="first", maintain_order=True)
    double = distinct.filter(pl.col("picture").is_duplicated()).sort("picture", "row")
    if not double.is_empty():
        first, second = double["row"][:2]
        raise InputError(
            f"rows {first} and {second} label {pictures['image'][double['picture'][0]]} differently",
            where=where,
            hint="keep one row a picture",
        )
    return distinct


def _pair(labelled: pl.DataFrame, name: str) -> tuple[Floats, Floats]:
    """Scores and labels of a column, NaN where there is none."""
    return _floats(labelled[name]), _floats(labelled[_LABEL + name])


def _floats(series: pl.Series) -> Floats:
    import polars as pl

    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _answerable(table: Labels, classes: Classes) -> tuple[str, ...]:
    """The expressions that the scorer may answer."""
    if classes == "all":
        return EXPRESSIONS
    given = set(table.table["expression"])
    return tuple(name for name in EXPRESSIONS if name in given)


def _expression_terms(labelled: pl.DataFrame, names: Sequence[str]) -> list[Floats]:
    """What each picture adds to the confusion matrix, and to the reliability diagram."""
    numbers = {name: i for i, name in enumerate(names)}
    truth = np.array([numbers.get(name, -1) for name in labelled[_LABEL + "expression"]], np.int64)
    mass = np.column_stack([_floats(labelled[name]) for name in names])
    answered = np.asarray(np.isfinite(mass).all(axis=1))
    mass = np.where(answered[:, None], mass, 0.0)
    total = mass.sum(axis=1, keepdims=True)
    if len(names) < len(EXPRESSIONS):
        # What goes to expressions that nobody could label is shared out among the others, in proportion.
        mass = np.divide(mass, total, out=np.full_like(mass, 1 / len(names)), where=total > 0)
    answers = np.where(answered, mass.argmax(axis=1), -1)
    confidence = np.where(answered & (truth >= 0), mass.max(axis=1), np.nan)
    return [
        metrics.classification_terms(answers, truth, len(names)),
        metrics.calibration_terms(confidence, answers == truth),
    ]


def _intensity(column: str, units: Sequence[metrics.Intensity]) -> IntensityScore:
    """One action unit, or the mean of several."""
    return IntensityScore(
        column=column,
        n=int(sum(unit.n[0] for unit in units)),
        pcc=_mean([unit.pcc for unit in units]),
        icc=_mean([unit.icc for unit in units]),
        mse=_mean([unit.mse for unit in units]),
        mae=_mean([unit.mae for unit in units]),
    )


def _presence(column: str, units: Sequence[metrics.Presence]) -> PresenceScore:
    """One action unit, or the mean of several."""
    return PresenceScore(
        column=column,
        n=int(sum(unit.n[0] for unit in units)),
        positives=int(sum(unit.positives[0] for unit in units)),
        f1=_mean([unit.f1 for unit in units]),
        accuracy=_mean([unit.accuracy for unit in units]),
    )


def _expression(names: tuple[str, ...], chosen: Floats, sure: Floats) -> ExpressionScore:
    told = metrics.classification(chosen, len(names))
    calibration = metrics.calibration(sure)
    confusion = told.confusion[0].astype(int)
    edges = np.linspace(0, 1, metrics.BINS + 1)
    return ExpressionScore(
        classes=names,
        n=int(confusion.sum()),
        unanswered=int(told.unanswered[0].sum()),
        accuracy=_mean([told.accuracy]),
        accuracy_of_all=_mean([told.accuracy_of_all]),
        macro_f1=_mean([told.macro_f1]),
        ece=_mean([calibration.ece]),
        per_class=tuple(
            ClassScore(
                name=name,
                labelled=int(confusion[i].sum()),
                answered=int(confusion[:, i].sum()),
                unanswered=int(told.unanswered[0, i]),
                precision=_number(told.precision[0, i]),
                recall=_number(told.recall[0, i]),
                f1=_number(told.f1[0, i]),
            )
            for i, name in enumerate(names)
        ),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        reliability=tuple(
            ReliabilityBin(
                low=round(float(low), 6),
                high=round(float(high), 6),
                n=int(calibration.n[0, i]),
                confidence=_number(calibration.confidence[0, i]),
                accuracy=_number(calibration.accuracy[0, i]),
            )
            for i, (low, high) in enumerate(pairwise(edges))
        ),
    )


def _mean(values: Sequence[Floats]) -> Estimate:
    """The mean of measures (1 + resamples,), the first of them of the pictures as they are."""
    mean = metrics.mean_of_defined(np.stack(values, axis=-1))
    ends = interval(mean[1:])
    value = _number(mean[0])
    if value is None or ends is None:
        return Estimate(value=value)
    return Estimate(value=value, low=ends[0], high=ends[1])


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
