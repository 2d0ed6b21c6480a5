"""*Rank by my taste*: what was accepted and rejected, as a small model that says it of every face."""

from __future__ import annotations

from typing import Any

import polars as pl
from fiftyone import ViewField as F
from fiftyone.operators import types

from curate.browsing.operators.faces import ids_of_rows
from curate.browsing.operators.operator import FaceOperator, table
from curate.browsing.operators.owned import check_field, own_field
from curate.decisions import COLUMN
from curate.errors import RecipeError
from curate.scoreset import ScoreSet

FIELD = "taste"
_DOC = "how much it is like the accepted faces, from 0 to 1"
_SHOWN = 12


class RankByTaste(FaceOperator):
    """Needs at least 50 decided faces; writes the field `taste` and sorts by it."""

    name_ = "rank_by_taste"
    label = "Rank by my taste"
    icon = "favorite"
    description = "Learn from the faces that were accepted and rejected, and put those first that fit"
    submit = "Rank"

    def form(self, ctx: Any, inputs: Any, source: ScoreSet) -> None:
        from curate.recipes.taste import ENOUGH

        _check(ctx.dataset)
        faces = source.collect(source.scan().select("status", COLUMN)).filter(pl.col("status") == "ok")
        said = dict(faces[COLUMN].value_counts().iter_rows())
        liked, disliked = said.get("accept", 0), said.get("reject", 0)
        inputs.md(f"**{liked:,}** accepted, **{disliked:,}** rejected.", name="decided")
        if liked + disliked < ENOUGH:
            raise RecipeError(
                f"{ENOUGH} decided faces are needed, and there are {liked + disliked}",
                hint="accept and reject some more",
            )
        inputs.bool("undecided", label="Show only faces that are not decided yet", default=False)

    def run(self, ctx: Any, source: ScoreSet) -> dict[str, Any]:
        from curate.recipes.taste import fit_taste

        _check(ctx.dataset)
        rows = source.collect(source.scan().drop("landmarks", strict=False))
        scored = rows.with_row_index("row").filter(rows["status"] == "ok")
        decided = scored.filter(scored[COLUMN].is_not_null())
        taste = fit_taste(decided, decided[COLUMN] == "accept")
        scores = taste.score(scored)
        ids = ids_of_rows(source, ctx.dataset)[scored["row"]]
        there = ids.is_not_null() & scores.is_not_null()
        values = dict(zip(ids.filter(there).to_list(), scores.filter(there).to_list(), strict=True))
        _write(ctx.dataset, values)
        view = ctx.dataset.match(F(FIELD) != None)  # noqa: E711
        if ctx.params.get("undecided"):
            view = view.match(F(COLUMN) == None)  # noqa: E711
        ctx.ops.reload_dataset()
        ctx.ops.set_view(view.sort_by(FIELD, reverse=True))
        weights = taste.weights.head(_SHOWN)
        return {
            "faces": len(values),
            "auc": taste.auc,
            "weights": weights.to_dicts(),
            "said": _said(len(values), taste.auc, weights.rows()),
        }

    def resolve_output(self, ctx: Any) -> Any:
        """The weights, and how far they are to be trusted."""
        outputs = types.Object()
        said = (ctx.results or {}).get("said")
        if said:
            outputs.md(said, name="taste")
        return types.Property(outputs, view=types.View(label="Your taste"))


def _check(dataset: Any) -> None:
    import fiftyone as fo

    check_field(dataset, FIELD, fo.FloatField, _DOC)


def _write(dataset: Any, values: dict[str, float]) -> None:
    import fiftyone as fo

    own_field(dataset, FIELD, fo.FloatField, _DOC)
    dataset.clear_sample_field(FIELD)  # what was learned before, of faces that have no answer now
    dataset.set_values(FIELD, values, key_field="id")
    dataset.create_index(FIELD)


def _said(faces: int, auc: float, weights: list[tuple[str, float]]) -> str:
    text = (
        f"**{faces:,}** faces are ranked, the best first: field `{FIELD}`.\n\n"
        f"Of an accepted and a rejected face that it had not seen, it put the accepted one first in **{auc:.0%}** of "
        "the cases (50 % is chance; area under the ROC curve, cross-validated).\n\n"
    )
    return text + table(["column", "weight"], [[name, f"{weight:+.2f}"] for name, weight in weights])
