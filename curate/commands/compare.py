"""`curate models compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.output import JsonFlag, Output, QuietFlag


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A scorer, say lite.", show_default=False)],
    second: Annotated[str, typer.Argument(metavar="B", help="Another, say libreface.", show_default=False)],
    scores: Annotated[
        list[Path],
        typer.Argument(
            help="Score sets of the same pictures that hold both between them: usually one each.",
            show_default=False,
        ),
    ],
    worst: Annotated[int, typer.Option(min=0, help="How many of the worst disagreements to show.")] = 20,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Every face, the worst first, as CSV.", show_default=False),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Where two scorers disagree: every column that both fill, and the pictures they disagree on most.

    Two scorers that fill the same columns need a score set each.

    Examples:

      curate score ./faces --scorers lite -o lite.scores

      curate score ./faces --scorers libreface -o libreface.scores

      curate models compare lite libreface lite.scores libreface.scores -o apart.csv
    """
    from curate.answerfile import check_answer, write_answer
    from curate.comparison import compare as compare_scorers

    output = Output(json, quiet)
    if out is not None:
        check_answer(out, overwrite=overwrite)
    answer, faces = compare_scorers(first, second, scores)
    if out is not None:
        write_answer(out, faces.write_csv().encode())
    output.data(answer.model_dump(mode="json") | {"worst": faces.head(worst).to_dicts()})
    if output.human:
        from curate.commands.comparison_table import tell

        tell(answer, faces.head(worst), output)
        if out is not None:
            output.plain(f"written: {out}")
