"""Work for actors: they square numbers, slowly, and misbehave where they are told to."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from curate.errors import ModelError


@dataclass(frozen=True)
class Slow:
    """Squares numbers. Leaves a mark at every job that is begun, with the process that does it."""

    seconds: float = 0.0
    marks: Path | None = None
    lacks: str = ""  # and the command that would help
    fails: int = -1
    dies: int = -1

    def open(self) -> Callable[[int], int]:
        if self.lacks:
            raise ModelError("the model is missing", where="/cache/it", hint=self.lacks)
        return self._call

    def _call(self, number: int) -> int:
        if self.marks is not None:
            (self.marks / str(number)).write_text(str(os.getpid()))
        time.sleep(self.seconds)
        if number == self.dies:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == self.fails:
            number //= 0
        return number * number
