"""What the panel shows of faces, as numbers: counts, cells and means. No pictures of it, and no app."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.browsing.views import whole_set
from curate.scorers.columns import BANDS, CATALOGUE, EXPRESSIONS, INTENSITY_AUS, PRESENCE_ONLY_AUS

# Of the temperature, in its own degrees; every limit of a band is the limit of a bar, too.
BAR = 5
BARS = 100 // BAR
# Of valence and arousal, each from -1 to 1.
CELLS = 40
# An intensity of so many FACS points, or a probability of more than this, is a muscle that moves.
THERE = {True: 1.0, False: 0.5}

# Dataset -> when it was read, and what it gave.
_WHOLE: dict[str, tuple[Any, dict[str, float | None]]] = {}
_DOCS = {column.name: column.doc for column in CATALOGUE}
AUS = tuple(f"au{n:02}" for n in INTENSITY_AUS) + tuple(f"au{n:02}_p" for n in PRESENCE_ONLY_AUS)


@dataclass(frozen=True)
class Faces:
    """The faces of a view.

    Attributes:
        count: how many samples it has, scored or not.
        ids: (n,) ids of the samples that were scored.
        expression: (n,) int8, the index in `EXPRESSIONS`; -1 for none.
        band: (n,) int8, the index in `BANDS`; -1 for none.
        temperature, valence, arousal: (n,) float64, NaN where there is no answer; None where the set has no such
            column.
    """

    count: int
    ids: NDArray[np.object_]
    expression: NDArray[np.int8]
    band: NDArray[np.int8]
    temperature: NDArray[np.float64] | None
    valence: NDArray[np.float64] | None
    arousal: NDArray[np.float64] | None


def read_faces(view: Any) -> Faces:
    """Read what the plots need of a view's faces: one query, whatever their number."""
    fields = view.get_field_schema()
    scored = view.match_tags("ok") if "status" not in fields else view.match({"status": "ok"})
    names = [
        n for n in ("expression.label", "band", "temperature", "valence", "arousal") if _head(n) in fields
    ]
    found = dict(zip(("id", *names), scored.values(["id", *names]), strict=True))

    def numbers(name: str) -> NDArray[np.float64] | None:
        return np.array(found[name], np.float64) if name in found else None

    ids = np.array(found["id"], object)
    return Faces(
        count=view.count(),
        ids=ids,
        expression=_codes(found.get("expression.label"), EXPRESSIONS, len(ids)),
        band=_codes(found.get("band"), BANDS, len(ids)),
        temperature=numbers("temperature"),
        valence=numbers("valence"),
        arousal=numbers("arousal"),
    )


def bars(faces: Faces) -> NDArray[np.int64]:
    """How many faces each bar of the histogram stands for.

    Returns:
        (9, 20): by expression (the last row for none), by temperature in steps of 5; 100 is in the last bar.
    """
    counts = np.zeros((len(EXPRESSIONS) + 1, BARS), np.int64)
    if faces.temperature is not None:
        known = ~np.isnan(faces.temperature)
        bar = np.clip(faces.temperature[known] // BAR, 0, BARS - 1).astype(np.intp)
        np.add.at(counts, (faces.expression[known], bar), 1)
    return counts


def table(faces: Faces) -> NDArray[np.int64]:
    """(8, 5): how many faces of each expression are in each band."""
    counts = np.zeros((len(EXPRESSIONS), len(BANDS)), np.int64)
    known = (faces.expression >= 0) & (faces.band >= 0)
    np.add.at(counts, (faces.expression[known], faces.band[known]), 1)
    return counts


@dataclass(frozen=True)
class Cells:
    """Faces on the map, put together where they lie close.

    Attributes:
        cell: (k,) the numbers of the cells that are not empty, ascending: 40 x column + row, of squares with a side
            of 1/20 from (-1, -1).
        count: (k,) faces in each.
        expression: (k,) int8, the one most of them have; the first of several.
        valence, arousal: (k,) their means.
    """

    cell: NDArray[np.intp]
    count: NDArray[np.intp]
    expression: NDArray[np.int8]
    valence: NDArray[np.float64]
    arousal: NDArray[np.float64]


def cells(faces: Faces) -> Cells:
    """The map's cells; none where the set has no valence or no arousal."""
    if faces.valence is None or faces.arousal is None:
        nothing = np.zeros(0, np.intp)
        return Cells(nothing, nothing, nothing.astype(np.int8), nothing.astype(float), nothing.astype(float))
    known = ~(np.isnan(faces.valence) | np.isnan(faces.arousal))
    valence, arousal = faces.valence[known], faces.arousal[known]
    of, where, count = np.unique(cell_of(valence, arousal), return_inverse=True, return_counts=True)
    votes = np.zeros((len(of), len(EXPRESSIONS) + 1), np.intp)
    np.add.at(votes, (where, faces.expression[known]), 1)
    most = votes.argmax(axis=1)
    return Cells(
        cell=of,
        count=count,
        expression=np.where(most == len(EXPRESSIONS), -1, most).astype(np.int8),
        valence=np.bincount(where, valence, len(of)) / count,
        arousal=np.bincount(where, arousal, len(of)) / count,
    )


def cell_of(valence: NDArray[np.float64], arousal: NDArray[np.float64]) -> NDArray[np.intp]:
    """The number of the cell that a point is in."""
    column, row = (
        np.clip(np.floor((axis + 1) * (CELLS / 2)), 0, CELLS - 1).astype(np.intp)
        for axis in (valence, arousal)
    )
    return CELLS * column + row


def au_means(view: Any, names: Collection[str]) -> dict[str, float | None]:
    """The mean of each of these action units over the faces of a view, from 0 to 1: intensities over 5."""
    import fiftyone as fo

    names = list(names)
    if not names:
        return {}
    found = view.aggregate([fo.Mean(name) for name in names])
    return {name: None if m is None else m / _top(name) for name, m in zip(names, found, strict=True)}


def whole_means(dataset: Any) -> dict[str, float | None]:
    """As `au_means`, over a whole set: read once, and again when a sample has changed.

    Of a chosen set what its recipe kept: the rows that it rejected are browsed with it, and are not of the set.
    """
    stamp = (dataset.count(), dataset.max("last_modified_at"))
    known = _WHOLE.get(dataset.name)
    if known is None or known[0] != stamp:
        known = _WHOLE[dataset.name] = (stamp, au_means(whole_set(dataset), aus_of(dataset)))
    return known[1]


def aus_of(view: Any) -> tuple[str, ...]:
    """The action units that a set has: intensities, then the presences that have no intensity."""
    fields = view.get_field_schema()
    return tuple(name for name in AUS if name in fields)


def au_label(name: str) -> str:
    """`au12` -> `AU12 lip corner puller`."""
    return _DOCS[name].split(",")[0]


def expression_label(code: int) -> str:
    """What people read for an index in `EXPRESSIONS`."""
    return EXPRESSIONS[code].capitalize() if code >= 0 else "No expression"


def _top(name: str) -> float:
    return 1.0 if name.endswith("_p") else 5.0


def _head(path: str) -> str:
    return path.split(".")[0]


def _codes(words: Any, among: tuple[str, ...], count: int) -> NDArray[np.int8]:
    if words is None:
        return np.full(count, -1, np.int8)
    codes = {word: code for code, word in enumerate(among)}
    return np.array([codes.get(word, -1) for word in words], np.int8)
