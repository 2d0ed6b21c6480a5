"""`curate stats`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from curate.commands.options import AffectOption, ScoresArgument, WordsOption
from curate.output import JsonFlag, Output, QuietFlag, typed

if TYPE_CHECKING:
    import polars as pl

    from curate.affect import Tables
    from curate.place import Place
    from curate.recipes.stats import Statistics
    from curate.scoreset import ScoreSet


def stats(
    scores: ScoresArgument,
    against: Annotated[
        str | None, typer.Option(help="Another score set, beside it.", show_default=False)
    ] = None,
    with_columns: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="A column to compare the expression with, instead of the metadata; may be repeated.",
            show_default=False,
        ),
    ] = None,
    affect: AffectOption = None,
    words: WordsOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """What a set looks like as a whole: shares, variety, and what its expressions go with.

    Examples:

      curate stats faces.scores

      curate stats after.scores --against before.scores

      curate stats faces.scores --with sampler --with yaw
    """
    from curate.affect import tables_of
    from curate.commands import stats_tables
    from curate.recipes.against import compare
    from curate.scoreset import open_scores

    output = Output(json, quiet)
    folders = [scores] if against is None else [scores, against]
    opened = [open_scores(folder) for folder in folders]
    told = [_told(one, tables_of(one.folder, one.manifest, affect, words), with_columns) for one in opened]
    first = told[0]
    if against is None:
        output.data(_json(first))
        stats_tables.tell(first.name, first.stats, output)
        _notes(told, output)
        return
    second = told[1]
    difference = compare(first.rows, second.rows, first.stats, second.stats)
    output.data({"a": _json(first), "b": _json(second), "difference": difference.as_dict()})
    names = (first.name, second.name) if first.name != second.name else (str(scores), str(against))
    stats_tables.tell_both(names, (first.stats, second.stats), difference, output)
    if first.scorers != second.scorers:
        note = (
            f"warning: other networks scored the two ({', '.join(first.scorers)}; {', '.join(second.scorers)}): "
            "part of the difference is theirs"
        )
        for line in stats_tables.wrapped(note):
            output.plain(line)
    _notes(told, output)


@dataclass(frozen=True, slots=True)
class _Told:
    """A set and its figures.

    Attributes:
        rows: the columns that figures are made of.
        warnings: action units without a signal.
        hint: what to type to score what is missing.
        scorers: name and version of those that fill expressions and action units.
    """

    name: str
    place: Place
    rows: pl.DataFrame
    stats: Statistics
    warnings: list[str]
    hint: str
    scorers: list[str]


def _told(opened: ScoreSet, tables: Tables, columns: list[str] | None) -> _Told:

    from curate.recipes.association import asked_columns
    from curate.recipes.signal import dead_heads
    from curate.recipes.stats import needed, statistics

    rows = opened.scan(tables)
    names = opened.schema(rows).names()
    asked_columns(names, columns)
    frame = opened.collect(rows.select(needed(names, columns or ())))
    manifest = opened.manifest
    scorers = [
        f"{name} {record.version}"
        for name, record in manifest.scorers.items()
        if {"expression", "au12"} & set(record.columns)
    ]
    return _Told(
        name=opened.name,
        place=opened.place,
        rows=frame,
        stats=statistics(frame, tables.affect, columns),
        warnings=dead_heads(frame, tables.affect),
        hint=f"curate score {manifest.source.location} -o {typed(opened.place)} --scorers mesh,quality,lite",
        scorers=scorers,
    )


def _json(told: _Told) -> dict[str, object]:
    return {"scores": str(told.place)} | told.stats.as_dict() | {"warnings": told.warnings}


def _notes(told: list[_Told], output: Output) -> None:
    """What is missing, and what not to trust."""
    from curate.commands.stats_tables import wrapped

    for one in told:
        notes = [f"warning: {one.name}: {warning}" for warning in one.warnings]
        notes += [f"{one.name}: {line}" for line in one.stats.missing]
        for line in (part for note in notes for part in wrapped(note)):
            output.plain(line)
        if one.stats.missing:
            output.hint(one.hint, "Next:  ")
