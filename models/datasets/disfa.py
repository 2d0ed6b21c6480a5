"""DISFA (Mavadati et al. 2013): 27 subjects, two cameras, twelve action units coded 0..5 in every frame."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import InputError
from curate.models.datasets.labelled import (
    INTENSITIES,
    labelled,
    missing,
    pictures_in,
    read_lines,
    whole_numbers,
)

if TYPE_CHECKING:
    import polars as pl

LAYOUT = (
    "ActionUnit_Labels/SN001/SN001_au1.txt with lines `frame,intensity`, and extracted frames in "
    "Frames_LeftCamera/SN001/00001.jpg and perhaps Frames_RightCamera/ (any folder with SN001/ in it does)"
)
_LABELS = "ActionUnit_Labels"
_UNITS = tuple(int(name[2:]) for name in INTENSITIES)


def read_disfa(root: Path) -> pl.DataFrame:
    """The labelled frame: intensity of 12 action units, `subject`. Frames of both cameras where both are there.

    A frame's number is the last number in its name, counted from 1 as in the label files; frames without a
    label and labels without a frame have no row.

    Raises:
        InputError: labels or frames are missing (with the ffmpeg command where there are videos), or an
            intensity is not within 0..5.
    """
    import polars as pl

    subjects = sorted(path for path in (root / _LABELS).glob("SN*") if path.is_dir())
    if not subjects:
        raise missing(root, f"there is no {_LABELS} with folders like SN001 in it", LAYOUT)
    rows: list[dict[str, object]] = []
    without: list[str] = []
    for folder in subjects:
        labels = _labels(folder)
        pictures = [(number, path) for number, path in _frames(root, folder.name) if number in labels]
        if not pictures:
            without.append(folder.name)
        for number, path in pictures:
            row: dict[str, object] = {"image": str(path.absolute()), "subject": folder.name}
            rows.append(row | labels[number])
    if without:
        # A fold that lacks a subject in silence would not be the published one.
        raise _no_frames(root, without)
    types: dict[str, type[pl.DataType]] = {"image": pl.String, "subject": pl.String}
    frame = pl.DataFrame(rows, schema=types | dict.fromkeys(INTENSITIES, pl.Float32), strict=False)
    return labelled(frame, root, lambda row: str(rows[row]["image"]))


def _labels(folder: Path) -> dict[int, dict[str, float]]:
    """Intensities by frame."""
    found: dict[int, dict[str, float]] = {}
    for unit, name in zip(_UNITS, INTENSITIES, strict=True):
        path = folder / f"{folder.name}_au{unit}.txt"
        if not path.is_file():
            raise missing(path, "no labels", LAYOUT)
        for number, line in enumerate(read_lines(path, LAYOUT), start=1):
            if not line.strip():
                continue
            values = whole_numbers(line.split(","), path, number, LAYOUT)
            if len(values) != 2 or not 0 <= values[1] <= 5:
                raise InputError(
                    f"line {number}: `{line}` is not `frame,intensity` with an intensity of 0..5",
                    where=str(path),
                    hint=f"expected: {LAYOUT}",
                )
            found.setdefault(values[0], {})[name] = float(values[1])
    return found


def _frames(root: Path, subject: str) -> list[tuple[int, Path]]:
    """Numbers and paths of a subject's extracted frames, from every folder that holds such."""
    places = [root, *sorted(path for path in root.iterdir() if path.is_dir() and path.name != _LABELS)]
    found = []
    for place in places:
        for path in pictures_in(place / subject):
            numbers = re.findall(r"\d+", path.stem)
            if numbers:
                found.append((int(numbers[-1]), path))
    return found


def _no_frames(root: Path, subjects: list[str]) -> InputError:
    """What is missing, and how frames are got out of the videos where these are there."""
    said = f"no frames of {', '.join(subjects)} that are labelled"
    videos = sorted(path for path in root.glob("*/*.avi") if subjects[0] in path.name)
    if not videos:
        return missing(root, said, LAYOUT)
    side = "Right" if "right" in videos[0].name.lower() else "Left"
    out = f"{root}/Frames_{side}Camera/{subjects[0]}"
    return InputError(
        f"{said}: there are videos alone",
        where=str(root),
        hint=f"mkdir -p '{out}' && ffmpeg -i '{videos[0]}' -start_number 1 -q:v 2 '{out}/%05d.jpg' "
        "(and so for every video)",
    )
