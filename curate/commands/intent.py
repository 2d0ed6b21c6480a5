"""`curate intent`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.commands.options import AffectOption, ScoresArgument, WordsOption
from curate.errors import InputError, QueryError
from curate.output import JsonFlag, Output, QuietFlag, typed
from curate.place import here, place_of

if TYPE_CHECKING:
    import polars as pl

# More rows than this are for a file.
_SHOWN = 60
_READS = ("status", "prompt", "intent", "intent_p", "intent_rank", "expression", "temperature")


def intent(
    scores: ScoresArgument,
    by: Annotated[
        str | None,
        typer.Option(
            help="Compare groups: model, lora, sampler, cfg, seed, steps, generator, intent_words, or any column.",
            show_default=False,
        ),
    ] = None,
    min_faces: Annotated[int, typer.Option(min=1, help="Groups with fewer faces are left out.")] = 1,
    affect: AffectOption = None,
    words: WordsOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The whole table, as CSV.", show_default=False, parser=here),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """What was asked for and what came: the intended expression (prompt or folder) against the measured one.

    A hit is a face whose most probable expression is the intended one. Groups are sorted by the lower end of the
    95 % interval of their share of hits, so that few lucky faces do not lead.

    Examples:

      curate intent faces.scores

      curate intent faces.scores --by model --min-faces 20

      curate intent faces.scores --by lora -o loras.csv
    """
    import polars as pl

    from curate.affect import tables_of
    from curate.answerfile import check_answer, write_answer
    from curate.recipes.leaderboard import ALL_GROUPS, leaderboard
    from curate.scorers.columns import suggest
    from curate.scoreset import open_scores

    output = Output(json, quiet)
    if out is not None:
        check_answer(out, overwrite=overwrite)
    opened = open_scores(scores)
    scanned = opened.scan(
        tables_of(opened.folder, opened.manifest, affect, words) if affect or words else None
    )
    there = opened.schema(scanned).names()
    if by is not None and by not in there:
        hint = "--by model, lora, sampler, cfg, seed ..."
        raise QueryError(f"there is no column `{by}`{suggest(by, there)}", where="--by", hint=hint)
    rows = opened.collect(scanned.select(name for name in there if name in (*_READS, by)))
    _check(rows, scores)
    table = leaderboard(rows, by, min_faces=min_faces)
    if by is None:
        table = table.drop("group")
    if out is not None:
        write_answer(out, table.write_csv().encode())
    meant = rows["intent"].is_not_null().sum()
    counted = rows.select(pl.all_horizontal(pl.col("intent", "intent_rank").is_not_null()).sum()).item()
    output.data({"scores": str(scores), "by": by, "faces": counted, "rows": table.to_dicts()})
    if not output.human:
        return
    ok = (rows["status"] == "ok").sum()
    output.text(f"{meant:,} of {ok:,} faces were meant to show something, by prompt or folder.")
    if by is not None:
        few = leaderboard(rows, by).height - table.height
        if few:
            output.text(f"{few:,} rows of fewer than {min_faces:,} faces are left out.")
    shown = table.head(_SHOWN)
    columns = ["intent", *([by] if by is not None else []), "faces", "intent_p", "hit", "95 %", "first two"]
    columns += ["temperature", "instead"]
    output.table(columns, _cells(shown, by is not None), right=columns[2 if by is not None else 1 : -1])
    if table.height > shown.height:
        output.hint(
            f"curate intent {typed(place_of(scores))} --by {by} -o table.csv",
            f"{table.height:,} rows in all: ",
        )
    if by is not None and table.filter(pl.col("group") != ALL_GROUPS).is_empty():
        output.hint(f"curate intent {typed(place_of(scores))} --by {by}", "no group has as many faces: ")
    if out is not None:
        output.plain(f"written: {out}")


def _cells(table: pl.DataFrame, grouped: bool) -> list[list[str]]:
    """Rows of the table as text."""
    lines = []
    for row in table.iter_rows(named=True):
        heat = "" if row["temperature"] is None else f"{row['temperature']:.0f}"
        instead = "" if row["instead"] is None else f"{row['instead']} {row['instead_share']:.0%}"
        lines.append(
            [
                row["intent"],
                *([row["group"]] if grouped else []),
                f"{row['faces']:,}",
                f"{row['intent_p']:.2f}",
                f"{row['hit']:.0%}",
                f"{row['hit_low']:.0%} - {row['hit_high']:.0%}",
                f"{row['first_two']:.0%}",
                heat,
                instead,
            ]
        )
    return lines


def _check(rows: pl.DataFrame, scores: str) -> None:
    """There is something intended and something measured."""
    if "intent" not in rows.columns or rows["intent"].is_null().all():
        prompts = rows["prompt"].is_not_null().sum() if "prompt" in rows.columns else 0
        looked = (
            f"none of {prompts:,} prompts and no folder's name has a word of the lexicon"
            if prompts
            else "no picture has a prompt, and no folder's name is a word of the lexicon (angry/0001.png)"
        )
        raise InputError(
            f"nothing is known of what these faces were meant to show: {looked}",
            where=str(scores),
            hint="curate intent SCORES --words FILE, for words of your own"
            if prompts
            else "curate score FOLDER --scorers mesh,quality,lite,generation, which reads prompts from the files, "
            "from sidecars (0001.txt, 0001.json) or a table",
        )
    if "intent_rank" not in rows.columns or rows["intent_rank"].is_null().all():
        raise InputError(
            "the expressions were not measured",
            where=str(scores),
            hint="curate score FOLDER: the default scorers do",
        )
    if "expression" not in rows.columns:
        raise InputError(
            "there is no column `expression`", where=str(scores), hint="curate columns: what a set may have"
        )
