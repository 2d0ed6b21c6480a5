"""Actors on the machines of a Ray cluster, through Ray Data.

A job goes to one actor, and its answer comes back; both are small. An actor that dies, alone or with its node, is
started again by Ray, and its job is done again from the beginning: jobs must be such that this does no harm.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import pickle
import secrets
import socket
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from curate.engines.ray_desk import about_here
from curate.errors import CurateError

JobT = TypeVar("JobT")
JobT_contra = TypeVar("JobT_contra", contravariant=True)
AnswerT = TypeVar("AnswerT")
AnswerT_co = TypeVar("AnswerT_co", covariant=True)

INSTALL = 'pip install "curate-faces[ray]"'
# Jobs wait in the memory of the machine that started the run; there are no more of them at a time.
_WAITING_BYTES = 64 << 20
# A Ray of our own holds nothing but jobs.
_STORE_BYTES = 256 << 20
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


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray that this process is connected to.

    Attributes:
        cpus, gpus: what it has now, all nodes together.
        cpus_a_gpu: processors that each GPU has to itself, on the node that has fewest of them.
        remote: it was there before, perhaps on other machines.
    """

    cpus: int
    gpus: int
    cpus_a_gpu: int
    remote: bool


@contextlib.contextmanager
def cluster(address: str | None = None, *, cpus: int, gpus: int = 0) -> Iterator[Cluster]:
    """Connect to a Ray; at the end disconnect, and end it if it was started here.

    Args:
        address: `auto` or `HOST:PORT` of one that runs; None is the environment's RAY_ADDRESS, or else one of our own
            on this machine. Where this process is connected to one already, that is taken.
        cpus, gpus: what one of our own may use.

    Raises:
        CurateError: Ray is not installed, nobody answers at the address, or it has another version.
    """
    address = named(address)
    if address is not None and "://" in address:
        raise CurateError(
            "Ray Data does not run through a Ray client",
            where=address,
            hint="--address auto on a machine of the cluster, or HOST:6379 of its head; "
            "from elsewhere: ray job submit -- curate score ... --address auto",
        )
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise CurateError("Ray is not installed", where="--engine ray", hint=INSTALL) from error
    if ray.is_initialized():
        yield _cluster(remote=True)
        return
    with _quiet(), contextlib.nullcontext() if address else _token():
        with _deaf():
            _connect(address, cpus, gpus)
        try:
            yield _cluster(remote=address is not None)
        finally:
            ray.shutdown()


def named(address: str | None) -> str | None:
    """Where a Ray is to be found: what is said, or what the environment says; None is one of our own."""
    address = address or os.environ.get("RAY_ADDRESS") or None
    return None if address == "local" else address


def _connect(address: str | None, cpus: int, gpus: int) -> None:
    import ray

    said: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    try:
        if address is not None:
            _knock(address)
            ray.init(address=address, **said)
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local",
            num_cpus=cpus,
            num_gpus=gpus,
            include_dashboard=False,
            object_store_memory=_STORE_BYTES,
            **said,
        )
    except Exception as error:  # ConnectionError, RuntimeError, ValueError, ImportError, and Ray's own
        words = _words(error)
        where = address or "--engine ray"
        if "ersion mismatch" in words:
            hint = "take the same versions of Python and Ray on all machines"
        elif _asks_for_a_token(error):
            words = "this Ray asks for another token, or for none"
            hint = (
                "RAY_AUTH_MODE=token where the cluster has one (~/.ray/auth_token, the same on all machines), "
                "RAY_AUTH_MODE=disabled where it has none"
            )
        elif address is None:
            words, hint = f"Ray cannot be started: {words}", "CURATE_DEBUG=1 and the same command show why"
        else:
            words = f"no Ray answers here: {words}"
            hint = "ray start --head on that machine; ray status says whether it runs"
        raise CurateError(words, where=where, hint=hint) from error


def _asks_for_a_token(error: BaseException | None) -> bool:
    while error is not None:
        if type(error).__name__ == "AuthenticationError" or "AuthenticationError" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def _token() -> Iterator[None]:
    """A new Ray asks for a token. One of our own gets one that is as short-lived: Ray would leave its in the user's
    home, where it changes what `ray start` does from then on, and its mode in the environment."""
    names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")
    before = {name: os.environ.get(name) for name in names}
    if "RAY_AUTH_TOKEN" not in os.environ and "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    _read_again()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        _read_again()


def _read_again() -> None:
    """Ray's core keeps what the environment said of tokens (from 2.53 on)."""
    with contextlib.suppress(ImportError, AttributeError):
        import ray._raylet

        core: Any = ray._raylet
        core.Config.initialize("")
        core.AuthenticationTokenLoader.instance().reset_cache()


def _knock(address: str) -> None:
    """Ray itself tries for minutes; OSError where nobody listens. `auto` and names alone are Ray's to look up."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _cluster(*, remote: bool) -> Cluster:
    import ray

    # Not cluster_resources: what each node has by itself decides what fits on it.
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    cpus, gpus = (sum(int(node.get(kind, 0)) for node in nodes) for kind in ("CPU", "GPU"))
    shares = [int(node.get("CPU", 0) // node["GPU"]) for node in nodes if node.get("GPU", 0) >= 1]
    return Cluster(cpus, gpus, min(shares, default=0), remote)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray's words off the user's screen: errors reach us as exceptions. CURATE_DEBUG shows them."""
    if os.environ.get("CURATE_DEBUG"):
        yield
        return
    import ray._private.worker as worker

    loggers = [logging.getLogger(name) for name in ("ray", "ray.data")]
    levels = [logger.level for logger in loggers]
    # What nodes report is printed on standard output, whatever a driver asked for.
    printing = getattr(worker, "print_to_stdstream", None)
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    if printing is not None:
        worker.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        if printing is not None:
            worker.print_to_stdstream = printing
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Ray's core writes to standard error by its number, while it starts and later; it is told to leave that, and
    says so."""
    if os.environ.get("CURATE_DEBUG"):
        yield
        return
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


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
        worker = _worker(self._work, told, about_here())
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
                **_retries(),
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
                    f"actors die at one and the same job, or while they start: {_words(error)}",
                    hint="ray status and the nodes' memory say more (fewer --workers take less of it); "
                    "the same command goes on where this one stopped",
                ) from error
            except ray.exceptions.RayError as error:
                raise CurateError(
                    f"Ray gave up: {_words(error)}", hint="the same command goes on where this one stopped"
                ) from error


def _retries() -> dict[str, Any]:
    """Ray Data retries for ever where it is not told otherwise; from 2.64 on it may have no word for it."""
    import ray.data

    known = inspect.signature(ray.data.Dataset.map_batches).parameters
    return (
        {"max_task_retries": _LOST_AT_A_JOB} if {"max_task_retries", "ray_remote_args"} & set(known) else {}
    )


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:400]


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


def _worker(work: bytes, told: dict[str, str], here: tuple[str, str]) -> type:
    """The class of the actors. It is made here so that it travels whole: a node may lack our package, and says so."""

    class Worker:
        def __init__(self) -> None:
            self.desk: Any = None

        def __call__(self, table: Any) -> Any:
            import pickle
            import zlib

            import pyarrow

            try:
                if self.desk is None:
                    from curate.engines.ray_desk import Desk

                    self.desk = Desk(work, told, here)
                answer = self.desk.answer(table["job"][0].as_py())
            except ImportError as error:
                import ray

                node = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
                answer = zlib.compress(pickle.dumps(("missing", f"{node}: {error}")))
            return pyarrow.table({"number": table["number"], "answer": pyarrow.array([answer], "binary")})

    return Worker
