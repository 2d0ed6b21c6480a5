"""The contract between an engine and what it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

BatchT = TypeVar("BatchT", bound="Batch")
BatchT_contra = TypeVar("BatchT_contra", bound="Batch", contravariant=True)
ResultT_co = TypeVar("ResultT_co", covariant=True)


class Batch(Protocol):
    """Several items that are worked on together. It has to survive pickling."""

    def __len__(self) -> int: ...

    def singles(self: BatchT) -> Sequence[BatchT]:
        """The same items, one a batch, in order."""


class Work(Protocol[BatchT_contra, ResultT_co]):
    """What a worker does. The object itself has to survive pickling; what `open` returns need not."""

    def open(self) -> Callable[[BatchT_contra], ResultT_co]:
        """Load what is needed, once a worker. A CurateError ends the whole run."""


class Engine(Protocol[BatchT, ResultT_co]):
    """What carries batches to a `Work`."""

    def run(self, batches: Iterable[BatchT]) -> Iterator[tuple[BatchT, ResultT_co | Failure]]:
        """Results in the order of the batches, in one piece or in several; a CurateError ends the run."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that no worker could get through, and why."""

    reason: str
