"""Worker processes on this machine.

Each worker is one process with one thread. A worker that dies or hangs costs the item it worked on and
nothing else: its batch is taken apart, every item is tried again by itself, and only an item that fails
alone becomes a `Failure`.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from typing import Any, Generic, Self, cast

from curate.engines.work import BatchT, Failure, ResultT_co, Work
from curate.errors import CurateError

# One batch is worked on, the next one lies ready: a worker never waits for the parent.
_QUEUED = 2
_AHEAD = 16
_TRIES_ALONE = 3
_START_SECONDS = 120.0
_STARTS_IN_VAIN = 8
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(slots=True)
class _Job(Generic[BatchT]):
    """A batch, or one item of a batch that was taken apart."""

    sequence: int
    part: int
    batch: BatchT
    deaths: int = 0

    @property
    def alone(self) -> bool:
        return len(self.batch) == 1


class _Worker(Generic[BatchT]):
    """A process, and a thread that feeds it: a pipe to a busy worker fills up, and the parent must never wait there."""

    def __init__(self, process: SpawnProcess, pipe: Connection) -> None:
        self.process = process
        self.pipe = pipe
        self.deadline = time.monotonic() + _START_SECONDS
        self.ready = False
        self.jobs: deque[_Job[BatchT]] = deque()
        self._outbox: SimpleQueue[BatchT | None] = SimpleQueue()
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()

    def give(self, job: _Job[BatchT]) -> None:
        """Queue a job."""
        self.jobs.append(job)
        self._outbox.put(job.batch)

    def kill(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.join()
        self._outbox.put(None)
        self._feeder.join()
        self.pipe.close()

    def _feed(self) -> None:
        with contextlib.suppress(OSError):  # it has died; the parent sees the end of the pipe
            while (batch := self._outbox.get()) is not None:
                self.pipe.send(batch)


class LocalEngine(Generic[BatchT, ResultT_co]):
    """Runs a `Work` in `workers` processes.

    They end with each run; inside `with LocalEngine(...) as engine` they stay for the next one.

    Args:
        work: what to do.
        workers: how many processes.
        patience: seconds an item may take; a batch may take that for each item and four more.
        ahead: how far the fastest worker may run ahead of the slowest batch, in batches a worker.
    """

    def __init__(
        self,
        work: Work[BatchT, ResultT_co],
        *,
        workers: int,
        patience: float = 15.0,
        ahead: int = _AHEAD,
    ) -> None:
        self._work = work
        self._count = workers
        self._patience = patience
        self._ahead = ahead
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker[BatchT]] = []
        self._waiting: deque[_Job[BatchT]] = deque()
        self._outcomes: dict[int, list[tuple[BatchT, ResultT_co | Failure] | None]] = {}
        self._starts_in_vain = 0
        self._stays = False

    def __enter__(self) -> Self:
        self._stays = True
        return self

    def __exit__(self, *_: object) -> None:
        self._stays = False
        self._stop()

    def run(self, batches: Iterable[BatchT]) -> Iterator[tuple[BatchT, ResultT_co | Failure]]:
        """Results in the order of the batches; items of a batch that was taken apart come one by one.

        Raises:
            CurateError: what `Work.open` raised in a worker, or workers that cannot be started.
        """
        source = enumerate(batches)
        emitted, exhausted, finished = 0, False, False
        try:
            while True:
                exhausted = self._deliver(source) or exhausted
                while emitted in self._outcomes and None not in self._outcomes[emitted]:
                    for outcome in self._outcomes.pop(emitted):
                        if outcome is not None:
                            yield outcome
                    emitted += 1
                if exhausted and not self._outcomes:
                    finished = True
                    return
                if self._workers:
                    self._attend()
        finally:
            if not (finished and self._stays):
                self._stop()

    def _deliver(self, source: Iterator[tuple[int, BatchT]]) -> bool:
        """Hand out work wherever there is room. True once there is no more to hand out."""
        while True:
            if not self._waiting:
                if len(self._outcomes) > self._ahead * self._count:
                    return False
                new = next(source, None)
                if new is None:
                    return True
                sequence, batch = new
                self._outcomes[sequence] = [None]
                self._waiting.append(_Job(sequence, 0, batch))
            worker = min(self._workers, key=lambda w: len(w.jobs), default=None)
            if (worker is None or worker.jobs) and len(self._workers) < self._count:
                worker = self._start()
                self._workers.append(worker)
            if worker is None or len(worker.jobs) >= _QUEUED:
                return False
            worker.give(self._waiting.popleft())
            if len(worker.jobs) == 1 and worker.ready:
                worker.deadline = self._deadline(worker.jobs[0])

    def _attend(self) -> None:
        """Wait until something happens to a worker, and deal with it."""
        deadline = min(worker.deadline for worker in self._workers)
        pipes = {worker.pipe: worker for worker in self._workers}
        happened = wait(list(pipes), timeout=max(0.0, min(deadline - time.monotonic(), 1.0)))
        for pipe in happened:
            self._listen(pipes[cast(Connection, pipe)])
        now = time.monotonic()
        for worker in [w for w in self._workers if w.deadline < now]:
            self._bury(worker, "it took too long", hung=True)

    def _listen(self, worker: _Worker[BatchT]) -> None:
        try:
            kind, content = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(5)
            self._bury(worker, _death(worker.process.exitcode), hung=False)
            return
        if kind == "unable":
            raise content
        if kind == "ready":
            worker.ready, self._starts_in_vain = True, 0
        else:
            job = worker.jobs.popleft()
            if kind == "done":
                self._outcomes[job.sequence][job.part] = (job.batch, content)
            else:
                self._fail(job, content, tries=1)
        worker.deadline = self._deadline(worker.jobs[0]) if worker.jobs else float("inf")

    def _bury(self, worker: _Worker[BatchT], reason: str, *, hung: bool) -> None:
        """Replace a dead or hanging worker; what it had not begun goes back in front of the queue."""
        self._workers.remove(worker)
        worker.kill()
        suspects = [worker.jobs.popleft()] if worker.jobs and worker.ready else []
        self._waiting.extendleft(reversed(worker.jobs))
        for job in suspects:
            self._fail(job, reason, tries=1 if hung else _TRIES_ALONE)
        if not worker.ready:
            self._starts_in_vain += 1
            if self._starts_in_vain >= _STARTS_IN_VAIN:
                raise CurateError(f"worker processes cannot start: {reason}", hint="curate doctor")

    def _fail(self, job: _Job[BatchT], reason: str, tries: int) -> None:
        """Take a batch apart; give an item that failed alone `tries` times up."""
        if not job.alone:
            singles = [_Job(job.sequence, part, batch) for part, batch in enumerate(job.batch.singles())]
            self._outcomes[job.sequence] = [None] * len(singles)
            self._waiting.extendleft(reversed(singles))
            return
        job.deaths += 1
        if job.deaths < tries:
            self._waiting.appendleft(job)
        else:
            self._outcomes[job.sequence][job.part] = (job.batch, Failure(reason))

    def _deadline(self, job: _Job[BatchT]) -> float:
        return time.monotonic() + self._patience * (len(job.batch) + 4)

    def _start(self) -> _Worker[BatchT]:
        here, there = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(there, self._work), daemon=True)
        with _environment(dict.fromkeys(_ONE_THREAD, "1")), _ctrl_c_waits():
            process.start()
        # Ours alone is open now, so the end of the worker is the end of the pipe, and the other way round.
        there.close()
        return _Worker(process, here)

    def _stop(self) -> None:
        for worker in self._workers:
            worker.kill()
        self._workers.clear()
        self._waiting.clear()
        self._outcomes.clear()


def _serve(pipe: Connection, work: Work[Any, Any]) -> None:
    """A worker's life: open, then batch after batch until the parent hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if not os.environ.get("CURATE_DEBUG"):
        # C libraries complain of damaged pictures here, over the progress bar; the row says it better.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with contextlib.suppress(BrokenPipeError, EOFError, ConnectionResetError):
        try:
            call = work.open()
        except Exception as error:  # whatever it is, the user reads it, not a process that died in silence
            known = isinstance(error, CurateError)
            hint = "CURATE_DEBUG=1 and the same command show where"
            pipe.send(
                ("unable", error if known else CurateError(f"{type(error).__name__}: {error}", hint=hint))
            )
            if os.environ.get("CURATE_DEBUG"):
                raise
            return
        pipe.send(("ready", None))
        while True:
            batch = pipe.recv()
            try:
                answer = ("done", call(batch))
            except Exception as error:  # an item's fault, whatever it is, must not end the run
                answer = ("failed", f"{type(error).__name__}: {error}")
            pipe.send(answer)


def _end_with_parent() -> None:
    """A worker that hangs never sees the end of the pipe."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"the worker was killed by {signal.Signals(-code).name}"
    return f"the worker ended with exit code {code}"


@contextlib.contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """A child that starts inside never hears Ctrl-C: stopping is the parent's decision, who hears it afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []
    # The handler is ours alone (another thread may be the one that is told); the mask is what a child inherits.
    handler = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    mask = None
    if os.name == "posix":
        resource_tracker.ensure_running()  # the first child would start it, and end the mask on the way
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if pressed:
        signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables for a child that is started inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
