"""*Accept*, *Reject*, *Undo*: what a person thinks of faces, kept in the score set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from fiftyone.operators import types

from curate.browsing.operators.faces import ID, KEY, chosen, of_no_row, samples, still_there, with_copies
from curate.browsing.operators.operator import FaceOperator
from curate.browsing.operators.origin import in_origin, origin, standing
from curate.decisions import COLUMN, Decision, decide, decisions
from curate.errors import InputError
from curate.scoreset import ScoreSet

_STORE, _DONE = "curate", "decided"
# So many decisions can be taken back, one after the other.
_MOST = 50


class Accept(FaceOperator):
    """These faces are good."""

    name_ = "accept"
    label = "Accept these faces"
    icon = "thumb_up"
    description = "Write into the score set that the selected faces are good: decision = 'accept'"
    places = types.Places.SAMPLES_GRID_SECONDARY_ACTIONS
    decision: Decision = "accept"

    def run(self, ctx: Any, source: ScoreSet) -> dict[str, Any]:
        ids = chosen(ctx)
        if not ids:
            raise InputError("no face is selected", hint="tick some in the grid, or open one")
        faces = _faces(ctx.dataset, source, ids)
        all_ = with_copies(ctx.dataset, faces)
        before = ctx.dataset.select(all_[ID].to_list(), ordered=True).values(COLUMN)
        folder, there = _elsewhere(source, faces)
        undo = {
            "was": dict(zip(all_[ID].to_list(), before, strict=True)),
            "folder": str(folder),
            "there": [list(row) for row in there.iter_rows()],
        }
        if there.height and folder is not None:
            decide(folder, there.select(KEY).iter_rows(), self.decision)
        _write(ctx.dataset, source, dict.fromkeys(all_[ID].to_list(), self.decision))
        ctx.store(_STORE).set(_DONE, [*_done(ctx), undo][-_MOST:])
        copies = all_.height - faces.height
        unseen = int(faces["rejected"].sum()) - there.height
        said = _said(source, self.decision, faces.height, copies, there.height, folder)
        if unseen:
            said += (
                f". But of these {faces.height:,}, {unseen:,} {'is a row' if unseen == 1 else 'are rows'} that the "
                f"recipe rejected, and no recipe or query sees what is decided of them here: decide in the set that "
                f"it was applied to (curate browse {folder}), which is not there, or has other rows now"
            )
        _tell(ctx, said, "warning" if unseen else "success")
        return {
            "decision": self.decision,
            "faces": faces.height,
            "copies": copies,
            "in_source": there.height,
            "unseen": unseen,
        }


class Reject(Accept):
    """These faces are not."""

    name_ = "reject"
    label = "Reject these faces"
    icon = "thumb_down"
    description = "Write into the score set that the selected faces are no good: decision = 'reject'"
    decision: Decision = "reject"


class AcceptOpen(Accept):
    """The same, over an open face."""

    name_ = "accept_open"
    label = "Accept this face"
    places = types.Places.SAMPLES_VIEWER_ACTIONS
    unlisted = True


class RejectOpen(Reject):
    """The same, over an open face."""

    name_ = "reject_open"
    label = "Reject this face"
    places = types.Places.SAMPLES_VIEWER_ACTIONS
    unlisted = True


class UndoDecision(FaceOperator):
    """What these faces were before the last Accept or Reject, they are again."""

    name_ = "undo_decision"
    label = "Undo the last accept or reject"
    icon = "undo"
    description = "Take back what was decided last"
    places = types.Places.SAMPLES_GRID_SECONDARY_ACTIONS

    def run(self, ctx: Any, source: ScoreSet) -> dict[str, Any]:
        done = _done(ctx)
        if not done:
            raise InputError("there is nothing to undo", hint="accept or reject some faces first")
        last = done.pop()
        was: dict[str, Decision | None] = last["was"]
        folder = Path(last["folder"])
        if folder.is_dir():
            for decision in dict.fromkeys(said for *_, said in last["there"]):
                keys = [(sha256, face) for sha256, face, said in last["there"] if said == decision]
                decide(folder, keys, decision)
        there = set(ctx.dataset.select(list(was)).values("id"))
        _write(ctx.dataset, source, {id_: decision for id_, decision in was.items() if id_ in there})
        ctx.store(_STORE).set(_DONE, done)
        _tell(ctx, f"the last decision, on {len(was):,} {'face' if len(was) == 1 else 'faces'}, is undone")
        return {"faces": len(was)}


def _faces(dataset: Any, source: ScoreSet, ids: list[str]) -> pl.DataFrame:
    """The faces (`standing`) that samples are of, each once; InputError where there is nothing to decide of some."""
    found = still_there(dataset, ids)
    faces = standing(source, found)
    foreign = of_no_row(dataset, found) | (found["sha256"].is_not_null() & ~faces["row"] & ~faces["rejected"])
    if count := int(foreign.sum()):
        raise InputError(
            f"{count:,} of these {'is' if count == 1 else 'are'} not of this score set",
            where=str(source.place),
            hint="untick what was added by hand; of a set that was scored again, open it again",
        )
    if count := found["sha256"].null_count():
        raise InputError(
            f"{count:,} of these could not be read: there is no content by which a decision could be kept",
            where=str(source.place),
            hint="untick them",
        )
    return faces.unique(KEY, keep="first", maintain_order=True)


def _elsewhere(source: ScoreSet, faces: pl.DataFrame) -> tuple[Path | None, pl.DataFrame]:
    """The set that this one was chosen from, and, of the faces that the recipe rejected, those that are rows there.

    They are rows of that set only: what is decided of them has to be known there.

    Returns:
        The folder; `sha256`, `face`, and `decision`, as it is there now.
    """
    folder = origin(source)
    rejected = faces.filter("rejected").select(KEY)
    if folder is None or not rejected.height:
        return folder, rejected.clear().with_columns(pl.lit(None, pl.String).alias(COLUMN))
    there = rejected.filter(in_origin(folder, rejected))
    if not there.height:
        return folder, there.with_columns(pl.lit(None, pl.String).alias(COLUMN))
    return folder, there.join(
        decisions(folder), on=KEY, how="left", nulls_equal=True, maintain_order="left"
    ).select(*KEY, COLUMN)


def _done(ctx: Any) -> list[dict[str, Any]]:
    """What was decided, each time: the samples and what they `was`; the same of rows `there`, in another `folder`."""
    return list(ctx.store(_STORE).get(_DONE) or [])


def _write(dataset: Any, source: ScoreSet, wanted: dict[str, Decision | None]) -> None:
    """Into the score set first: it is the truth, the dataset its picture."""
    keys = {id_: (sha256, face) for id_, _, sha256, face in samples(dataset.select(list(wanted))).iter_rows()}
    for decision in dict.fromkeys(wanted.values()):
        decide(source.folder, [keys[id_] for id_, said in wanted.items() if said == decision], decision)
    dataset.set_values(COLUMN, wanted, key_field="id")


def _said(source: ScoreSet, decision: str, faces: int, copies: int, there: int, folder: Path | None) -> str:
    """What was decided, and where it was written."""
    said = f"{faces:,} {'face is' if faces == 1 else 'faces are'} {decision}ed"
    if copies:
        said += f", and {copies:,} byte-identical {'copy' if copies == 1 else 'copies'}"
    said += f" in {source.name}"
    if there and folder is not None:
        said += f"; {there:,} that the recipe rejected {'is' if there == 1 else 'are'} {decision}ed in {folder}, too"
    return said


def _tell(ctx: Any, message: str, variant: str = "success") -> None:
    ctx.ops.reload_samples()
    ctx.ops.clear_selected_samples()
    ctx.ops.notify(message, variant=variant)
