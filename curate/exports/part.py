"""A part of an export: what is written, and what a killed run has to write again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Pictures a part: that many are looked at again after a kill.
_PICTURES = 200


@dataclass(frozen=True, slots=True)
class Part:
    """The unit of writing and resuming.

    Attributes:
        key: its name, one of its own in a plan.
        files: what it writes at the most: paths below OUT, with `/` between folders.
        pictures: the pictures it reads, as row numbers of `Job.pictures`.
        last: it is written after all others, and anew whenever one of them was: it knows what was left out.
    """

    key: str
    files: tuple[str, ...]
    pictures: tuple[int, ...] = ()
    last: bool = False

    def files_of(self, picture: int) -> tuple[str, ...]:
        """What is written for a picture, of a part made by `picture_parts`."""
        each = len(self.files) // len(self.pictures)
        begin = each * (picture - self.pictures[0])
        return self.files[begin : begin + each]


def picture_parts(files: Sequence[Sequence[str]]) -> list[Part]:
    """Parts of some pictures each, where every picture has files of its own.

    Args:
        files: for each row of `Job.pictures` what is written for it, the same number for all.
    """
    parts = []
    for begin in range(0, len(files), _PICTURES):
        some = range(begin, min(begin + _PICTURES, len(files)))
        paths = tuple(path for number in some for path in files[number])
        parts.append(Part(f"pictures-{begin // _PICTURES:06}", paths, tuple(some)))
    return parts
