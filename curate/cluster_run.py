"""A run on a cluster: the plan is made here, shards are made and written there, and only names and counts travel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from curate.engines.cluster import Cluster
from curate.engines.ray import RayEngine
from curate.errors import CurateError
from curate.form import Form
from curate.models.session import Device
from curate.plan import Order, Plan, make_plan
from curate.progress import Progress
from curate.renewal import Renewal
from curate.shard_work import Answer, Hashing, Job, NewShard, OldShard, ShardWork
from curate.shards import next_shard, remove_partials
from curate.sources.source import Input

# Pictures a job: few enough that all workers are busy to the end and a lost node costs little, and that is for a CPU
# a minute's work. A shard of our own engines has at most as many rows as a GPU's.
_LEAST, _MOST, _MOST_ON_GPU = 64, 1024, 4096
_JOBS_A_WORKER = 8
_HASHED_TOGETHER = 2048
# Of a source that hands out pictures themselves, so many bytes are a job.
_JOB_BYTES = 32 << 20


class ClusterRun:
    """One pass over a source, as `curate.run.Run`, with shards made by the actors of a cluster.

    Args:
        order: what is asked for.
        form: of the shards.
        there: the cluster.
        workers: actors, each with a process that scores; on GPUs processes that decode, for each GPU.
        patience: seconds that a picture may take.
    """

    def __init__(
        self, order: Order, form: Form, there: Cluster, workers: int | None, patience: float
    ) -> None:
        self._order, self._form = order, form
        on_gpu = order.scoring.device == "cuda"
        if on_gpu:
            self._actors, processes = there.gpus, workers or max(there.cpus_a_gpu - 1, 1)
        else:
            self._actors, processes = workers or there.cpus, 1
        self._most = _MOST_ON_GPU if on_gpu else _MOST
        work = ShardWork(order.scoring, form, order.folder, order.batch_size, processes, patience)
        self._engine: RayEngine[Job, Answer] = RayEngine(
            work, actors=self._actors, cpus=processes, gpus=1 if on_gpu else 0
        )

    def go(self) -> None:
        """Score what there is to score; whatever ends it, shards that are written stay.

        Raises:
            CurateError: a node cannot do its work, or Ray cannot.
        """
        progress = self._order.progress
        try:
            plan = make_plan(self._order, self._form, self._contents)
            for _, answer in self._engine.run(self._jobs(plan)):
                if isinstance(answer, Progress):
                    progress.scored += answer.scored
                    progress.statuses.update(answer.statuses)
                self._order.on_progress(progress)
        finally:
            remove_partials(self._order.folder)  # of actors that were killed while they wrote

    def _contents(self, inputs: Iterable[Input]) -> Iterator[tuple[str, str | None]]:
        """What the pictures hold, found out by the cluster; in their order, which decides that of rows."""
        jobs = (Hashing(group) for group in _cut(inputs, _HASHED_TOGETHER))
        early: dict[int, Answer] = {}
        wanted = 0
        for number, answer in self._engine.run(jobs):
            early[number] = answer
            while isinstance(found := early.pop(wanted, None), list):
                yield from found
                wanted += 1

    def _jobs(self, plan: Plan) -> Iterator[Job]:
        """Every job there is: what old shards lack, then what is new."""
        lacking: dict[str, str] = {}
        for name, renewal in plan.renewals.items():
            if renewal.images:
                lacking.update(dict.fromkeys(renewal.images, name))
            else:
                yield OldShard(renewal)
        if lacking:
            yield from self._renewed(plan.renewals, lacking)
        source, new = self._order.source, plan.new
        if new is None:
            yield from self._added(source, source.count)
        elif len(new):
            yield from self._added((item for item in source if item.image in new), len(new))

    def _renewed(self, renewals: dict[str, Renewal], lacking: dict[str, str]) -> Iterator[Job]:
        """A job for each old shard, as soon as its pictures have come by."""
        gathered: dict[str, list[Input]] = {}
        for item in self._order.source:
            name = lacking.get(item.image)
            if name is None:
                continue
            waiting = gathered.setdefault(name, [])
            waiting.append(item)
            if len(waiting) == len(renewals[name].images):
                yield self._old(renewals[name], gathered.pop(name))
        for name, waiting in gathered.items():  # some of its pictures have vanished since they were counted
            yield self._old(renewals[name], waiting)

    def _old(self, renewal: Renewal, inputs: list[Input]) -> Job:
        return OldShard(renewal, self._told(inputs, renewal.scorers))

    def _added(self, inputs: Iterable[Input], total: int | None) -> Iterator[Job]:
        """Jobs of new pictures, each the shard of its own number."""
        first = next_shard(self._order.folder)
        number = int(first.stem.removeprefix("part-"))
        size = self._most if total is None else total // (self._actors * _JOBS_A_WORKER)
        size = min(max(size, _LEAST), self._most)
        # Networks see the pictures in the same company as in a run on one machine.
        size = max(size // self._order.batch_size, 1) * self._order.batch_size
        for group in _cut(inputs, size):
            yield NewShard(f"part-{number:06}.parquet", self._told(group, tuple(self._form.scorers)))
            number += 1
            self._order.progress.listed += len(group)
            self._order.on_progress(self._order.progress)

    def _told(self, inputs: Iterable[Input], scorers: tuple[str, ...]) -> tuple[Input, ...]:
        """Inputs with what the metadata tables say of them, where somebody wants to know."""
        if self._form.of_picture.isdisjoint(scorers):
            return tuple(inputs)
        return tuple(map(self._order.told, inputs))


def check_cluster(there: Cluster, device: Device, workers: int | None) -> None:
    """CurateError where no node could do what is asked for: Ray would wait for one for ever.

    Who names a number of actors may have a cluster that grows when it is asked to.
    """
    if device == "cuda" and not there.gpus:
        raise CurateError("no node of the cluster has a GPU", where="--device cuda", hint="--device cpu")
    if device == "cuda" and (workers or 1) > max(there.cpus_a_gpu, 1):
        raise CurateError(
            f"a node has {there.cpus_a_gpu} processors for each of its GPUs",
            where=f"--workers {workers}",
            hint="leave --workers out",
        )
    if not there.cpus and workers is None:
        raise CurateError(
            "no node of the cluster has a processor",
            where="--engine ray",
            hint="ray start --address HEAD:6379 on other machines; or --workers N, and it waits for them",
        )


def _cut(inputs: Iterable[Input], size: int) -> Iterator[tuple[Input, ...]]:
    """Groups of so many inputs, or fewer where they carry their pictures."""
    group: list[Input] = []
    held = 0
    for item in inputs:
        group.append(item)
        held += len(item.data or b"")
        if len(group) == size or held >= _JOB_BYTES:
            yield tuple(group)
            group, held = [], 0
    if group:
        yield tuple(group)
