"""A run on this machine: what is known is kept, what is new or stale is scored, and all of it is written down."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from curate.engines.work import Engine, Failure
from curate.errors import CurateError
from curate.form import Form
from curate.known import contents_of
from curate.plan import Order, make_plan
from curate.renewal import Renewal
from curate.scoring import Batch, crashed
from curate.shards import next_shard
from curate.sources.source import Input

if TYPE_CHECKING:
    import polars as pl

# A shard is closed when it has so many rows, or is so many seconds old: that much a kill can cost.
_SHARD_ROWS = 4096
_SHARD_SECONDS = 15.0


@dataclass(slots=True)
class _Waiting:
    """A renewal, and the answers that have come in for it."""

    renewal: Renewal
    answers: list[pl.DataFrame] = field(default_factory=list)
    answered: int = 0


class Run:
    """One pass over a source: old shards are brought up to date in place, new inputs go into new shards."""

    def __init__(self, order: Order, form: Form) -> None:
        self._order, self._form = order, form
        self._waiting: dict[str, _Waiting] = {}
        self._new: list[pl.DataFrame] = []
        self._opened = time.monotonic()

    def go(self, engine: Engine[Batch, pl.DataFrame]) -> None:
        """Score what there is to score, and write it down as it comes."""
        try:
            for batch, outcome in engine.run(map(self._told, self._batches())):
                frame = crashed(batch.inputs[0], outcome.reason) if isinstance(outcome, Failure) else outcome
                self._order.progress.count(len(batch), frame)
                self._order.on_progress(self._order.progress)
                if batch.shard:
                    self._renewed(batch.shard, len(batch), frame)
                else:
                    self._added(frame)
        except (KeyboardInterrupt, CurateError):
            # What is scored is scored; a half renewed old shard stays as it was.
            with contextlib.suppress(CurateError):
                self._close_new()
            raise
        self._close_new()
        for shard in list(self._waiting):
            self._close_renewed(shard)  # some of its pictures have vanished since they were counted

    def _told(self, batch: Batch) -> Batch:
        """A batch with what the metadata tables say of its pictures, where somebody wants to know."""
        if self._form.of_picture.isdisjoint(batch.scorers):
            return batch
        return replace(batch, inputs=tuple(map(self._order.told, batch.inputs)))

    def _batches(self) -> Iterator[Batch]:
        """Everything there is to score: what old shards lack, then what is new."""
        plan = make_plan(self._order, self._form, contents_of)
        lacking: dict[str, str] = {}
        for name, renewal in plan.renewals.items():
            if renewal.images:
                self._waiting[name] = _Waiting(renewal)
                lacking.update(dict.fromkeys(renewal.images, name))
            else:
                renewal.apply(self._order.folder, self._form, [])
        if lacking:
            yield from self._cut_by_shard(lacking)
        if plan.new is None:
            yield from self._cut(self._order.source)
        elif plan.new:
            yield from self._cut(item for item in self._order.source if item.image in plan.new)

    def _cut_by_shard(self, lacking: Mapping[str, str]) -> Iterator[Batch]:
        """Batches of the pictures in `lacking` (picture -> shard), none with pictures of two shards."""
        gathered: dict[str, list[Input]] = {}
        for item in self._order.source:
            shard = lacking.get(item.image)
            if shard is None:
                continue
            waiting = gathered.setdefault(shard, [])
            waiting.append(item)
            if len(waiting) == self._order.batch_size:
                yield self._renewing(shard, gathered.pop(shard))
        for shard, waiting in gathered.items():
            yield self._renewing(shard, waiting)

    def _renewing(self, shard: str, inputs: Sequence[Input]) -> Batch:
        renewal = self._waiting[shard].renewal
        return Batch(tuple(inputs), renewal.scorers, shard, renewal.pictures)

    def _cut(self, inputs: Iterable[Input]) -> Iterator[Batch]:
        """Batches of new pictures, for every scorer."""
        left, every = iter(inputs), tuple(self._form.scorers)
        while group := tuple(islice(left, self._order.batch_size)):
            yield Batch(group, every)

    def _added(self, frame: pl.DataFrame) -> None:
        """Rows of new pictures; a shard is closed when it is full or old."""
        if not self._new:
            self._opened = time.monotonic()
        self._new.append(frame)
        full = sum(f.height for f in self._new) >= _SHARD_ROWS
        if full or time.monotonic() - self._opened >= _SHARD_SECONDS:
            self._close_new()

    def _close_new(self) -> None:
        import polars as pl

        if self._new:
            self._form.write(next_shard(self._order.folder), pl.concat(self._new, how="diagonal"))
            self._new = []

    def _renewed(self, shard: str, pictures: int, frame: pl.DataFrame) -> None:
        """Columns of known pictures; their shard is rewritten once all of them have come."""
        waiting = self._waiting[shard]
        waiting.answers.append(frame)
        waiting.answered += pictures
        if waiting.answered == len(waiting.renewal.images):
            self._close_renewed(shard)

    def _close_renewed(self, shard: str) -> None:
        waiting = self._waiting.pop(shard)
        waiting.renewal.apply(self._order.folder, self._form, waiting.answers)
