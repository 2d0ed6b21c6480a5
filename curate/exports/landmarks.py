"""The landmarks of the faces, where an export was asked for them."""

from __future__ import annotations

from curate.errors import ExportError
from curate.exports.job import Job

LANDMARKS = "landmarks"


def check_landmarks(job: Job) -> None:
    """That there are some; ExportError where the set was scored without."""
    if LANDMARKS not in job.rows.columns:
        raise ExportError(
            "the set has no landmarks",
            where=str(job.scores.place),
            hint="curate score SOURCE --landmarks, or leave out --with-landmarks",
        )
