"""Work for the engine's tests: it squares numbers, and misbehaves where it is told to."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.errors import ModelError


@dataclass(frozen=True)
class Numbers:
    """A batch of numbers; a negative one stands for trouble."""

    values: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.values)

    def singles(self) -> Sequence[Numbers]:
        return [Numbers((value,)) for value in self.values]


@dataclass(frozen=True)
class Square:
    """Squares numbers. `die`, `hang` and `fail` are the numbers that make it do so."""

    die: int = -1
    hang: int = -2
    fail: int = -3
    seconds: float = 0.0

    def open(self) -> Callable[[Numbers], list[int]]:
        return self._call

    def _call(self, batch: Numbers) -> list[int]:
        time.sleep(self.seconds)
        for value in batch.values:
            if value == self.die:
                os.kill(os.getpid(), signal.SIGKILL)
            if value == self.hang:
                time.sleep(3600)
            if value == self.fail:
                raise ValueError(f"{value} is no number to square")
        return [value * value for value in batch.values]


@dataclass(frozen=True)
class DiesOnce:
    """Dies at the first sight of every batch; a folder remembers which ones were seen."""

    folder: Path

    def open(self) -> Callable[[Numbers], list[int]]:
        return self._call

    def _call(self, batch: Numbers) -> list[int]:
        mark = self.folder / "-".join(map(str, batch.values))
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return [value * value for value in batch.values]


@dataclass(frozen=True)
class CannotOpen:
    """Has no model, or dies while loading it."""

    dies: bool

    def open(self) -> Callable[[Numbers], list[int]]:
        if self.dies:
            os._exit(7)
        raise ModelError("the model is missing", hint="curate models pull it")
