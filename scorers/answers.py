"""From a network's arrays to the columns that every expression scorer fills (`columns.expression_columns`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from curate.scorers.columns import EXPRESSIONS, INTENSITY_AUS, PRESENCE_AUS

Answers = dict[str, NDArray[np.generic] | Sequence[object]]


def action_units(intensity: NDArray[np.float32], presence: NDArray[np.float32]) -> Answers:
    """Intensities (N, 12) from 0 to 5 and probabilities (N, 12), in the order of the catalogue, by column."""
    names = (*(f"au{n:02}" for n in INTENSITY_AUS), *(f"au{n:02}_p" for n in PRESENCE_AUS))
    return dict(zip(names, (*intensity.T, *presence.T), strict=True))


def expressions(p: NDArray[np.float64], best: NDArray[np.intp]) -> Answers:
    """Probabilities (N, 8), the name of the best one, of which `best` (N,) is the number, and its probability."""
    values: Answers = dict(zip(EXPRESSIONS, p.T, strict=True))
    values["expression"] = [EXPRESSIONS[i] for i in best]
    values["confidence"] = p[np.arange(len(p)), best]
    return values
