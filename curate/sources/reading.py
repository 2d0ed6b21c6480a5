"""The bytes of several inputs, in order: those behind URLs fetched at the same time, as waiting is all they cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from curate.errors import InputError
from curate.sources.reference import Remote, Slice
from curate.sources.remote import is_url
from curate.sources.source import Input

_FETCHERS = 8


def read_together(inputs: Sequence[Input]) -> Iterator[bytes | InputError]:
    """The encoded bytes of each, or why they cannot be had.

    What lies on this machine is read when its turn comes. Of what is fetched, no more than eight are held.
    """
    if not any(map(_is_far, inputs)):
        yield from map(_read, inputs)
        return
    with ThreadPoolExecutor(_FETCHERS) as threads:
        coming = [threads.submit(_read, item) for item in inputs[:_FETCHERS]]
        for number in range(len(inputs)):
            yield coming.pop(0).result()
            coming += [threads.submit(_read, item) for item in inputs[number + _FETCHERS :][:1]]


def _is_far(item: Input) -> bool:
    return isinstance(item.at, Remote) or (isinstance(item.at, Slice) and is_url(item.at.path))


def _read(item: Input) -> bytes | InputError:
    try:
        return item.read()
    except InputError as error:
        return error
