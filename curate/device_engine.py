"""One GPU and the decoder processes that feed it."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from curate.decoded import Decoded
from curate.decoders import Decoding, Job, Placed, SharedPixels
from curate.device_scoring import DeviceScoring, open_on_device
from curate.engines.local import LocalEngine
from curate.engines.work import Failure
from curate.errors import ModelError
from curate.models.session import Device
from curate.scorers.device.faults import DeviceFullError, fault_of
from curate.scoring import Batch, Scoring

if TYPE_CHECKING:
    import polars as pl

# Pictures that a decoder takes at once, and jobs whose pictures go to the device together.
_JOB: dict[Device, int] = {"cpu": 8, "cuda": 16}
_JOBS_A_PAGE: dict[Device, int] = {"cpu": 4, "cuda": 16}
# Room for each picture of a job, in pixels; where pictures are larger, fewer go into a job.
_ROOM = 512 * 512
_AHEAD = 3
# Beside those that are decoded into: one on the device, one that waits for it, and the page that is half full.
_SPARE_PAGES = 3


@dataclass(slots=True)
class _Page:
    """A part of the shared memory, and what was decoded into it.

    Attributes:
        number: which part.
        jobs: that have a place in it.
        pictures: that are still being decoded.
        closed: no more jobs will come.
        parts: what came back, in order.
    """

    number: int
    jobs: int = 0
    pictures: int = 0
    closed: bool = False
    parts: list[tuple[Batch, list[Placed] | Failure]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Kit:
    """What takes long to make and is good for many runs."""

    scoring: DeviceScoring
    shared: SharedPixels
    decoders: LocalEngine[Job, list[Placed]]
    thread: ThreadPoolExecutor


class DeviceEngine:
    """Runs a Scoring on its device, in this process, with decoders beside it; otherwise as a LocalEngine.

    While the device works on a page of pictures, the decoders fill the next ones. Models and decoders end with
    each run; inside `with DeviceEngine(...) as engine` they stay for the next one.

    Args:
        scoring: what is done; its device is where.
        decoders: how many processes decode.
        patience: seconds that a picture may take to be decoded.
    """

    def __init__(self, scoring: Scoring, *, decoders: int, patience: float = 15.0) -> None:
        self._scoring, self._decoders, self._patience = scoring, decoders, patience
        self._stack = contextlib.ExitStack()
        self._kept: _Kit | None = None

    def __enter__(self) -> Self:
        self._kept = self._stack.enter_context(self._kit())
        return self

    def __exit__(self, *_: object) -> None:
        self._kept = None
        self._stack.close()

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, pl.DataFrame | Failure]]:
        """Rows in the order of the batches, a part of a batch at a time; a picture that failed comes by itself.

        Raises:
            CurateError: a model is missing, CUDA does not open, decoders cannot be started, the GPU is lost or has no
                room for a single picture.
        """
        with self._kit() as kit:
            ring = _Ring(kit, self._scoring.device, _pages(self._scoring.device, self._decoders))
            try:
                for job, outcome in kit.decoders.run(ring.jobs(batches)):
                    ring.take(job, outcome)
                    yield from ring.finished(everything=False)
                yield from ring.finished(everything=True)
            finally:
                ring.abandon()

    @contextlib.contextmanager
    def _kit(self) -> Iterator[_Kit]:
        if self._kept is not None:
            yield self._kept
            return
        device = self._scoring.device
        scoring = open_on_device(self._scoring)
        shared = SharedPixels(_pages(device, self._decoders) * _JOBS_A_PAGE[device] * _JOB[device] * _ROOM)
        decoders = LocalEngine(
            Decoding(shared), workers=self._decoders, patience=self._patience, ahead=_AHEAD
        )
        with ThreadPoolExecutor(1, thread_name_prefix="device") as thread, decoders:
            yield _Kit(scoring, shared, decoders, thread)


def _pages(device: Device, decoders: int) -> int:
    """How many pages there are: the decoders have at most `_AHEAD` jobs each, and two more lie between them and us."""
    return -(-(_AHEAD * decoders + 2) // _JOBS_A_PAGE[device]) + _SPARE_PAGES


class _Ring:
    """The pages of the shared memory on their way round: free, filled by decoders, read by the device."""

    def __init__(self, kit: _Kit, device: Device, pages: int) -> None:
        self._scoring, self._shared, self._thread = kit.scoring, kit.shared, kit.thread
        self._in_job, self._in_page = _JOB[device], _JOBS_A_PAGE[device]
        self._room = self._in_job * _ROOM
        self._free = deque(range(pages))
        self._filling: deque[_Page] = deque()
        self._working: deque[tuple[_Page, Future[list[tuple[Batch, pl.DataFrame | Failure]]]]] = deque()
        self._done: deque[tuple[Batch, pl.DataFrame | Failure]] = deque()
        self._usual = float(_ROOM)  # pixels of a picture, of late

    def jobs(self, batches: Iterable[Batch]) -> Iterator[Job]:
        """The batches, cut into jobs that have a place in the shared memory."""
        for batch in batches:
            words, start = self._scoring.wants_words(batch), 0
            while start < len(batch):
                fit = min(max(int(self._room / self._usual), 1), self._in_job)
                part = replace(batch, inputs=batch.inputs[start : start + fit])
                yield Job(part, self._scoring.looks_for_faces, words, self._place(len(part)), self._room)
                start += fit
        self._close()

    def take(self, job: Job, outcome: list[Placed] | Failure) -> None:
        """Take back a job, or one picture of it."""
        number = job.start // (self._in_page * self._room)
        page = next(page for page in self._filling if page.number == number)
        page.parts.append((job.batch, outcome))
        page.pictures -= len(job)
        if not isinstance(outcome, Failure):
            for placed in outcome:
                if (picture := placed.decoded.picture) is not None:
                    self._usual += 0.05 * (picture.width * picture.height - self._usual)
        self._submit()

    def finished(self, *, everything: bool) -> Iterator[tuple[Batch, pl.DataFrame | Failure]]:
        """What the device is done with; or all there is."""
        while self._done or (self._working and (everything or self._working[0][1].done())):
            if not self._done:
                self._collect()
            while self._done:
                yield self._done.popleft()

    def abandon(self) -> None:
        """Forget what nobody will ask for; when this returns, the device reads the memory no more."""
        for _, rows in self._working:
            rows.cancel()
        wait([rows for _, rows in self._working])
        self._working.clear()

    def _place(self, pictures: int) -> int:
        """Where a job's pixels go; waits for the device where no page is free."""
        if not self._filling or self._filling[-1].closed:
            while not self._free:
                self._collect()
            self._filling.append(_Page(self._free.popleft()))
        page = self._filling[-1]
        place = (page.number * self._in_page + page.jobs) * self._room
        page.jobs += 1
        page.pictures += pictures
        page.closed = page.jobs == self._in_page
        return place

    def _close(self) -> None:
        """The last page need not be full."""
        if self._filling:
            self._filling[-1].closed = True
            self._submit()

    def _submit(self) -> None:
        """Hand the device what is whole, in order."""
        while self._filling and self._filling[0].closed and not self._filling[0].pictures:
            page = self._filling.popleft()
            start = page.number * self._in_page * self._room
            pixels = self._shared.pixels[start : start + page.jobs * self._room]
            parts = [
                (b, p if isinstance(p, Failure) else [*map(self._shared.picture, p)]) for b, p in page.parts
            ]
            self._working.append((page, self._thread.submit(_rows, self._scoring, pixels, parts)))

    def _collect(self) -> None:
        """Wait for the oldest page on the device, and take it back."""
        page, rows = self._working.popleft()
        self._done.extend(rows.result())
        self._free.append(page.number)


