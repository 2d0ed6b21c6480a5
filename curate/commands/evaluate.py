"""`curate evaluate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.commands.options import ScoresArgument
from curate.output import JsonFlag, Output, QuietFlag

if TYPE_CHECKING:
    from curate.evaluation_plot import Format
    from curate.measured import Counts, Evaluation, ExpressionScore


class Classes(StrEnum):
    all = "all"
    labelled = "labelled"


def evaluate(
    scores: ScoresArgument,
    labels: Annotated[
        Path,
        typer.Argument(
            help="A table (CSV, TSV, JSON lines, Parquet): `image` or `sha256`, and label columns named as the "
            "scores are: au12, au12_p, expression.",
            show_default=False,
        ),
    ],
    split: Annotated[
        str | None, typer.Option(help="Only labels whose `split` is this [default: all].", show_default=False)
    ] = None,
    bootstrap: Annotated[
        int, typer.Option(min=0, max=100_000, help="Resamples for the 95 % intervals; 0 for none.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the resampling.")] = 0,
    classes: Annotated[
        Classes, typer.Option(help="Expressions that may be answered: all eight, or those that occur.")
    ] = Classes.all,
    plot: Annotated[
        Path | None,
        typer.Option(help="A picture of it: .png, .svg or .pdf.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Everything, as JSON.", show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """How well scores fit labels: action units, expression, calibration, with confidence intervals.

    A table with several subjects has its intervals from resampled subjects, otherwise from resampled pictures.

    Examples:

      curate evaluate disfa.scores disfa.csv

      curate evaluate ferplus.scores ferplus.parquet --split test --plot ferplus.png -o ferplus.json

      curate evaluate faces.scores labels.csv --classes labelled
    """
    from curate.answerfile import check_answer, write_answer
    from curate.evaluation import evaluate as measure

    output = Output(json, quiet)
    kind = _format(plot) if plot is not None else None
    for path in (plot, out):
        if path is not None:
            check_answer(path, overwrite=overwrite)
    answer = measure(scores, labels, split=split, bootstrap=bootstrap, seed=seed, classes=classes.value)
    if plot is not None and kind is not None:
        from curate.evaluation_plot import plot as draw

        write_answer(plot, draw(answer, kind))
    if out is not None:
        write_answer(out, answer.model_dump_json(indent=2).encode() + b"\n")
    output.data(answer.model_dump(mode="json"))
    if output.human:
        _tell(answer, output)
        for path in (plot, out):
            if path is not None:
                output.plain(f"written: {path}")


def _format(path: Path) -> Format:
    from curate.errors import ExportError
    from curate.evaluation_plot import FORMATS

    for kind in FORMATS:
        if path.suffix.lower() == f".{kind}":
            return kind
    raise ExportError("no kind of picture that can be drawn", where=str(path), hint="--plot NAME.png")


def _tell(answer: Evaluation, output: Output) -> None:
    scorers = ", ".join(f"{name} ({record.fingerprint})" for name, record in answer.inputs.scorers.items())
    output.plain(f"{answer.inputs.scores}, scored with {scorers or 'nothing'}")
    split = f", split {answer.inputs.split}" if answer.inputs.split else ""
    output.plain(f"{answer.inputs.labels}{split} ({answer.inputs.labels_sha256[:16]})")
    output.table(["", ""], _counts(answer.counts))
    if answer.intensities:
        rows = [*answer.intensities, *([answer.intensity_mean] if answer.intensity_mean else [])]
        columns = ["intensity", "labels", "PCC", "ICC(3,1)", "MSE", "MAE"]
        output.table(
            columns,
            ([r.column, _n(r.column, r.n), *map(str, (r.pcc, r.icc, r.mse, r.mae))] for r in rows),
            right=columns[1:],
        )
    if answer.presences:
        found = [*answer.presences, *([answer.presence_mean] if answer.presence_mean else [])]
        columns = ["presence", "labels", "there", "F1", "accuracy"]
        output.table(
            columns,
            (
                [r.column, _n(r.column, r.n), _n(r.column, r.positives), str(r.f1), str(r.accuracy)]
                for r in found
            ),
            right=columns[1:],
        )
    if answer.expression is not None:
        _tell_expression(answer.expression, output)
    if answer.not_compared:
        output.plain(f"not in the score set: {', '.join(answer.not_compared)}")
    if answer.inputs.bootstrap:
        output.plain(
            f"[95 % intervals]: {answer.inputs.bootstrap:,} resamples of {answer.inputs.units:,} "
            f"{answer.inputs.resampled}, seed {answer.inputs.seed}"
        )


def _counts(counts: Counts) -> list[tuple[str, str]]:
    """What became of the labels; what did not happen is not said."""
    rows = [
        ("labels", counts.labels),
        ("  of pictures that the set lacks", counts.not_in_set),
        ("  that say the same again", counts.repeated),
        ("  without a value", counts.without_label),
        ("tied votes", counts.ties),
        ("labelled pictures in the set", counts.evaluated),
        *((f"  {name.replace('_', ' ')}", n) for name, n in counts.statuses.items() if name != "ok"),
        ("pictures in the set without labels", counts.set_without_labels),
    ]
    always = {"labels", "labelled pictures in the set"}
    return [(words, f"{n:,}") for words, n in rows if n or words in always]


def _tell_expression(score: ExpressionScore, output: Output) -> None:
    wrong = f"counting {score.unanswered:,} without an answer as wrong"
    output.table(
        ["expression", "", ""],
        [
            ("accuracy", str(score.accuracy), f"of {score.n:,} faces found"),
            ("accuracy of all", str(score.accuracy_of_all), wrong),
            ("macro-F1", str(score.macro_f1), ""),
            ("ECE", str(score.ece), "15 bins"),
            ("answers", str(len(score.classes)), ", ".join(score.classes)),
        ],
        fold=[""],
    )
    names = ["label \\ answer", *(name[:4] for name in score.classes), "none", "precision", "recall", "F1"]
    rows = [
        [
            one.name,
            *(f"{n:,}" if n else "·" for n in counts),
            f"{one.unanswered:,}" if one.unanswered else "·",
            *("" if v is None else f"{v:.3f}" for v in (one.precision, one.recall, one.f1)),
        ]
        for one, counts in zip(score.per_class, score.confusion, strict=True)
    ]
    output.table(names, rows, right=names[1:])


def _n(column: str, count: int) -> str:
    return "" if column == "mean" else f"{count:,}"
