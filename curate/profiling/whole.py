"""Scorers from faces to answers under both profiles: how fast, and how far apart."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from curate.models.gate import MAX_GAZE, Error
from curate.models.profile import Alignment
from curate.scorers.fast_align import VERSION
from curate.scorers.libreface import LibreFace
from curate.scorers.scorer import make_scorer

if TYPE_CHECKING:
    from curate.scorers.face import Face

_BATCH = 8


@dataclass(frozen=True, slots=True)
class Whole:
    """A scorer from faces to answers, `fast` against `exact`: everything that the profile changes.

    `exact_ms` and `fast_ms` are of CPU a face; the rest is as in `Measured`.
    """

    scorer: str
    exact_ms: float
    fast_ms: float
    label_flips: float
    presence_flips: float
    mean: float
    p99: float


def compare_whole(scorer: str, faces: Sequence[Face]) -> Whole:
    """Both profiles of a scorer on the same faces, in turns, in batches of 8, on the CPU."""
    scorers = {"exact": make_scorer(scorer), "fast": make_scorer(scorer, "fast")}
    times: dict[str, list[float]] = {name: [] for name in scorers}
    answers: dict[str, list[Any]] = {name: [] for name in scorers}
    for one in scorers.values():
        one.open("cpu")
        one.score([_fresh(face) for face in faces[:_BATCH]])
    for start in range(0, len(faces), _BATCH):
        for name, one in scorers.items():
            batch = [_fresh(face) for face in faces[start : start + _BATCH]]
            begin = time.process_time()
            answers[name].append(one.score(batch))
            times[name].append(1000 * (time.process_time() - begin) / len(batch))
    columns = [c.name for c in scorers["exact"].columns]
    exact, fast = (
        {c: np.concatenate([np.asarray(part[c]) for part in answers[name]]) for c in columns}
        for name in scorers
    )
    return Whole(scorer, median(times["exact"]), median(times["fast"]), *_apart(exact, fast))


def measure_alignment(faces: Sequence[Face], scorer: type[LibreFace] = LibreFace) -> Alignment:
    """LibreFace's fast alignment and carried mesh against the exact ones, every network in float32."""
    exact, fast = scorer(), scorer()
    fast.options = {"profile": "fast", "alignment": VERSION}
    for one in (exact, fast):
        one.open("cpu")
    before, now = (
        {c.name: np.concatenate([np.asarray(part[c.name]) for part in parts]) for c in exact.columns}
        for parts in (
            [one.score([_fresh(f) for f in faces[i : i + _BATCH]]) for i in range(0, len(faces), _BATCH)]
            for one in (exact, fast)
        )
    )
    flips, presence, mean, p99 = _apart(before, now)
    problem = Error(flips, presence, mean, p99).problem
    gaze, gaze_problem = None, ""
    if "gaze_yaw" in before:
        turned = np.abs(np.stack([before[c] - now[c] for c in ("gaze_yaw", "gaze_pitch")]))
        seen = turned[:, ~np.isnan(turned).any(axis=0)]
        gaze = float(seen.mean()) if seen.size else None
        if gaze is None or gaze > MAX_GAZE:
            gaze_problem = "no gaze to compare" if gaze is None else f"gaze differs by {gaze:.1f} degrees"
    return Alignment(
        fast=not problem,
        carried=not gaze_problem,
        label_flips=flips,
        presence_flips=presence,
        mean=mean,
        p99=p99,
        gaze=gaze,
        problem=problem,
        gaze_problem=gaze_problem,
    )


def _apart(
    exact: Mapping[str, NDArray[Any]], fast: Mapping[str, NDArray[Any]]
) -> tuple[float, float, float, float]:
    """Label flips, presence flips, mean and 99th percentile of |difference| of the intensities."""
    intensities = [c for c in exact if c.startswith("au") and not c.endswith("_p")]
    apart = np.abs(np.stack([exact[c].astype(float) - fast[c].astype(float) for c in intensities]))
    presence = [(exact[c] >= 0.5) != (fast[c] >= 0.5) for c in exact if c.endswith("_p")]
    flips = float((exact["expression"] != fast["expression"]).mean())
    return flips, float(np.mean(presence)), float(apart.mean()), float(np.quantile(apart, 0.99))


def _fresh(face: Face) -> Face:
    """The same face with nothing computed yet."""
    return replace(face)
