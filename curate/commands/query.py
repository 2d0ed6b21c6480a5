"""`curate query`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.commands.options import AffectOption, ScoresArgument, WordsOption
from curate.output import JsonFlag, Output, QuietFlag
from curate.place import here

if TYPE_CHECKING:
    import polars as pl

    from curate.affect import Tables
    from curate.querying import Matches
    from curate.recipes.query import Query
    from curate.scoreset import ScoreSet

_SHOWN = 20
_FIRST = ("image", "face", "expression", "confidence", "temperature")


def query(
    scores: ScoresArgument,
    condition: Annotated[
        str,
        typer.Argument(
            help="SQL on the columns, with pct(x), z(x), affect('word').", metavar="QUERY", show_default=False
        ),
    ],
    select: Annotated[
        str | None,
        typer.Option(help="Columns or expressions, separated by commas.", show_default=False),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            help='A column or an expression, then asc or desc: "temperature desc".', show_default=False
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"At most so many faces [default: {_SHOWN} shown, all written].", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Write them: .parquet, .csv, .jsonl, a .txt list of pictures, or a score set (NAME.scores).",
            show_default=False,
            parser=here,
        ),
    ] = None,
    affect: AffectOption = None,
    words: WordsOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Find faces: those for which a condition on the columns is true.

    Examples:

      curate query faces.scores "fear > .6 and temperature > 60 and abs(yaw) < 20"

      curate query faces.scores "affect('wistful') > .5" --sort "affect('wistful') desc"

      curate query faces.scores "pct(au12) > 90 and expression = 'happiness'" -o smiles.scores
    """
    from shlex import quote

    from curate import querying
    from curate.chosen import check_place
    from curate.errors import QueryError
    from curate.recipes.query import parse_condition, parse_list, parse_order
    from curate.recipes.sql_names import SOURCE
    from curate.scoreset import open_scores

    output = Output(json, quiet)
    opened = open_scores(scores)
    if out is not None:
        _check_ending(out, select)
        check_place(opened, out, overwrite=overwrite)
    tables = _tables(opened, affect, words)
    lexicon = tables.lexicon if tables else None
    schema = dict(opened.schema(opened.scan(tables)))
    try:
        asked = parse_condition(condition, schema, lexicon)
        order = parse_order(sort, schema, lexicon) if sort else None
        selected = parse_list(select, schema, lexicon) if select else {}
    except QueryError as error:
        # A query knows no folders: `curate score SOURCE ...` becomes a command to type.
        here = f"{quote(opened.manifest.source.location)} -o {quote(str(scores))}"
        error.hint = error.hint.replace(SOURCE, here)
        raise
    # What people read is all that is needed, unless it is written or a machine reads it.
    wanted = limit or (None if json or out else _SHOWN)
    found = querying.search(opened, tables, asked, order, selected.values(), wanted)
    matching = found.count
    answer: dict[str, Any] = {
        "scores": str(scores),
        "query": condition,
        "faces": found.faces,
        "matches": matching,
    }
    output.text(f"{matching:,} of {found.faces:,} faces match.")
    if not matching:
        answer["alone"] = _alone(output, querying.alone(opened, tables, asked), found.faces)
    if out is not None:
        choice = {
            "command": "curate query",
            "query": condition,
            "sort": sort,
            "limit": limit,
            "faces": found.faces,
            "matches": matching,
        }
        answer |= _write(output, found, out, selected, choice, tables, overwrite=overwrite)
    named = (*_FIRST, *asked.names, *(order.by.names if order else ()))
    columns = [c for c in dict.fromkeys(named) if c in found.made.columns or _printable(schema, c)]
    if json and (out is None or limit):
        answer["rows"] = _plain(found.table(["sha256", *columns], _exprs(selected)))
    elif output.human and matching:
        shown = found.first(limit or _SHOWN)
        _show(output, shown.table(columns, _exprs(selected)), matching)
    output.data(answer)


def _exprs(selected: dict[str, Query]) -> dict[str, pl.Expr]:
    return {name: query.expr for name, query in selected.items()}


