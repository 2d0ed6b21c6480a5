"""*Find faces like this one*: the nearest by what the muscles do."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from curate.browsing.operators.faces import chosen, ids_of_rows, rows_of_samples
from curate.browsing.operators.operator import FaceOperator
from curate.errors import InputError
from curate.recipes.vectors import au_columns
from curate.scoreset import ScoreSet

_COUNT = 60


class FindFaces(FaceOperator):
    """The faces asked for and their neighbours become the view, the nearest first."""

    name_ = "find_faces"
    label = "Find faces like this one"
    icon = "face_retouching_natural"
    description = "The faces whose action units are nearest to those of the open or selected ones"
    submit = "Find"
    places = types.Places.SAMPLES_GRID_SECONDARY_ACTIONS

    def form(self, ctx: Any, inputs: Any, source: ScoreSet) -> None:
        ids = chosen(ctx)
        if not ids:
            raise InputError("no face is selected", hint="tick one in the grid, or open one")
        inputs.md(
            f"Faces that move as the {'selected face does' if len(ids) == 1 else f'{len(ids)} selected faces do'}."
        )
        inputs.int("count", label="How many", default=_COUNT, min=1, max=10_000)

    def run(self, ctx: Any, source: ScoreSet) -> dict[str, Any]:
        from curate.recipes.neighbours import neighbours

        ids = chosen(ctx)
        if not ids:
            raise InputError("no face is selected", hint="tick one in the grid, or open one")
        rows = source.scan()
        units = au_columns(source.schema(rows).names())
        if not units:
            raise InputError(
                "this set has no action units",
                where=str(source.folder),
                hint="curate score SOURCE measures them",
            )
        asked = rows_of_samples(source, ctx.dataset, ids).to_list()
        frame = source.collect(rows.select("status", *units))
        found = neighbours(frame, asked, int(ctx.params.get("count") or _COUNT))
        near = ids_of_rows(source, ctx.dataset)[found["row"]].drop_nulls().to_list()
        ctx.ops.clear_selected_samples()
        ctx.ops.set_view(ctx.dataset.select([*ids, *near], ordered=True))
        ctx.ops.notify(f"{len(near):,} faces, the nearest first", variant="success")
        return {"asked": ids, "found": near, "distances": found["distance"].to_list()}


class FindLikeOpen(FindFaces):
    """The same, over an open face."""

    name_ = "find_like_open"
    places = types.Places.SAMPLES_VIEWER_ACTIONS
    unlisted = True
