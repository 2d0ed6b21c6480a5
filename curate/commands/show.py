"""`curate show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.commands.options import ScoresArgument
from curate.output import JsonFlag, Output, QuietFlag

if TYPE_CHECKING:
    import polars as pl

_HEAD = (
    "image", "face", "status", "yaw", "pitch", "sharpness", "expression", "confidence", "temperature", "band"
)  # fmt: skip


def show(
    scores: ScoresArgument,
    head: Annotated[int, typer.Option(min=0, help="How many rows to show.")] = 10,
    status: Annotated[
        bool, typer.Option("--status", help="Every input that was not scored, with its reason.")
    ] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """What is in a score set: the first rows, counts by status, statistics of every number.

    Examples:

      curate show faces.scores

      curate show faces.scores --status
    """
    import polars as pl

    from curate.scoreset import open_scores

    output = Output(json, quiet)
    opened = open_scores(scores)
    rows = opened.read(landmarks=False)
    left_out = rows.filter(pl.col("status") != "ok").select("image", "status", "error")
    if status:
        output.data(left_out.to_dicts())
        output.table(left_out.columns, left_out.iter_rows(), fold=["image", "error"])
        output.text(f"{left_out.height:,} of {rows.height:,} rows were not scored.")
        return
    counts = _counts(rows)
    decided = {word: int((rows["decision"] == word).sum()) for word in ("accept", "reject")}
    statistics = _statistics(rows)
    output.data(
        {
            "folder": str(opened.place),
            "manifest": opened.manifest.model_dump(),
            "rows": rows.height,
            "statuses": [{"status": s, "rows": n, "reason": e} for s, n, e in counts],
            "decisions": decided,
            "statistics": statistics,
            "head": [_plain(row) for row in rows.head(head).iter_rows(named=True)],
        }
    )
    scorers = ", ".join(opened.manifest.scorers) or "nothing"
    output.text(f"{rows['image'].n_unique():,} pictures, {rows.height:,} rows, scored with {scorers}")
    output.plain(f"from {opened.manifest.source.location}")
    if opened.manifest.finished is None:
        output.text("The run did not finish: the same `curate score` goes on with it.")
    shown = [name for name in _HEAD if name in rows.columns]
    first = rows.select(shown).head(head)
    names = first["image"].map_elements(lambda path: Path(path).name, return_dtype=pl.String)
    numbers = [name for name in shown if first.schema[name].is_numeric()]
    cells = first.with_columns(names.alias("image")).iter_rows()
    output.table(shown, ([_cell(v) for v in row] for row in cells), right=numbers, fold=["image"])
    output.table(
        ["status", "rows", "most frequent reason"], counts, right=["rows"], fold=["most frequent reason"]
    )
    if any(decided.values()):
        output.text(f"A person accepted {decided['accept']:,} faces and rejected {decided['reject']:,}.")
    if statistics:
        columns = list(statistics[0])
        lines = ([_cell(entry[name]) for name in columns] for entry in statistics)
        output.table(columns, lines, right=columns[1:])


def _counts(rows: pl.DataFrame) -> list[tuple[str, int, str]]:
    """Each status, how often, and the most frequent reason."""
    import polars as pl

    table = rows.group_by("status").agg(
        pl.len().alias("n"), pl.col("error").drop_nulls().mode().sort().first().alias("reason")
    )
    return [
        (s, n, reason or "")
        for s, n, reason in table.sort("n", "status", descending=[True, False]).iter_rows()
    ]


def _statistics(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Count, mean and spread of every number that was scored."""
    import polars as pl

    identity = {"face", "n_faces", "width", "height", "phash"}
    numbers = [c for c, t in rows.schema.items() if t.is_numeric() and c not in identity]
    entries = []
    for name in numbers:
        values = rows[name].drop_nulls().cast(pl.Float64)
        if values.is_empty():
            continue
        entries.append(
            {
                "column": name,
                "count": len(values),
                "mean": values.mean(),
                "std": values.std(),
                "min": values.min(),
                "5 %": values.quantile(0.05),
                "median": values.median(),
                "95 %": values.quantile(0.95),
                "max": values.max(),
            }
        )
    return entries


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}
