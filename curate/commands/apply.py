"""`curate apply`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.commands.options import AffectOption, WordsOption
from curate.errors import RecipeError
from curate.output import JsonFlag, Output, QuietFlag, typed
from curate.place import here, place_of

if TYPE_CHECKING:
    import polars as pl

    from curate.choosing import Applied

# Longer tables are not read; the shortfall's file and --json have them whole.
_CELLS_SHOWN = 40
_COLUMNS_SHOWN = 8
# A Cramér's V below this is nobody's worry.
_WEAK = 0.1


def apply(
    recipe: Annotated[
        str | None, typer.Argument(help="A built-in recipe, or a .yaml file.", show_default=False)
    ] = None,
    scores: Annotated[
        str | None, typer.Argument(help="A score set: a folder, or a URL.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The score set of what is kept.", show_default=False, parser=here),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be kept; write nothing.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show what each clause lets through.")] = False,
    from_manifest: Annotated[
        str | None,
        typer.Option(help="Repeat what a chosen set says of itself, on the same input.", show_default=False),
    ] = None,
    affect: AffectOption = None,
    words: WordsOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a set that is there.")] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Choose faces by a recipe: filter, drop near-duplicates, balance. The result is a score set again.

    In it: what is kept, `_rejected/` with everything else and the reason, `shortfall.csv` and prompts for what
    the generator has to make more of, and a manifest that can repeat it.

    Examples:

      curate apply balanced-expressions faces.scores --dry-run --explain

      curate apply my.yaml faces.scores -o keep.scores

      curate apply --from-manifest keep.scores -o again.scores
    """
    output = Output(json, quiet)
    from curate.choosing import apply as run
    from curate.choosing import repeat

    if from_manifest is not None:
        if scores is not None or affect is not None or words is not None:
            raise RecipeError(
                "the manifest says which recipe and which tables; one set may be named, if it has moved",
                where="--from-manifest",
                hint=f"curate apply --from-manifest {typed(place_of(from_manifest))} -o again.scores",
            )
        applied = repeat(from_manifest, _target(out, dry_run=dry_run), scores=recipe, overwrite=overwrite)
    elif recipe is not None and scores is not None:
        target = _target(out, dry_run=dry_run)
        applied = run(recipe, scores, target, affect=affect, words=words, overwrite=overwrite)
    else:
        raise RecipeError(
            "a recipe and a score set are needed",
            hint="curate apply balanced-expressions faces.scores -o keep.scores",
        )
    output.data(applied.document())
    _tell(applied, output, explain=explain)


def _target(out: Path | None, *, dry_run: bool) -> Path | None:
    """Where to write; None for a dry run."""
    if dry_run:
        return None
    if out is None:
        raise RecipeError("where shall the chosen set go?", where="-o", hint="-o keep.scores, or --dry-run")
    return out


def _tell(applied: Applied, output: Output, *, explain: bool) -> None:
    choice = applied.choice
    kept = int(choice.kept.sum())
    output.plain(": ".join(filter(None, (applied.recipe.name, applied.recipe.recipe.description))))
    output.text(f"{kept:,} of {choice.ledger.height:,} rows are kept.")
    for warning in applied.warnings:
        output.plain(f"warning: {warning}")
    if explain or not kept:
        steps = [
            (s.kind, s.clause, f"{s.rows_in:,}", f"{s.rows_out:,}", f"{s.share:.1%}") for s in choice.steps
        ]
        output.table(
            ["step", "clause", "in", "out", "share"], steps, right=["in", "out", "share"], fold=["clause"]
        )
    if choice.balanced is not None:
        _tell_balance(choice.balanced.table, output)
        for d in choice.balanced.distances if kept else ():
            output.text(
                f"{d.of}: total variation to the target {d.tv_before:.3f} before, {d.tv_after:.3f} after; "
                f"Jensen-Shannon {d.js_before:.3f}, {d.js_after:.3f}"
            )
    _tell_association(applied, output)
    if applied.folder is not None:
        folder = typed(applied.folder)
        for name in applied.files:
            output.plain(f"written to {folder}/{name}")
        output.hint(f"curate stats {folder}", "Next:  ")


def _tell_balance(table: pl.DataFrame, output: Output) -> None:
    import polars as pl

    shown = table
    if table.height > _CELLS_SHOWN:
        shown = table.sort("missing", descending=True, maintain_order=True).head(_CELLS_SHOWN)
        output.text(f"The {_CELLS_SHOWN} cells of {table.height:,} that lack most:")
    numbers = ["share", "wanted", "had", "kept", "missing"]
    cells = shown.with_columns(pl.col("share").map_elements("{:.1%}".format, return_dtype=pl.String))
    output.table(cells.columns, cells.iter_rows(), right=numbers)


def _tell_association(applied: Applied, output: Output) -> None:
    """Whether choosing by emotion has chosen something else, too."""
    rows = [
        row
        for row in applied.associations()
        if (row["deviation"] or row["deviation_before"])
        and max(row["before"] or 0, row["after"] or 0) >= _WEAK
    ]
    if not rows:
        return
    cells = [
        (r["column"], _v(r["before"]), _v(r["after"]), r["deviation"] or "") for r in rows[:_COLUMNS_SHOWN]
    ]
    output.text("What the expression goes with (Cramér's V, from 0 to 1), before and after:")
    columns = ["column", "before", "after", "most in what is kept"]
    output.table(columns, cells, right=columns[1:3], fold=columns[3:])


def _v(value: Any) -> str:
    return "" if value is None else f"{value:.2f}"
