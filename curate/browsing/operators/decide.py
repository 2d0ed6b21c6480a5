"""*Accept*, *Reject*, *Undo*: what a person thinks of faces, kept in the score set."""

from __future__ import annotations

from typing import Any

from fiftyone.operators import types

from curate.browsing.operators.faces import chosen, samples
from curate.browsing.operators.operator import FaceOperator
from curate.decisions import COLUMN, Decision, decide
from curate.errors import InputError
from curate.scoreset import ScoreSet

_STORE, _DONE = "curate", "decisions"
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
        before = ctx.dataset.select(ids, ordered=True).values(["id", COLUMN])
        was = dict(zip(*before, strict=True))
        _write(ctx.dataset, source, dict.fromkeys(ids, self.decision))
        done = [*_done(ctx), was]
        ctx.store(_STORE).set(_DONE, done[-_MOST:])
        _tell(ctx, f"{len(ids):,} {'face is' if len(ids) == 1 else 'faces are'} {self.decision}ed")
        return {"decision": self.decision, "faces": len(ids)}


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
        was = done.pop()
        there = set(ctx.dataset.select(list(was)).values("id"))
        _write(ctx.dataset, source, {id_: decision for id_, decision in was.items() if id_ in there})
        ctx.store(_STORE).set(_DONE, done)
        _tell(ctx, f"the last decision, on {len(was):,} {'face' if len(was) == 1 else 'faces'}, is undone")
        return {"faces": len(was)}


def _done(ctx: Any) -> list[dict[str, Decision | None]]:
    """What was decided: of each time the samples, and what had been decided of them before."""
    return list(ctx.store(_STORE).get(_DONE) or [])


def _write(dataset: Any, source: ScoreSet, wanted: dict[str, Decision | None]) -> None:
    """Into the score set first: it is the truth, the dataset its picture."""
    keys = {id_: (sha256, face) for id_, _, sha256, face in samples(dataset.select(list(wanted))).iter_rows()}
    for decision in dict.fromkeys(wanted.values()):
        decide(source.folder, [keys[id_] for id_, said in wanted.items() if said == decision], decision)
    dataset.set_values(COLUMN, wanted, key_field="id")


def _tell(ctx: Any, message: str) -> None:
    ctx.ops.reload_samples()
    ctx.ops.clear_selected_samples()
    ctx.ops.notify(message, variant="success")
