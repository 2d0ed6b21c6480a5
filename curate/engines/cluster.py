"""The Ray that a run is connected to: one that runs already, or one of our own on this machine."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from curate.errors import CurateError

INSTALL = 'pip install "curate-faces[ray]"'
_HOST_AND_PORT = re.compile(r".+:\d+")
# A Ray of our own holds nothing but jobs.
_STORE_BYTES = 256 << 20


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
            "a Ray client (`ray://`) cannot be used",
            where=address,
            hint="--address auto on a machine of the cluster, or HOST:6379 of its head; "
            "from elsewhere: ray job submit -- curate score ... --address auto",
        )
    if address is not None and address != "auto" and not _HOST_AND_PORT.fullmatch(address):
        raise CurateError(
            "this is no address of a Ray",
            where=address,
            hint="--address auto on a machine of the cluster, or HOST:6379 of its head",
        )
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise CurateError("Ray is not installed", where="--engine ray", hint=INSTALL) from error
    if ray.is_initialized():
        yield _cluster(remote=True)
        return
    with _quiet(), contextlib.nullcontext() if address else _to_ourselves():
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
        words = in_words(error)
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
        elif address == "auto" and isinstance(error, ConnectionError):
            words = "no Ray runs on this machine"
            hint = "--address HOST:6379 of the cluster's head; ray start --head starts one here"
        else:
            said_by_system = error.strerror if isinstance(error, OSError) else None
            words = f"no Ray answers here: {(said_by_system or words).lower()}"
            hint = "ray start --head on that machine; ray status says whether it runs"
        raise CurateError(words, where=where, hint=hint) from error


def _asks_for_a_token(error: BaseException | None) -> bool:
    while error is not None:
        if type(error).__name__ == "AuthenticationError" or "AuthenticationError" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def _to_ourselves() -> Iterator[None]:
    """What keeps others from a Ray of our own, while it is there.

    It listens on the loopback alone: Ray does so where it believes that it cannot make clusters. A new Ray asks for a
    token: ours gets one that is as short-lived, for Ray would leave its own in the user's home, where it changes what
    `ray start` does from then on, and its mode in the environment."""
    import ray._private.ray_constants as constants

    alone = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
    before = {name: os.environ.get(name) for name in (alone, "RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}
    clusters = getattr(constants, "ENABLE_RAY_CLUSTER", None)
    os.environ[alone], constants.ENABLE_RAY_CLUSTER = "0", False
    if "RAY_AUTH_TOKEN" not in os.environ and "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    _read_again()
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = clusters
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
    """Ray itself tries for minutes; OSError where nobody listens. `auto` is Ray's to look up."""
    host, _, port = address.rpartition(":")
    if host:
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


def in_words(error: BaseException) -> str:
    """What Ray says, on one line and not too long."""
    return " ".join(str(error).split())[:400]
