"""An evaluation as a picture: confusion matrix, reliability diagram, action units."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from curate.measured import Estimate, Evaluation, ExpressionScore, IntensityScore, PresenceScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Format = Literal["png", "svg", "pdf"]
FORMATS: tuple[Format, ...] = ("png", "svg", "pdf")
_BLUE, _RED, _GREY = "#3b6ea5", "#c0504d", "#8c8c8c"


def plot(evaluation: Evaluation, kind: Format = "png") -> bytes:
    """The panels that have something to show, expression above action units, as the bytes of a picture file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows: list[list[Callable[[Axes], None]]] = []
    expression = evaluation.expression
    if expression is not None:
        rows.append([lambda axes: _confusion(axes, expression), lambda axes: _reliability(axes, expression)])
    units: list[Callable[[Axes], None]] = []
    if evaluation.intensities:
        units.append(lambda axes: _intensities(axes, evaluation.intensities, evaluation.intensity_mean))
    if evaluation.presences:
        units.append(lambda axes: _presences(axes, evaluation.presences, evaluation.presence_mean))
    if units:
        rows.append(units)
    figure = Figure(figsize=(11, 5.2 * len(rows)), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    parts = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for part, panels in zip(parts, rows, strict=True):
        for panel, axes in zip(panels, part.subplots(1, len(panels), squeeze=False)[0], strict=True):
            panel(axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind)
    return buffer.getvalue()


def _confusion(axes: Axes, score: ExpressionScore) -> None:
    counts = np.array(score.confusion, np.float64)
    true = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, true, out=np.zeros_like(counts), where=true > 0)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (i, j), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[i, j] > 0.55 else "black"
            words = f"{100 * shares[i, j]:.0f} %\n{count:,.0f}"
            axes.text(j, i, words, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(score.classes)), score.classes, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(score.classes)), score.classes)
    axes.set(xlabel="answer", ylabel="label")
    axes.set_title(f"Expression: accuracy {score.accuracy}\nmacro-F1 {score.macro_f1}", fontsize=10)


def _reliability(axes: Axes, score: ExpressionScore) -> None:
    full = [b for b in score.reliability if b.accuracy is not None and b.confidence is not None]
    width = score.reliability[0].high - score.reliability[0].low
    middles = [(b.low + b.high) / 2 for b in full]
    axes.bar(
        middles, [b.accuracy or 0.0 for b in full], width=width, color=_BLUE, edgecolor="white", label="right"
    )
    axes.plot([0, 1], [0, 1], color=_RED, linewidth=1, linestyle="--", label="as sure as right")
    most = max((b.n for b in full), default=1)
    axes.bar(
        middles,
        [-0.12 * b.n / most for b in full],
        width=width,
        color=_GREY,
        edgecolor="white",
        label=f"how many (of {score.n:,})",
    )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set(
        xlim=(0, 1), ylim=(-0.14, 1.02), xlabel="probability of the answer", ylabel="share that is right"
    )
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, frameon=False)
    axes.set_title(f"Calibration: ECE {score.ece}", fontsize=10)


def _intensities(axes: Axes, scores: Sequence[IntensityScore], mean: IntensityScore | None) -> None:
    _bars(axes, [(s.column.upper(), s.pcc) for s in scores], mean.pcc if mean else None)
    axes.set(ylabel="Pearson correlation")
    axes.set_title(f"Intensity: mean PCC {mean.pcc if mean else ''}", fontsize=10)


def _presences(axes: Axes, scores: Sequence[PresenceScore], mean: PresenceScore | None) -> None:
    names = [s.column.removesuffix("_p").upper() for s in scores]
    _bars(axes, [(n, s.f1) for n, s in zip(names, scores, strict=True)], mean.f1 if mean else None)
    axes.set(ylabel="F1")
    axes.set_title(f"Presence: mean F1 {mean.f1 if mean else ''}", fontsize=10)


def _bars(axes: Axes, named: Sequence[tuple[str, Estimate]], mean: Estimate | None) -> None:
    """A bar for each, with its interval; no bar where there is no value."""
    for at, (_, estimate) in enumerate(named):
        if estimate.value is None:
            axes.text(at, 0, "–", ha="center", va="bottom", color=_GREY)
            continue
        axes.bar(at, estimate.value, color=_BLUE)
        if estimate.low is not None and estimate.high is not None:
            axes.vlines(at, estimate.low, estimate.high, color="black", linewidth=1.2)
    if mean is not None and mean.value is not None:
        axes.axhline(mean.value, color=_RED, linewidth=1, linestyle="--", label="mean")
        axes.legend(fontsize=8, frameon=False)
    lowest = min((e.low if e.low is not None else e.value or 0.0 for _, e in named), default=0.0)
    axes.set(ylim=(min(0.0, lowest * 1.05), 1))
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(named)), [name for name, _ in named], rotation=60, fontsize=9)
