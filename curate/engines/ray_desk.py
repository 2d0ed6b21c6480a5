"""Where an actor's jobs are done, on whatever node it is."""

from __future__ import annotations

import os
import pickle
import platform
import zlib
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from curate.errors import CurateError, ModelError


def about_here() -> tuple[str, str]:
    """Python's version and ours: a job means the same only where both are the same."""
    return ".".join(platform.python_version_tuple()[:2]), version("curate-faces")


def packed(answer: tuple[str, Any]) -> bytes:
    """An answer on its way."""
    return zlib.compress(pickle.dumps(answer), 1)


class Desk:
    """Does jobs, one after the other.

    Args:
        work: a pickled `RayWork`.
        told: variables of the environment that count where the node has none of its own.
        there: `about_here()` of the process that sends the jobs.
    """

    def __init__(self, work: bytes, told: Mapping[str, str], there: tuple[str, str]) -> None:
        self._work, self._told, self._there = work, told, there
        self._call: Callable[[Any], Any] | None = None

    def answer(self, job: bytes) -> bytes:
        """A packed job's packed answer: `done` with what it gave, or `failed` with a CurateError."""
        try:
            if self._call is None:
                self._call = self._open()
            return packed(("done", self._call(pickle.loads(zlib.decompress(job)))))  # noqa: S301 - our own
        except CurateError as error:
            return packed(("failed", _on_this_node(error)))
        except Exception as error:  # whatever it is, the user reads it, and no job is tried for ever
            hint = "CURATE_DEBUG=1 and --engine local show where"
            return packed(
                ("failed", _on_this_node(CurateError(f"{type(error).__name__}: {error}", hint=hint)))
            )

    def _open(self) -> Callable[[Any], Any]:
        for name, here, there in zip(("Python", "curate-faces"), about_here(), self._there, strict=True):
            if here != there:
                raise CurateError(
                    f"{name} is {here} here and {there} where the run was started",
                    hint="install the same versions on all nodes",
                )
        for name, value in self._told.items():
            os.environ.setdefault(name, value)
        call: Callable[[Any], Any] = pickle.loads(self._work).open()  # noqa: S301 - our own
        return call


def _on_this_node(error: CurateError) -> CurateError:
    import ray

    hint = error.hint
    if isinstance(error, ModelError):
        # A network that was quantised here is in no pack, and another machine would make another one.
        made_here = hint.startswith("curate models profile")
        there = f"copy {error.where} to that node" if made_here else f"{hint} on that node"
        hint = f"{there}, or set CURATE_CACHE to a folder that all nodes share"
    node = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return type(error)(f"{error.message} (on the node {node})", where=error.where, hint=hint)
