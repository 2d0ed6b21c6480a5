"""What became of every row: which step let it fall, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

REJECTED_BY = "rejected_by"
REASON = "reason"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a recipe.

    Attributes:
        kind: `status`, `person`, `where`, `dedupe`, `balance` or `pick`.
        clause: what it says, as the user reads it.
        rows_in, rows_out: how many faces came to it, and how many got through.
    """

    kind: str
    clause: str
    rows_in: int
    rows_out: int

    @property
    def share(self) -> float:
        """Of what came in, what got through; 1 where nothing came."""
        return self.rows_out / self.rows_in if self.rows_in else 1.0


class Funnel:
    """Rows on their way through the steps.

    Attributes:
        alive: (n,) bool, the rows that are still in.
        steps: what happened so far.
    """

    def __init__(self, rows: int) -> None:
        self.alive: NDArray[np.bool_] = np.ones(rows, bool)
        self.steps: list[Step] = []
        self._step = np.full(rows, -1, np.int32)
        self._reasons: list[tuple[NDArray[np.intp], pl.Series]] = []

    def rows(self) -> NDArray[np.intp]:
        """Numbers of the rows that are still in, ascending."""
        return np.flatnonzero(self.alive)

    def drop(self, kind: str, clause: str, rows: NDArray[np.intp], reasons: pl.Series | str) -> None:
        """Let rows that are still in fall, each with its reason (String), and count."""
        before = int(self.alive.sum())
        self.alive[rows] = False
        self._step[rows] = len(self.steps)
        if isinstance(reasons, str):
            reasons = pl.repeat(reasons, len(rows), dtype=pl.String, eager=True)
        self._reasons.append((rows, reasons))
        self.steps.append(Step(kind, clause, before, int(self.alive.sum())))

    def ledger(self) -> pl.DataFrame:
        """A row for each: `rejected_by` (the clause) and `reason`; null where it was kept."""
        at = np.concatenate([rows for rows, _ in self._reasons]) if self._reasons else np.empty(0, np.intp)
        words = (
            pl.concat([words for _, words in self._reasons])
            if self._reasons
            else pl.Series([], dtype=pl.String)
        )
        where = np.full(len(self.alive), -1, np.int64)
        where[at] = np.arange(len(at))
        clauses = pl.Series([step.clause for step in self.steps], dtype=pl.String)
        return pl.DataFrame(
            {
                REJECTED_BY: clauses.gather(_index(self._step)),
                REASON: words.gather(_index(where)),
            }
        )


def _index(numbers: NDArray[np.signedinteger]) -> pl.Series:
    """Numbers as an index in which -1 is null."""
    series = pl.Series(numbers.astype(np.int64))
    return series.set(series < 0, None).cast(pl.UInt32)
