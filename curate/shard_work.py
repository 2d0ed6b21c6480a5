"""What a worker of a cluster does: a whole shard at a time, from its inputs to its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from curate.device_engine import DeviceEngine
from curate.engines.local import LocalEngine
from curate.engines.work import Failure
from curate.errors import ModelError
from curate.form import Form, form_of
from curate.known import contents_of
from curate.place import Place
from curate.progress import Progress
from curate.renewal import Renewal
from curate.scoring import Batch, Scoring, crashed
from curate.sources.source import Input

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class NewShard:
    """New pictures, and the name of the shard that they become."""

    name: str
    inputs: tuple[Input, ...]


@dataclass(frozen=True, slots=True)
class OldShard:
    """A shard that is brought up to date, and the pictures of it that are scored again."""

    renewal: Renewal
    inputs: tuple[Input, ...] = ()


@dataclass(frozen=True, slots=True)
class Hashing:
    """Pictures whose contents are asked for; nothing is scored."""

    inputs: tuple[Input, ...]


Job = NewShard | OldShard | Hashing
Contents = list[tuple[str, str | None]]
Answer = Progress | Contents
"""What a shard's job adds to the run's progress; or names with the sha256 of the pictures, in their order."""


@dataclass(frozen=True, slots=True)
class ShardWork:
    """What all jobs of a run have in common. Doing a job twice leaves what doing it once leaves.

    Attributes:
        scoring: what is done to a picture.
        form: of the shards.
        folder: the score set.
        batch_size: pictures a network sees at once.
        processes: in which pictures are scored; on a GPU, in which they are decoded.
        patience: seconds that a picture may take.
    """

    scoring: Scoring
    form: Form
    folder: Place
    batch_size: int
    processes: int
    patience: float

    def open(self) -> Callable[[Job], Answer]:
        """Ready for jobs; ModelError where this machine has not the models that the run was planned with."""
        here = form_of(self.scoring, self.form.tables)
        if (here.rows, here.scorers) != (self.form.rows, self.form.scorers):
            raise ModelError(
                "the model packs are not those of the machine that the run was started on",
                hint="curate models pull",
            )
        return _OpenWork(self)


class _OpenWork:
    """A ShardWork with its processes, which start with the first picture that is scored."""

    def __init__(self, work: ShardWork) -> None:
        self._work = work
        if work.scoring.device == "cuda":
            self._engine: DeviceEngine | LocalEngine[Batch, pl.DataFrame] = DeviceEngine(
                work.scoring, decoders=work.processes, patience=work.patience
            )
        else:
            self._engine = LocalEngine(work.scoring, workers=work.processes, patience=work.patience)
        self._engine.__enter__()  # for as long as this process lives, with which they end

    def __call__(self, job: Job) -> Answer:
        import polars as pl

        if isinstance(job, Hashing):
            return list(contents_of(job.inputs))
        progress = Progress()
        if isinstance(job, OldShard):
            renewal = job.renewal
            frames = self._score(job.inputs, renewal.scorers, renewal.pictures, progress)
            renewal.apply(self._work.folder, self._work.form, frames)
        else:
            frames = self._score(job.inputs, tuple(self._work.form.scorers), False, progress)
            self._work.form.write(self._work.folder / job.name, pl.concat(frames, how="diagonal"))
        return progress

    def _score(
        self, inputs: tuple[Input, ...], scorers: tuple[str, ...], pictures: bool, progress: Progress
    ) -> list[pl.DataFrame]:
        frames = []
        for batch, outcome in self._engine.run(self._batches(inputs, scorers, pictures)):
            frame = crashed(batch.inputs[0], outcome.reason) if isinstance(outcome, Failure) else outcome
            progress.count(len(batch), frame)
            frames.append(frame)
        return frames

    def _batches(
        self, inputs: tuple[Input, ...], scorers: tuple[str, ...], pictures: bool
    ) -> Iterator[Batch]:
        for start in range(0, len(inputs), self._work.batch_size):
            yield Batch(inputs[start : start + self._work.batch_size], scorers, pictures=pictures)
