"""What a face does, as a vector: one number in [0, 1] for each action unit."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.scorers.columns import INTENSITY_AUS, PRESENCE_ONLY_AUS

_MOST = 5.0  # FACS points


def au_columns(columns: Collection[str]) -> tuple[str, ...]:
    """Of a set's columns those that `au_vectors` reads, in its order: intensities, then presences."""
    intensities = (f"au{n:02}" for n in INTENSITY_AUS)
    presences = (f"au{n:02}_p" for n in PRESENCE_ONLY_AUS)
    return tuple(name for name in (*intensities, *presences) if name in columns)


def au_vectors(frame: pl.DataFrame) -> NDArray[np.float32]:
    """The action units of each row.

    Returns:
        (n, k) float32 in [0, 1]: the intensities of 12 AUs over 5, then the presence of AU 7, 10, 14, 23 and 24,
        which have no intensity. Columns that the set lacks are left out, so k <= 17, and 0 without any.
        A row with a null among them is NaN throughout: half a vector cannot be compared with a whole one.
    """
    names = au_columns(frame.columns)
    vectors = np.empty((frame.height, len(names)), np.float32)
    for i, name in enumerate(names):
        values = frame.get_column(name).cast(pl.Float32).fill_null(np.nan).to_numpy()
        np.clip(values if name.endswith("_p") else values / np.float32(_MOST), 0, 1, out=vectors[:, i])
    vectors[np.isnan(vectors).any(axis=1)] = np.nan
    return vectors


def whole(vectors: NDArray[np.float32]) -> NDArray[np.int16]:
    """Vectors as whole thousandths: (n, k) int16 in [0, 1000], -1 throughout where a row is NaN.

    Sums of whole numbers are the same on every machine and in every order, which is what makes picks so.
    """
    numbers = np.empty(vectors.shape, np.int16)
    for first in range(0, len(vectors), 1 << 15):
        some = slice(first, first + (1 << 15))
        unknown = np.isnan(vectors[some]).any(axis=1)
        thousandths = np.rint(vectors[some] * np.float32(1000))
        thousandths[unknown] = -1
        numbers[some] = thousandths
    return numbers
