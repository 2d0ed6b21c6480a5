"""`curate sheet`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.commands.options import ScoresArgument, short_name
from curate.output import JsonFlag, Output, QuietFlag
from curate.place import here


def sheet(
    scores: ScoresArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The PNG [default: NAME.png here].", show_default=False, parser=here
        ),
    ] = None,
    by: Annotated[
        str, typer.Option(help="A column, or an expression as in queries: numbers make an axis, words rows.")
    ] = "temperature",
    rows: Annotated[
        int | None,
        typer.Option(help="At most so many rows [default: 6, or 12 of words].", show_default=False),
    ] = None,
    columns: Annotated[int, typer.Option(help="At most so many columns.")] = 10,
    where: Annotated[
        str | None, typer.Option(help="Which faces, as for `curate query`.", show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Make a contact sheet: a picture of faces along a column, from the least to the most.

    Faces are taken at even steps of rank, so that the sheet shows the set as it is.

    Examples:

      curate sheet faces.scores --by temperature

      curate sheet faces.scores --by expression --columns 12 -o expressions.png

      curate sheet faces.scores --by "abs(yaw)" --where "expression = 'anger'" -o angry.png
    """
    output = Output(json, quiet)
    from curate.reports.sheet import write_sheet

    path = out if out is not None else Path(f"{short_name(scores)}.png")
    written = write_sheet(
        scores, path, by=by, rows=rows, columns=columns, where=where, overwrite=overwrite
    )  # fmt: skip
    output.data(
        {
            "scores": str(scores),
            "by": by,
            "where": where,
            "path": str(written.path),
            "width": written.width,
            "height": written.height,
            "faces": written.faces,
            "shown": written.shown,
            "missing": written.missing,
        }
    )
    output.plain(written.title[1])
    if written.missing:
        have = "has" if written.missing == 1 else "have"
        output.text(f"{written.missing:,} of them {have} no picture any more: it is gone, changed or broken.")
    output.plain(f"written to {written.path} ({written.width} x {written.height})")
    if written.missing:
        raise typer.Exit(3)
