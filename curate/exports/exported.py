"""How far an export is, and what has come of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Progress:
    """How far an export is.

    Attributes:
        unit: what is counted: `pictures`, or `parts` where the format has no pictures.
        total: how many there are.
        done: how many are written, or were left out.
        kept: how many of these were there from a run before.
    """

    unit: str
    total: int
    done: int = 0
    kept: int = 0


@dataclass(frozen=True)
class Exported:
    """What an export has written, or, of a dry run, would write.

    Attributes:
        folder: where.
        format: what.
        rows, pictures: faces and pictures in it.
        files: how many, without the manifest and its list.
        bytes: of these files; of a dry run, of the pictures that are copied, None where only reading would tell.
        kept: parts that were there from a run before.
        parts: parts there are.
        left_out_rows: rows of the set that are not in it, by why.
        left_out: pictures that cannot be had: `image` -> why. A dry run does not compare contents.
        renamed: pictures that are called otherwise: path -> the name that was to be.
        dry_run: whether nothing was written.
        seconds: that it took.
    """

    folder: Path
    format: str
    rows: int
    pictures: int
    files: int
    bytes: int | None
    kept: int
    parts: int
    left_out_rows: Mapping[str, int]
    left_out: Mapping[str, str]
    renamed: Mapping[str, str]
    dry_run: bool
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every picture that was asked for could be had."""
        return not self.left_out

    def document(self) -> dict[str, Any]:
        """All of it, for machines."""
        return {
            **self.__dict__,
            "folder": os.fsencode(self.folder).decode(errors="backslashreplace"),
            "seconds": round(self.seconds, 3),
        }
