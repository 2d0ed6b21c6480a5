"""Actors on the machines of a Ray cluster, through Ray Data.

A job goes to one actor, and its answer comes back; both are small. An actor that dies, alone or with its node, is
started again by Ray, and its job is done again from the beginning: jobs must be such that this does no harm.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from curate.engines.cluster import in_words
from curate.engines.ray_desk import about_here
from curate.errors import CurateError

JobT = TypeVar("JobT")
JobT_contra = TypeVar("JobT_contra", contravariant=True)
AnswerT = TypeVar("AnswerT")
AnswerT_co = TypeVar("AnswerT_co", covariant=True)

# Jobs wait in the memory of the machine that started the run; there are no more of them at a time.
_WAITING_BYTES = 64 << 20
# Nodes may be lost while an actor starts there; a run that starts none so many times has another problem.
_STARTS_IN_VAIN = 16
# A job whose actor dies so often is what kills it.
_LOST_AT_A_JOB = 8
# What nodes may need to know to find models, where nobody told them otherwise.
_TOLD = ("CURATE_CACHE", "CURATE_DEBUG")


class RayWork(Protocol[JobT_contra, AnswerT_co]):
    """What an actor does. The object itself has to survive pickling; what `open` returns need not."""

    def open(self) -> Callable[[JobT_contra], AnswerT_co]:
        """Load what is needed, once an actor. A CurateError, here or later, ends the whole run."""


class RayEngine(Generic[JobT, AnswerT]):
    """Runs a `RayWork` in a pool of actors, inside `cluster`.

    Args:
        work: what to do.
        actors: how many.
        cpus, gpus: what each of them takes of its node.
    """

    def __init__(
        self, work: RayWork[JobT, AnswerT], *, actors: int, cpus: float = 1, gpus: float = 0
    ) -> None:
        self._work = pickle.dumps(work)
        self._actors, self._cpus, self._gpus = actors, cpus, gpus

    def run(self, jobs: Iterable[JobT]) -> Iterator[tuple[int, AnswerT]]:
        """Answers as they come, each with the number of its job, from 0.

        Raises:
            CurateError: what the work raised, or what an actor lacks; or Ray's own trouble, in its words.
        """
        waiting: list[dict[str, Any]] = []
        size = 0
        for number, job in enumerate(jobs):
            packed = zlib.compress(pickle.dumps(job), 1)
            waiting.append({"number": number, "job": packed})
            size += len(packed)
            if size >= _WAITING_BYTES:
                yield from self._round(waiting)
                waiting, size = [], 0
        if waiting:
            yield from self._round(waiting)

    def _round(self, jobs: list[dict[str, Any]]) -> Iterator[tuple[int, AnswerT]]:
        import ray

        told = {name: os.environ[name] for name in _TOLD if name in os.environ}
        worker = _worker(self._work, told, about_here(), _hidden())
        with _context(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no user can do anything about what Ray deprecates
            answers = ray.data.from_items(jobs, override_num_blocks=len(jobs)).map_batches(
                worker,
                batch_size=1,
                batch_format="pyarrow",
                # A fixed number: one that cannot be had yet waits until its node comes.
                compute=ray.data.ActorPoolStrategy(
                    size=min(self._actors, len(jobs)), max_tasks_in_flight_per_actor=1
                ),
                num_cpus=self._cpus,
                num_gpus=self._gpus,
                # The extra `ray` ends where Ray Data wants to take no more such words (2.64).
                max_task_retries=_LOST_AT_A_JOB,
            )
            try:
                tables: Iterable[Any] = answers.iter_batches(
                    batch_size=None, batch_format="pyarrow", prefetch_batches=0
                )
                for table in tables:
                    for row in table.to_pylist():
                        yield row["number"], _opened(row["answer"])
            except ray.exceptions.RayActorError as error:
                raise CurateError(
                    f"actors die at one and the same job, or while they start: {in_words(error)}",
                    hint="ray status and the nodes' memory say more (fewer --workers take less of it); "
                    "the same command goes on where this one stopped",
                ) from error
            except ray.exceptions.RayError as error:
                raise CurateError(
                    f"Ray gave up: {in_words(error)}", hint="the same command goes on where this one stopped"
                ) from error


def _opened(packed: bytes) -> Any:
    kind, answer = pickle.loads(zlib.decompress(packed))  # noqa: S301 - our own
    if kind == "failed":
        raise answer
    if kind == "missing":
        python, ours = about_here()
        raise CurateError(
            f"curate-faces {ours} cannot be used on the node {answer}",
            hint=f'pip install "curate-faces[ray]=={ours}" for the Python {python} of that node',
        )
    return answer


@contextlib.contextmanager
def _context() -> Iterator[None]:
    """What Ray Data does for us alone: no bars, no giving up because a job takes long or a node is lost."""
    import ray

    context = ray.data.DataContext.get_current()
    ours = {
        "enable_progress_bars": False,
        "print_on_execution_start": False,
        "execution_no_progress_timeout_s": -1,
        "max_consecutive_actor_init_deaths": _STARTS_IN_VAIN,
    }
    before = {name: getattr(context, name) for name in ours if hasattr(context, name)}
    for name in before:
        setattr(context, name, ours[name])
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


def _hidden() -> str:
    """The current folder, where this process does not import from it: Ray would have the actors do so, and a folder
    `curate` there (a checkout has one) would pass for the package."""
    here = str(Path.cwd())
    return "" if here in {str(Path(path).absolute()) for path in sys.path} else here


def _worker(work: bytes, told: dict[str, str], here: tuple[str, str], hidden: str) -> type:
    """The class of the actors. It is made here so that it travels whole: a node may lack our package, and says so."""

    class Worker:
        def __init__(self) -> None:
            self.desk: Any = None

        def __call__(self, table: Any) -> Any:
            import pickle
            import sys
            import zlib

            import pyarrow

            try:
                if self.desk is None:
                    sys.path[:] = [path for path in sys.path if path != hidden]
                    from curate.engines.ray_desk import Desk

                    self.desk = Desk(work, told, here)
                answer = self.desk.answer(table["job"][0].as_py())
            except ImportError as error:
                import ray

                node = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
                answer = zlib.compress(pickle.dumps(("missing", f"{node}: {error}")))
            return pyarrow.table({"number": table["number"], "answer": pyarrow.array([answer], "binary")})

    return Worker
