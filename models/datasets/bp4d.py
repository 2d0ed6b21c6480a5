"""BP4D-Spontaneous (Zhang et al. 2014): 41 subjects, 8 tasks each, action units coded frame by frame."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import InputError
from curate.models.datasets.labelled import (
    INTENSITIES,
    PRESENCES,
    first_there,
    labelled,
    missing,
    pictures_in,
    read_lines,
    whole_numbers,
)

if TYPE_CHECKING:
    import polars as pl

LAYOUT = (
    "AUCoding/F001_T1.csv (a first line with the numbers of the action units, then a line a frame: its number, "
    "then 0, 1 or 9 for unknown), frames F001/T1/0001.jpg (in the folder itself, 2D+3D/ or Sequences/), and "
    "perhaps AU-Intensity-Codes3.0/AU06/F001_T1_AU06.csv"
)
_CODES = ("AUCoding", "AU_OCC", "AUCoding/AU_OCC")
_FRAMES = (".", "2D+3D", "Sequences(2D+3D)", "Sequences", "Images")
_INTENSITIES = ("AU-Intensity-Codes3.0", "AU_INT", "AUCoding/AU_INT")
_UNKNOWN = 9


def read_bp4d(root: Path) -> pl.DataFrame:
    """The labelled frame: presence of 12 action units, intensity of those that were coded, `subject`.

    Frames without a picture have no row.

    Raises:
        InputError: codes or frames are missing, or a code is none of 0, 1, 9 (intensity 0..5, 9).
    """
    import polars as pl

    codes = first_there([root / name for name in _CODES if any((root / name).glob("*_*.csv"))])
    if codes is None:
        raise missing(root, "there is no AUCoding with files like F001_T1.csv in it", LAYOUT)
    intensities = first_there([root / name for name in _INTENSITIES if (root / name).is_dir()])
    rows: list[dict[str, object]] = []
    for path in sorted(codes.glob("*_*.csv")):
        named = re.fullmatch(r"([FM]\d{3})_(T\d)(?:_.*)?", path.stem)
        if named is None:
            raise missing(path, "the name says no subject and task", LAYOUT)
        subject, task = named.groups()
        pictures = _pictures(root, subject, task)
        strength = _intensities(intensities, subject, task) if intensities else {}
        for frame, presence in _occurrences(path).items():
            if frame in pictures:
                row: dict[str, object] = {"image": str(pictures[frame].absolute()), "subject": subject}
                rows.append(row | presence | strength.get(frame, {}))
    if not rows:
        raise missing(root, "no coded frame has its picture", LAYOUT)
    types: dict[str, type[pl.DataType]] = {"image": pl.String, "subject": pl.String}
    known = [name for name in (*INTENSITIES, *PRESENCES) if any(name in row for row in rows)]
    frame_ = pl.DataFrame(rows, schema=types | dict.fromkeys(known, pl.Float32), strict=False)
    return labelled(frame_, root, lambda row: str(rows[row]["image"]))


def _pictures(root: Path, subject: str, task: str) -> dict[int, Path]:
    """The frames of a task by their numbers; how many zeros their names begin with differs."""
    for place in _FRAMES:
        found = pictures_in(root / place / subject / task)
        if found:
            return {int(path.stem): path for path in found if path.stem.isdigit()}
    return {}


def _occurrences(path: Path) -> dict[int, dict[str, float]]:
    """Presence by frame, as far as it is known."""
    lines = list(csv.reader(io.StringIO("\n".join(read_lines(path, LAYOUT)))))
    if not lines:
        raise missing(path, "the file is empty", LAYOUT)
    units = whole_numbers(lines[0][1:], path, 1, LAYOUT)
    wanted = {column: f"au{unit:02}_p" for column, unit in enumerate(units) if f"au{unit:02}_p" in PRESENCES}
    if not wanted:
        raise missing(path, "the first line names no action unit that is known", LAYOUT)
    found: dict[int, dict[str, float]] = {}
    for number, cells in enumerate(lines[1:], start=2):
        if not cells:
            continue
        frame, *codes = whole_numbers(cells, path, number, LAYOUT)
        if len(codes) != len(units):
            raise InputError(f"line {number}: {len(codes)} codes, {len(units)} are expected", where=str(path))
        for column, name in wanted.items():
            if codes[column] not in (0, 1, _UNKNOWN):
                raise InputError(
                    f"line {number}: {name[:-2]} is {codes[column]}, none of 0, 1 and 9", where=str(path)
                )
        found[frame] = {name: float(codes[c]) for c, name in wanted.items() if codes[c] != _UNKNOWN}
    return found


def _intensities(folder: Path, subject: str, task: str) -> dict[int, dict[str, float]]:
    """Intensity by frame, of the action units that are in our list (6, 12, 17)."""
    found: dict[int, dict[str, float]] = {}
    for name in INTENSITIES:
        unit = name.upper()
        path = folder / unit / f"{subject}_{task}_{unit}.csv"
        if not path.is_file():
            continue
        for number, line in enumerate(read_lines(path, LAYOUT), start=1):
            if not line.strip():
                continue
            frame, value = _pair(line, path, number)
            if value == _UNKNOWN:
                continue
            if not 0 <= value <= 5:
                raise InputError(f"line {number}: intensity {value} is not within 0..5", where=str(path))
            found.setdefault(frame, {})[name] = float(value)
    return found


def _pair(line: str, path: Path, number: int) -> tuple[int, int]:
    values = whole_numbers(line.split(","), path, number, LAYOUT)
    if len(values) != 2:
        raise InputError(f"line {number}: `{line}` is not `frame,intensity`", where=str(path))
    return values[0], values[1]
