"""*Query*: the one-line language, in the app."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from curate import querying
from curate.browsing.current import current_view
from curate.browsing.operators.faces import ids_of_rows
from curate.browsing.operators.operator import FaceOperator
from curate.errors import QueryError
from curate.querying import Matches
from curate.recipes.query import Query, parse_condition, parse_order
from curate.recipes.sql_names import SOURCE
from curate.scoreset import ScoreSet


class QueryFaces(FaceOperator):
    """The faces for which a condition on the columns is true become the view."""

    name_ = "query"
    label = "Query faces"
    icon = "filter_alt"
    description = "fear > .6 and temperature > 60 and abs(yaw) < 20"
    submit = "Show"
    places = types.Places.SAMPLES_GRID_SECONDARY_ACTIONS

    def form(self, ctx: Any, inputs: Any, source: ScoreSet) -> None:
        inputs.str(
            "query",
            label="Query",
            required=True,
            description="A condition on the columns: fear > .6 and temperature > 60 and abs(yaw) < 20",
        )
        inputs.str("sort", label="Sorted by", description="A column or a formula: temperature desc")
        inputs.bool("within", label="Only within the current view and filters", default=False)
        text = ctx.params.get("query")
        if text and text.strip():
            found, _ = _search(source, text, ctx.params.get("sort"))
            inputs.md(f"**{found.count:,}** of {found.faces:,} faces match.", name="matches")

    def run(self, ctx: Any, source: ScoreSet) -> dict[str, Any]:
        text, sort = ctx.params.get("query") or "", ctx.params.get("sort")
        found, asked = _search(source, text, sort)
        answer = {"query": text, "faces": found.faces, "matches": found.count}
        if not found.count:
            ctx.ops.notify(_nothing(source, found, asked), variant="warning")
            return answer
        ids = ids_of_rows(source, ctx.dataset)[found.numbers].drop_nulls().to_list()
        within = current_view(ctx) if ctx.params.get("within") else ctx.dataset
        ctx.ops.set_view(within.select(ids, ordered=bool(sort and sort.strip())))
        ctx.ops.notify(f"{found.count:,} of {found.faces:,} faces match", variant="success")
        return answer


def _search(source: ScoreSet, text: str, sort: str | None) -> tuple[Matches, Query]:
    from curate.affect import tables_of

    own = source.manifest.own_tables
    tables = tables_of(source.folder, source.manifest) if own else None
    lexicon = tables.lexicon if tables else None
    schema = dict(source.schema(source.scan(tables)))
    try:
        asked = parse_condition(text, schema, lexicon)
        order = parse_order(sort, schema, lexicon) if sort and sort.strip() else None
    except QueryError as error:
        error.hint = error.hint.replace(SOURCE, f"{source.manifest.source.location} -o {source.place}")
        raise
    return querying.search(source, tables, asked, order), asked


def _nothing(source: ScoreSet, found: Matches, asked: Query) -> str:
    """Which condition is to blame."""
    alone = querying.alone(source, found.tables, asked)
    parts = ", ".join(f"{text}: {count:,}" for text, count in alone)
    return f"No face matches. Each condition alone: {parts}" if len(alone) > 1 else "No face matches"
