"""A recipe held against the set of the app: a preview for the form, a chosen set beside it, and a field and views."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fiftyone import ViewField as F

from curate.browsing.operators.faces import ids_of_rows
from curate.browsing.operators.operator import table
from curate.browsing.operators.owned import check_field, own_field
from curate.browsing.rows import KEPT, recipe_field, rows_of
from curate.browsing.sidebar import arrange
from curate.browsing.views import save_views
from curate.choosing import Applied, apply
from curate.errors import InputError
from curate.recipes.funnel import REJECTED_BY
from curate.recipes.recipe import Written
from curate.scoreset import SUFFIX, ScoreSet

# Longer clauses are cut in the table of a form; the views have them whole.
_WIDE = 60
_DOC = f"{KEPT}, or the clause of the recipe that rejected it"


def ask_where(ctx: Any, inputs: Any, source: ScoreSet, recipe: str) -> None:
    """The fields for where the chosen set goes; InputError where it cannot."""
    _check(ctx.dataset, recipe)
    place = _place(source, recipe)
    inputs.str(
        "out",
        label="Chosen set",
        description=f"The folder of what is kept; left empty: {place}",
        required=False,
    )
    wanted = _out(ctx, source, recipe)
    if wanted.exists():
        inputs.bool("overwrite", label=f"Replace {wanted.name}, which is there already", default=False)


def preview(inputs: Any, source: ScoreSet, recipe: Written) -> None:
    """What the recipe would keep, step by step; nothing is written."""
    applied = apply(recipe, source.folder)
    inputs.md(funnel(applied), name="funnel")


def funnel(applied: Applied) -> str:
    """What a recipe keeps, as Markdown."""
    choice = applied.choice
    kept, rows = int(choice.kept.sum()), choice.ledger.height
    steps = [
        [s.kind, s.clause if len(s.clause) <= _WIDE else f"{s.clause[: _WIDE - 1]}…", f"{s.rows_in:,}",
         f"{s.rows_out:,}"]
        for s in choice.steps
    ]  # fmt: skip
    text = f"**{kept:,}** of {rows:,} rows are kept.\n\n" + table(["step", "clause", "in", "out"], steps)
    return text + "".join(f"\n\nWarning: {warning}" for warning in applied.warnings)


def choose(ctx: Any, source: ScoreSet, recipe: Written) -> dict[str, Any]:
    """Write the chosen set, and show in the dataset what became of each face."""
    _check(ctx.dataset, recipe.name)
    out = _out(ctx, source, recipe.name)
    if out.exists() and not ctx.params.get("overwrite"):
        raise InputError(
            "is there already", where=str(out), hint="tick the box to replace it, or name another folder"
        )
    applied = apply(recipe, source.folder, out, overwrite=bool(ctx.params.get("overwrite")))
    field = show_choice(ctx.dataset, source, applied)
    kept = int(applied.choice.kept.sum())
    ctx.ops.reload_dataset()
    if kept:
        ctx.ops.set_view(ctx.dataset.match(F(field) == KEPT))
    ctx.ops.notify(f"{kept:,} faces are kept, written to {out}", variant="success" if kept else "warning")
    return {
        "kept": kept,
        "rows": applied.choice.ledger.height,
        "out": str(out),
        "field": field,
        "funnel": funnel(applied),
    }


def show_choice(dataset: Any, source: ScoreSet, applied: Applied) -> str:
    """The field `recipe_<name>` of every sample: kept, or the clause that rejected it; and the views of it."""
    import fiftyone as fo

    field = recipe_field(applied.recipe.name)
    own_field(dataset, field, fo.StringField, _DOC)
    words = applied.choice.ledger[REJECTED_BY].fill_null(KEPT)
    ids = ids_of_rows(source, dataset)
    there = ids.is_not_null()
    values = dict(zip(ids.filter(there).to_list(), words.filter(there).to_list(), strict=True))
    dataset.set_values(field, values, key_field="id")
    schema = source.schema(rows_of(source, landmarks=False))
    arrange(dataset, schema)
    save_views(dataset)
    return field


def _check(dataset: Any, recipe: str) -> None:
    """That the recipe's field is not one of the user's own; before anything is written."""
    import fiftyone as fo

    check_field(dataset, recipe_field(recipe), fo.StringField, _DOC)


def _out(ctx: Any, source: ScoreSet, recipe: str) -> Path:
    said = (ctx.params.get("out") or "").strip()
    if not said:
        return _place(source, recipe)
    path = Path(os.path.expandvars(said)).expanduser()
    # The server has a working directory of its own, of which the user knows nothing.
    return path if path.is_absolute() else source.beside(path.name).parent / path


def _place(source: ScoreSet, recipe: str) -> Path:
    return source.beside(f"{source.name.removesuffix(SUFFIX)}-{recipe}{SUFFIX}")