def _rows(
    scoring: DeviceScoring, pixels: NDArray[np.uint8], parts: Sequence[tuple[Batch, list[Decoded] | Failure]]
) -> list[tuple[Batch, pl.DataFrame | Failure]]:
    """The rows of a page; what belongs together is one batch again."""
    try:
        scoring.store.put(pixels)
    except Exception as error:
        if fault := fault_of(error):
            raise fault from error
        raise
    rows: list[tuple[Batch, pl.DataFrame | Failure]] = []
    try:
        for failed, some in groupby(parts, key=_alike):
            members = list(some)
            if failed is None:
                rows += [(batch, outcome) for batch, outcome in members if isinstance(outcome, Failure)]
                continue
            batch = replace(members[0][0], inputs=tuple(item for b, _ in members for item in b.inputs))
            rows += _tried(scoring, batch, [d for _, part in members for d in _decoded(part)])
    finally:
        scoring.store.clear()
    return rows


def _alike(part: tuple[Batch, list[Decoded] | Failure]) -> tuple[object, ...] | None:
    """What parts have in common that are scored together; None for a failure."""
    batch, outcome = part
    return None if isinstance(outcome, Failure) else (batch.scorers, batch.shard, batch.pictures)


def _decoded(part: list[Decoded] | Failure) -> list[Decoded]:
    return [] if isinstance(part, Failure) else part


def _tried(
    scoring: DeviceScoring, batch: Batch, decoded: list[Decoded]
) -> list[tuple[Batch, pl.DataFrame | Failure]]:
    """The rows of a batch, part by part where the device has no room for all; where a picture breaks a scorer, each is
    tried by itself."""
    together = scoring.most
    if len(batch) <= together:
        try:
            return [(batch, scoring.rows(batch, decoded))]
        except DeviceFullError:
            if len(batch) == 1:
                raise
            together = scoring.most
        except ModelError:  # the device is lost; what is scored so far is kept
            raise
        except Exception as error:  # an item's fault, whatever it is, must not end the run
            if len(batch) == 1:
                return [(batch, Failure(f"{type(error).__name__}: {error}"))]
            together = 1
    outcomes: list[tuple[Batch, pl.DataFrame | Failure]] = []
    for start in range(0, len(batch), together):
        part = slice(start, start + together)
        outcomes += _tried(scoring, replace(batch, inputs=batch.inputs[part]), decoded[part])
    return outcomes