def _tables(opened: ScoreSet, affect: str | None, words: str | None) -> Tables | None:
    """Tables that are not the shipped ones; those take a while to read, and few queries need them."""
    from curate.affect import tables_of

    asked = affect or words or opened.manifest.own_tables
    return tables_of(opened.folder, opened.manifest, affect, words) if asked else None


def _hashes(tables: Tables | None) -> dict[str, Any]:
    from curate.affect import open_tables

    tables = tables or open_tables()
    affect = {"name": tables.affect.name, "version": tables.affect.version, "sha256": tables.affect.sha256}
    return {"affect": affect, "lexicon": {"sha256": tables.lexicon.sha256}}


def _check_ending(out: Path, select: str | None) -> None:
    from curate.errors import InputError
    from curate.querying import LIST, TABLES
    from curate.scoreset import SUFFIX

    if out.suffix not in (*TABLES, LIST, SUFFIX, ""):
        endings = ", ".join((*TABLES, LIST, SUFFIX))
        raise InputError(f"what is a `{out.suffix}` file to be?", where=str(out), hint=f"endings: {endings}")
    if select and out.suffix not in TABLES:
        what = (
            "a list holds the pictures' paths" if out.suffix == LIST else "a score set keeps all its columns"
        )
        raise InputError(what, where=str(out), hint="leave out --select, or write .parquet, .csv or .jsonl")


def _write(
    output: Output,
    taken: Matches,
    out: Path,
    selected: dict[str, Query],
    choice: dict[str, Any],
    tables: Tables | None,
    *,
    overwrite: bool,
) -> dict[str, Any]:
    """Write what was taken in the form that the file's ending tells."""
    from curate.chosen import source_record, write_chosen
    from curate.querying import LIST, TABLES, write_list, write_table

    written = len(taken.numbers)
    if out.suffix in TABLES:
        everything = [name for name in taken.rows.collect_schema().names() if name != "landmarks"]
        write_table(taken.table([] if selected else everything, _exprs(selected)), out)
    elif out.suffix == LIST:
        pictures = write_list(taken.table(["image"])["image"], out)
        output.plain(f"wrote {out}: {pictures:,} pictures")
        return {"out": str(out), "written": pictures}
    else:
        choice |= _hashes(tables) | {"source": source_record(taken.source), "written": written}
        write_chosen(taken.source, taken.chosen(), out, choice=choice, overwrite=overwrite)
    output.plain(f"wrote {out}: {written:,} faces")
    return {"out": str(out), "written": written}


def _alone(output: Output, counts: list[tuple[str, int]], faces: int) -> list[dict[str, Any]]:
    """Which condition is to blame that nothing matches."""
    if not faces:
        output.text("No face of this set was scored: `curate show SCORES --status` says why.")
    elif len(counts) > 1:
        output.table(["condition, alone", "faces"], ((t, f"{n:,}") for t, n in counts), right=["faces"])
    return [{"condition": text, "faces": count} for text, count in counts]


def _show(output: Output, table: pl.DataFrame, matching: int) -> None:
    import polars as pl

    numbers = [name for name, dtype in table.schema.items() if dtype.is_numeric()]
    if "image" in table.columns:
        names = table["image"].map_elements(lambda path: Path(path).name, return_dtype=pl.String)
        table = table.with_columns(names.alias("image"))
    words = [name for name in table.columns if name not in numbers]
    output.table(
        table.columns, ([_cell(v) for v in row] for row in table.iter_rows()), right=numbers, fold=words
    )
    if table.height < matching:
        output.text(f"... and {matching - table.height:,} more (--limit, or -o FILE for all)")


def _printable(schema: dict[str, Any], name: str) -> bool:
    return name in schema and not schema[name].is_nested()


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _plain(table: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows for JSON: 32-bit numbers as they read, null for what JSON has no number for."""
    import polars as pl
    import polars.selectors as cs

    short = table.with_columns(cs.by_dtype(pl.Float32).cast(pl.Float64).round_sig_figs(7))
    return [
        {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
        for row in short.iter_rows(named=True)
    ]
