"""Ray nodes as processes of this machine, and what a run on them leaves behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SOON = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "4",
}


class Nodes:
    """A Ray with a head that does no work, and as many nodes as are added, each with `cpus` processors."""

    def __init__(self, cpus: int = 2) -> None:
        from ray.cluster_utils import Cluster

        self.cpus = cpus
        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "object_store_memory": 100 << 20, "include_dashboard": False},
        )
        self.address: str = self._cluster.address

    def add(self) -> Any:
        """Another node."""
        return self._cluster.add_node(num_cpus=self.cpus, object_store_memory=100 << 20)

    def lose(self, node: Any) -> None:
        """A node goes without a word, as a machine does that loses its power."""
        self._cluster.remove_node(node, allow_graceful=False)

    def end(self) -> None:
        self._cluster.shutdown()


@contextmanager
def nodes(count: int, cpus: int = 2, **environment: str) -> Iterator[Nodes]:
    """So many nodes beside the head, on which the tests' own modules are installed; nothing of them is left after.

    A node that is lost is noticed soon."""
    environment = {"PYTHONPATH": str(Path(__file__).parent), "PYTHONSAFEPATH": "1"} | _SOON | environment
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    made = Nodes(cpus)
    try:
        for _ in range(count):
            made.add()
        yield made
    finally:
        made.end()
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def processes(word: str) -> list[int]:
    """Processes that this one started, or those that they did, whose command line has the word in it."""
    parents: dict[int, int] = {}
    named = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            said = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state, parent = (path / "stat").read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        parents[int(path.name)] = int(parent)
        if word in said and state != "Z":
            named.append(int(path.name))

    def ours(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and ours(parents[pid]))

    return [pid for pid in named if ours(pid)]


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def until(what: Any, seconds: float = 60.0) -> Any:
    """Wait for something to be true, and give it."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found
