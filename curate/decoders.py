"""Processes that decode pictures into memory which they share with who uses them.

The memory has no name: the processes inherit it, and the operating system takes it back when the last of them has
ended, however it ends. A picture that kills or stops its decoder costs its own row, as in any LocalEngine.
"""

from __future__ import annotations

import ctypes
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.decoded import Decoded, decoded
from curate.scoring import Batch
from curate.sources.reading import read_together

_NOTHING = np.empty((0, 0, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class Job:
    """Inputs that are decoded together.

    Attributes:
        batch: the inputs, and what is wanted of them.
        for_mesh, words: as for `decoded`.
        start, room: where their pixels go, and how many there may be.
    """

    batch: Batch
    for_mesh: bool
    words: bool
    start: int
    room: int

    def __len__(self) -> int:
        return len(self.batch)

    def singles(self) -> Sequence[Job]:
        """One input a job, each with its share of the room."""
        share = self.room // len(self)
        return [
            replace(self, batch=batch, start=self.start + i * share, room=share)
            for i, batch in enumerate(self.batch.singles())
        ]


@dataclass(frozen=True, slots=True)
class Placed:
    """A decoded input, and the number of its first pixel in the shared memory.

    `at` is -1 where the picture did not fit, and came through the pipe instead, or where there is none.
    """

    decoded: Decoded
    at: int


class SharedPixels:
    """(P, 3) uint8 that processes see which are started with it."""

    def __init__(self, pixels: int) -> None:
        self._memory: Any = multiprocessing.get_context("spawn").RawArray(ctypes.c_uint8, 3 * pixels)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The memory itself."""
        return np.frombuffer(self._memory, np.uint8).reshape(-1, 3)

    def picture(self, placed: Placed) -> Decoded:
        """What was decoded, with its pixels: those in the memory are not copied."""
        picture = placed.decoded.picture
        if picture is None or placed.at < 0:
            return placed.decoded
        area = picture.width * picture.height
        view = self.pixels[placed.at : placed.at + area].reshape(picture.height, picture.width, 3)
        view.flags.writeable = False
        return replace(placed.decoded, picture=replace(picture, pixels=view))


@dataclass(frozen=True, slots=True)
class Decoding:
    """The work of a decoder process."""

    shared: SharedPixels

    def open(self) -> Decoder:
        """Nothing to load."""
        return Decoder(self.shared.pixels)


class Decoder:
    """A job in, what was decoded out; the pixels stay in the shared memory."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._pixels = pixels

    def __call__(self, job: Job) -> list[Placed]:
        """One answer an input, in their order."""
        placed, at, end = [], job.start, job.start + job.room
        for item, data in zip(job.batch.inputs, read_together(job.batch.inputs), strict=True):
            one = decoded(item, data, for_mesh=job.for_mesh, words=job.words)
            picture = one.picture
            if picture is None or at + picture.width * picture.height > end:
                placed.append(Placed(one, -1))
                continue
            area = picture.width * picture.height
            self._pixels[at : at + area] = picture.pixels.reshape(-1, 3)
            placed.append(Placed(replace(one, picture=replace(picture, pixels=_NOTHING)), at))
            at += area
        return placed
