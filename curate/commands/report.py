"""`curate report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.commands.options import ScoresArgument, short_name
from curate.output import JsonFlag, Output, QuietFlag
from curate.place import here


def report(
    scores: ScoresArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The HTML file [default: NAME.html here].", show_default=False, parser=here
        ),
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Another score set, side by side.", show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write a report for people: one HTML file that needs no network, for light, dark and paper.

    What the set is, how hot its faces are, the best example of each expression, action units, quality,
    near-duplicates, what was asked for and what came, how it was chosen, and where it all comes from.

    Examples:

      curate report faces.scores

      curate report keep.scores -o keep.html --against faces.scores
    """
    output = Output(json, quiet)
    from curate.reports.report import write_report
    from curate.reports.wording import count

    path = out if out is not None else Path(f"{short_name(scores)}.html")
    written = write_report(scores, path, against=against, overwrite=overwrite)
    output.data(
        {
            "scores": str(scores),
            "against": None if against is None else str(against),
            "path": str(written.path),
            "bytes": written.bytes,
            "faces": written.faces,
            "finding": written.finding,
            "shown": written.shown,
            "missing": written.missing,
        }
    )
    output.plain(written.finding)
    if written.missing:
        be = "is" if written.missing == 1 else "are"
        output.text(
            f"{written.missing:,} of {count(written.shown, 'picture')} to show {be} gone, changed or broken."
        )
    output.plain(f"written to {written.path} ({_size(written.bytes)})")
    if written.missing:
        raise typer.Exit(3)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"
