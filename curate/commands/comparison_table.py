"""What `curate models compare` shows people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from curate.output import Output

if TYPE_CHECKING:
    import polars as pl

    from curate.comparison import Comparison, ExpressionComparison

# So many of a face's columns are named beside it: those that are furthest apart.
_FURTHEST = 3


def tell(answer: Comparison, worst: pl.DataFrame, output: Output) -> None:
    """The counts, the columns, the cross table, and the worst faces."""
    first, second = answer.names
    a, b = answer.scorers
    output.plain(
        f"{first} ({a.fingerprint}) and {second} ({b.fingerprint}): {answer.faces:,} faces in common"
    )
    for name, n in zip(answer.names, answer.only, strict=True):
        if n:
            output.plain(f"{n:,} faces with scores of {name} alone")
    columns = ["column", "faces", "correlation", f"{first} - {second}", "mean |difference|"]
    output.table(
        columns,
        (
            [
                c.column,
                f"{c.n:,}",
                *map(_cell, (c.correlation, c.mean_difference, c.mean_absolute_difference)),
            ]
            for c in answer.columns
        ),
        right=columns[1:],
    )
    if answer.expression is not None:
        _tell_expression(answer.expression, first, second, output)
    if not worst.is_empty():
        output.table(
            ["picture", "face", "disagreement", f"furthest apart ({first} / {second})"],
            (
                [_short(row["image"]), row["face"], _cell(row["disagreement"]), _furthest(row, answer)]
                for row in worst.iter_rows(named=True)
            ),
            right=["face", "disagreement"],
            fold=["picture"],
        )


def _tell_expression(told: ExpressionComparison, first: str, second: str, output: Output) -> None:
    output.plain(f"expression: {_cell(told.agreement)} of {told.n:,} faces alike, kappa {_cell(told.kappa)}")
    names = [f"{first} \\ {second}", *(name[:4] for name in told.classes)]
    rows = (
        [name, *(f"{n:,}" if n else "·" for n in counts)]
        for name, counts in zip(told.classes, told.table, strict=True)
    )
    output.table(names, rows, right=names[1:])


def _furthest(row: dict[str, object], answer: Comparison) -> str:
    """The columns of a face that are furthest apart, by their own standards, and the expressions if they differ."""
    first, second = answer.names
    words = []
    if answer.expression is not None:
        a, b = row[f"expression:{first}"], row[f"expression:{second}"]
        if a != b:
            words.append(f"{a} / {b}")
    apart = []
    for column in answer.columns:
        x, y = row[f"{column.column}:{first}"], row[f"{column.column}:{second}"]
        if isinstance(x, float) and isinstance(y, float) and column.mean_absolute_difference:
            apart.append((abs(x - y) / column.mean_absolute_difference, f"{column.column} {x:.2f} / {y:.2f}"))
    apart.sort(reverse=True)
    return ", ".join(words + [text for _, text in apart[:_FURTHEST]])


def _short(image: str) -> str:
    """A file's name, or a data set's with split and row."""
    location, _, row = image.rpartition("#")
    return f"{Path(location).name}#{row}" if location and "/" in row else Path(image).name


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
