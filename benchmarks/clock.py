"""A scorer that says when it was called: what `speed.py` measures the others with.

Named last, it is called when all is done for a batch. From one call to the next in the same process is all that a batch
costs there: reading, decoding, scoring, making rows, handing them over, and waiting for the next batch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from curate import Column, Face

COLUMNS = ("clock_process", "clock_wall", "clock_cpu")


class Clock:
    """The process, and nanoseconds of its machine's monotonic clock and of its own CPU time."""

    name = "clock"
    version = "1"
    columns = tuple(Column(name, "UInt64", "when a batch was done", "clock") for name in COLUMNS)
    needs_mesh = True
    packs: tuple[str, ...] = ()
    options: Mapping[str, str] = {}

    def open(self, device: str) -> None:
        """Nothing to load."""

    def score(self, faces: Sequence[Face]) -> dict[str, list[int]]:
        """The same for all faces of a batch."""
        now = (os.getpid(), time.monotonic_ns(), time.process_time_ns())
        return {name: [value] * len(faces) for name, value in zip(COLUMNS, now, strict=True)}


def install(site: Path) -> Path:
    """Make `clock` a scorer that processes find with `site` in their PYTHONPATH."""
    metadata = site / "curate_clock-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: curate-clock\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[curate.scorers]\nclock = clock:Clock\n")
    (site / "clock.py").symlink_to(Path(__file__).resolve())
    return site
