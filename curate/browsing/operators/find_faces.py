"""*Find faces like this one*: the nearest by what the muscles do."""

from __future__ import annotations

from typing import Any

import numpy as np
from fiftyone.operators import types

from curate.browsing.operators.faces import chosen, ids_of_rows, rows_of_samples, still_there
from curate.browsing.operators.operator import FaceOperator
from curate.browsing.operators.origin import origin, standing
from curate.errors import InputError
from curate.recipes.vectors import au_columns, au_vectors
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
                where=str(source.place),
                hint="curate score SOURCE measures them",
            )
        asked = _rows(ctx.dataset, source, ids)
        frame = source.collect(rows.select("status", *units))
        unknown = int(np.isnan(au_vectors(frame[asked])).any(axis=1).sum())
        if unknown:
            raise InputError(
                f"{_of(unknown, len(asked))} no action units: no face was found there, or it was not measured",
                hint="choose faces that were scored",
            )
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


def _rows(dataset: Any, source: ScoreSet, ids: list[str]) -> list[int]:
    """The rows of the set that samples are; InputError where some are of none."""
    faces = still_there(dataset, ids)
    rows = rows_of_samples(source, dataset, ids).to_list()
    if missing := len(faces) - len(rows):
        folder = origin(source)
        rejected = folder is not None and standing(source, faces)["rejected"].any()
        raise InputError(
            f"{_of(missing, len(faces), 'is', 'are')} not in the score set",
            where=str(source.place),
            hint=f"the recipe rejected them: curate browse {folder} has them all"
            if rejected
            else "choose faces that were scored with it",
        )
    return rows


def _of(some: int, all_: int, one: str = "has", many: str = "have") -> str:
    if all_ == 1:
        return f"this face {one}"
    return f"{some:,} of these {all_:,} faces {one if some == 1 else many}"
