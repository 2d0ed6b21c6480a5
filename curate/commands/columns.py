"""`curate columns`."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.output import JsonFlag, Output, QuietFlag


def columns(
    name: Annotated[str | None, typer.Argument(help="One column.", show_default=False)] = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """The columns a score set can have: type, range, what they mean, and which scorer fills them.

    Examples:

      curate columns

      curate columns au12
    """
    from curate.errors import InputError
    from curate.scorers.columns import CATALOGUE, suggest

    output = Output(json, quiet)
    known = {column.name: column for column in CATALOGUE}
    if name is not None and name not in known:
        raise InputError(f"no such column{suggest(name, known)}", where=name, hint="curate columns")
    chosen = [known[name]] if name is not None else list(CATALOGUE)
    output.data(
        [
            {
                "name": c.name,
                "dtype": c.dtype,
                "unit": c.unit,
                "low": c.low,
                "high": c.high,
                "values": list(c.values),
                "scorer": c.scorer,
                "doc": c.doc,
                "formula": c.formula,
                "source": c.source,
            }
            for c in chosen
        ]
    )
    rows = [
        (c.name, c.dtype, _range(c.low, c.high), c.unit, c.scorer or "every input", c.doc) for c in chosen
    ]
    output.table(["column", "type", "range", "unit", "scorer", "meaning"], rows, fold=["meaning"])
    if name is not None and known[name].formula:
        output.plain(f"{name} = {known[name].formula}")
        output.plain(f"source: {known[name].source}")


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    return f"{'' if low is None else f'{low:g}'} .. {'' if high is None else f'{high:g}'}"
