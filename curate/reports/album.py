"""The faces that a report shows: asked for by its parts, read from their pictures once, at the end."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import polars as pl

from curate.output import visible
from curate.reports.thumbnails import thumbnails
from curate.scoreset import ScoreSet

SIDE = 144  # of a picture in the page, in pixels; shown smaller, and so sharp on fine screens
_QUALITY = 78
_LONG = 48
_READ = ("image", "sha256", "face", "box_x", "box_y", "box_w", "box_h")


Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Shot:
    """A face to be shown.

    Attributes:
        key: the album's letter, `image`, and number of the face.
        name: of the picture, without its folder, safe to show.
        alt: the face in words: `0001.png: fear, temperature 93`.
    """

    key: Key
    name: str
    alt: str


class Album:
    """Faces of one set that are wanted, and their pictures once they have been read.

    Args:
        scores: the set.
        letter: tells it from another set's.

    Attributes:
        pictures: `data:` addresses by the key of a shot; what could not be had is not among them.
    """

    def __init__(self, scores: ScoreSet, letter: str = "a") -> None:
        self._scores = scores
        self._letter = letter
        self._wanted: dict[Key, dict[str, Any]] = {}
        self.pictures: dict[Key, str] = {}

    def want(self, row: dict[str, Any]) -> Shot:
        """Ask for a face of the set: a row with at least `image`."""
        key = (self._letter, row["image"], row.get("face") or 0)
        self._wanted.setdefault(key, {name: row.get(name) for name in _READ})
        name = name_of(row["image"])
        said = [row["expression"]] if row.get("expression") else []
        if (heat := row.get("temperature")) is not None:
            said.append(f"temperature {heat:.0f}")
        return Shot(key, name, f"{name}: {', '.join(said)}" if said else name)

    def develop(self) -> None:
        """Read the pictures of all that was asked for."""
        if not self._wanted:
            return
        floats: dict[str, Any] = dict.fromkeys(_READ, pl.Float64)
        types = floats | {"image": pl.String, "sha256": pl.String, "face": pl.Int32}
        rows = pl.DataFrame(list(self._wanted.values()), schema=types)
        for key, picture in thumbnails(self._scores, rows, SIDE).items():
            file = io.BytesIO()
            picture.save(file, "webp", quality=_QUALITY, method=4)
            self.pictures[self._letter, *key] = (
                f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
            )

    @property
    def wanted(self) -> int:
        """How many faces were asked for."""
        return len(self._wanted)

    @property
    def missing(self) -> int:
        """How many of the wanted faces have no picture any more."""
        return len(self._wanted) - len(self.pictures)


def name_of(image: str) -> str:
    """A picture's name without its folder; of a data set's row the split and number."""
    name = visible(image.rsplit("#", 1)[-1] if "#" in PurePath(image).parent.name else PurePath(image).name)
    return name if len(name) <= _LONG else f"{name[: _LONG // 2]}…{name[-_LONG // 2 + 1 :]}"
