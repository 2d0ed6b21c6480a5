"""How far a run is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


@dataclass(slots=True)
class Progress:
    """How far a run is.

    Attributes:
        total: inputs there are; None where only the end will tell.
        checked: inputs whose content was compared with what the set holds, before anything is scored.
        listed: new inputs that were gathered for a cluster, before anything is scored.
        kept: inputs whose rows were there already.
        scored: inputs that were worked on in this run.
        statuses: of the inputs worked on, how many had which status.
    """

    total: int | None = None
    checked: int = 0
    listed: int = 0
    kept: int = 0
    scored: int = 0
    statuses: Counter[str] = field(default_factory=Counter)

    def count(self, pictures: int, rows: pl.DataFrame) -> None:
        """Add pictures that were worked on, with the rows that they have now."""
        self.scored += pictures
        if "status" in rows.columns:
            self.statuses.update(rows.unique("image", keep="first")["status"].to_list())
