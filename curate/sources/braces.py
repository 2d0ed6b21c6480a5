"""Braces as WebDataset and shells have them: `shard-{000..009}.tar`, `{train,valid}.tar`."""

from __future__ import annotations

import re

from curate.errors import InputError

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
MOST = 100_000


def has_braces(text: str) -> bool:
    """Whether there is something to expand."""
    return any(_parts(found[1]) is not None for found in _BRACES.finditer(text))


def expand(text: str) -> list[str]:
    """Every name that a text with braces stands for, in order: the last braces change fastest.

    Numbers have as many digits as the longer of the two that are given, where one of them begins with a zero. Braces
    that hold neither a range nor a comma stay as they are.

    Raises:
        InputError: there would be more than `MOST`.
    """
    names = [""]
    end = 0
    for found in _BRACES.finditer(text):
        parts = _parts(found[1])
        if parts is None:
            continue
        if len(parts) * len(names) > MOST:
            raise InputError(f"these braces stand for more than {MOST:,} names", where=text)
        literal = text[end : found.start()]
        names = [f"{name}{literal}{part}" for name in names for part in parts]
        end = found.end()
    return [f"{name}{text[end:]}" for name in names]


def _parts(inside: str) -> range | list[str] | None:
    found = _RANGE.fullmatch(inside)
    if found:
        first, last = int(found[1]), int(found[2])
        if abs(last - first) > MOST:
            return range(MOST + 2)
        width = max(len(found[1]), len(found[2])) if found[1][0] == "0" or found[2][0] == "0" else 0
        step = 1 if last >= first else -1
        return [f"{number:0{width}}" for number in range(first, last + step, step)]
    return inside.split(",") if "," in inside else None
