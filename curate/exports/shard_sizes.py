"""How large a shard is to be, and which pictures go into which."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from curate.errors import ExportError
from curate.exports.job import Job
from curate.pictures import all_files, file_of

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?i?B)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1, "m": 2, "g": 3, "t": 4}


def checked_size(text: str) -> str:
    """`1000`, pictures, or `500MB`, `1GiB`, bytes of pictures; ValueError where it is neither."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or (not found[2] and "." in found[1]) or _count(found) < 1:
        raise ValueError("a shard's size is a number of pictures (1000) or of bytes (500MB)")
    return text.strip()


def shards(job: Job, size: str, order: Sequence[int]) -> list[tuple[int, ...]]:
    """Row numbers of `job.pictures`, some a shard; a picture larger than a shard has one of its own.

    Args:
        job: the export.
        size: as `checked_size` takes it.
        order: all row numbers, in the order in which they are to be written.

    Raises:
        ExportError: sizes of pictures are asked for that only reading them would tell.
    """
    said = _SIZE.fullmatch(size)
    assert said is not None  # noqa: S101 - checked_size has seen it
    count = job.pictures.height
    if not said[2]:
        step = int(said[1])
        return [tuple(order[begin : begin + step]) for begin in range(0, count, step)]
    most = _count(said)
    sizes = _bytes(job, size)
    found: list[list[int]] = []
    held = most + 1
    for number in order:
        if held + sizes[number] > most:
            found.append([])
            held = 0
        found[-1].append(number)
        held += sizes[number]
    return [tuple(some) for some in found]


def _count(said: re.Match[str]) -> float:
    """Pictures, or bytes, that a size says."""
    unit = (said[2] or "b").lower()
    power = 0 if unit == "b" else _UNITS[unit[0]]
    return float(said[1]) * float((1024 if "i" in unit else 1000) ** power)


def _bytes(job: Job, size: str) -> list[int]:
    """Of the files, as they are now; a missing one has none."""
    if not all_files(job.scores.manifest.source, job.pictures["image"]):
        raise ExportError(
            f"pictures that are no files here tell their sizes only when they are read, so a shard cannot be {size}",
            where="--shard-size",
            hint="--shard-size 1000, pictures",
        )
    sizes = []
    for image in job.pictures["image"]:
        try:
            sizes.append(Path(file_of(image)).stat().st_size)
        except OSError:
            sizes.append(0)
    return sizes
