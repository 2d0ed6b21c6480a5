"""`--to au`: the action units of each face as a dictionary, for generators that are conditioned on them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from curate.exports.files import Files
from curate.exports.format import Format
from curate.exports.job import Job
from curate.exports.part import Part
from curate.exports.rows import plain_rows
from curate.pictures import Picture
from curate.scorers.columns import EXPRESSIONS, INTENSITY_AUS, PRESENCE_AUS, PRESENCE_ONLY_AUS

FILE = "aus.jsonl"
# The intensities that OpenFace writes (`AU01_r` ... `AU45_r`), in its order: the vector of GANimation's `aus_openface`.
OPENFACE = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
# FACS points of an action unit that is certainly there, where only its presence is scored: B, "slight" (as `energy`).
_PRESENT = 2.0
# Rows that are made to text at a time.
_ROWS = 10_000
_TOLD = ("confidence", "valence", "arousal", "temperature", "tone")


class Au(Format):
    """`aus.jsonl`, a face a line.

    A line has `image`, `sha256`, `face`; `aus`, the twelve intensities in FACS points (0 to 5) as {"AU1": 1.2, ...},
    which is what FineFace and MagicFace call them; `presence`, probabilities as {"AU1": .8, ...}; `openface`, the 17
    numbers of GANimation (0 to 5); `expression` and `expressions`, `confidence`, `valence`, `arousal`, `temperature`,
    `tone`, and `prompt`. What has no answer is not there.
    """

    name: ClassVar[str] = "au"

    def plan(self, job: Job) -> Sequence[Part]:
        return [Part("faces", (FILE,))]

    def write(self, part: Part, job: Job, files: Files, pictures: Iterator[tuple[int, Picture]]) -> None:
        with files.open(FILE) as file:
            for begin in range(0, job.rows.height, _ROWS):
                for row in plain_rows(job.rows.slice(begin, _ROWS)):
                    file.write(json.dumps(line(row), ensure_ascii=False).encode() + b"\n")


def line(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a face."""
    said: dict[str, Any] = {name: row.get(name) for name in ("image", "sha256", "face")}
    said["aus"] = _present({f"AU{n}": row.get(f"au{n:02}") for n in INTENSITY_AUS})
    said["presence"] = _present({f"AU{n}": row.get(f"au{n:02}_p") for n in PRESENCE_AUS})
    said["openface"] = openface(row)
    said["expression"] = row.get("expression")
    said["expressions"] = _present({name: row.get(name) for name in EXPRESSIONS})
    said |= {name: row.get(name) for name in (*_TOLD, "prompt")}
    return {name: value for name, value in said.items() if value is not None and value != {}}


def openface(row: Mapping[str, Any]) -> list[float] | None:
    """A face as OpenFace's 17 intensities, 0 to 5, in the order of `OPENFACE`; None where some have no answer.

    An action unit of which only the presence q is scored (7, 10, 14, 23) counts 2 clip(2 q - 1, 0, 1), as in `energy`;
    AU45, the blink, is not scored and is 0.
    """
    vector = []
    for number in OPENFACE:
        if number in INTENSITY_AUS:
            value = row.get(f"au{number:02}")
        elif number in PRESENCE_ONLY_AUS:
            presence = row.get(f"au{number:02}_p")
            value = None if presence is None else round(_PRESENT * min(max(2 * presence - 1, 0), 1), 6)
        else:
            value = 0.0
        if value is None:
            return None
        vector.append(value)
    return vector


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
