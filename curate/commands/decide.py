"""`curate decide`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from curate.commands.options import AffectOption, ScoresArgument, WordsOption
from curate.output import JsonFlag, Output, QuietFlag, typed
from curate.place import place_of

_SAID = {"accept": "accepted", "reject": "rejected", None: "undecided again"}


def decide(
    scores: ScoresArgument,
    condition: Annotated[
        str, typer.Argument(help="Which faces, as for `curate query`.", metavar="QUERY", show_default=False)
    ],
    accept: Annotated[bool, typer.Option("--accept", help="A person wants them.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="A person does not.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what was decided.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many; write nothing.")] = False,
    affect: AffectOption = None,
    words: WordsOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Accept or reject faces by hand: the same decisions that are made in the app.

    They are kept in the score set, by content, and are the column `decision` in queries and recipes. What is rejected
    is chosen by no recipe that does not speak of decisions itself.

    Examples:

      curate decide faces.scores "au_conflicts > 3 and expression = 'fear'" --reject --dry-run

      curate decide faces.scores "image like '%/keepers/%'" --accept

      curate decide faces.scores "decision = 'reject'" --undo
    """
    from curate import decisions
    from curate.affect import tables_of
    from curate.errors import InputError
    from curate.querying import search
    from curate.recipes.query import parse_condition
    from curate.scoreset import open_scores

    output = Output(json, quiet)
    if accept + reject + undo != 1:
        raise InputError("what is decided?", where="curate decide", hint="one of --accept, --reject, --undo")
    decision: Literal["accept", "reject"] | None = "accept" if accept else "reject" if reject else None
    opened = open_scores(scores)
    asked = affect or words or opened.manifest.own_tables
    tables = tables_of(opened.folder, opened.manifest, affect, words) if asked else None
    schema = dict(opened.schema(opened.scan(tables)))
    query = parse_condition(condition, schema, tables.lexicon if tables else None)
    found = search(opened, tables, query)
    faces = found.table(["sha256", "face", decisions.COLUMN])
    before = faces[decisions.COLUMN]
    # Nothing is said of faces of which it is said already.
    changed = faces.filter(~before.eq_missing(decision)) if decision else faces.filter(before.is_not_null())
    if not dry_run:
        decisions.decide(opened.folder, changed.select("sha256", "face").iter_rows(), decision)
    output.data(
        {
            "scores": str(scores),
            "query": condition,
            "decision": decision,
            "faces": found.faces,
            "matches": found.count,
            "changed": changed.height,
            "dry_run": dry_run,
        }
    )
    output.text(f"{found.count:,} of {found.faces:,} faces match.")
    would = "would be" if dry_run else "are"
    output.text(f"{changed.height:,} {would} {_SAID[decision]}{_unchanged(found.count - changed.height)}.")
    if changed.height and not dry_run and decision == "accept":
        output.hint(f"curate apply by-hand {typed(place_of(scores))} -o keep.scores", "Next:  ")


def _unchanged(count: int) -> str:
    return f"; {count:,} were so already" if count else ""
