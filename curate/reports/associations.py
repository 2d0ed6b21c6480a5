"""What the expression goes with: prompts, models, poses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from curate.output import visible
from curate.reports.material import Gap, Material
from curate.reports.wording import listed, number

_LONG = 90
_WEAK = 0.1


@dataclass(frozen=True, slots=True)
class Associated:
    """A column, Cramér's V with expression and band, and what stands out."""

    column: str
    faces: int
    v: float
    told: str
    band: str
    deviation: str


@dataclass(frozen=True, slots=True)
class Associations:
    """What the section shows; `skipped` are columns without a figure, and why."""

    finding: str
    columns: tuple[Associated, ...]
    skipped: tuple[tuple[str, str], ...]


def associations(material: Material) -> Associations | Gap:
    """Cramér's V of the expression, and of the band, with the set's other columns."""
    tables = material.stats.associations
    if not material.has("expression") or "expression" not in tables:
        return material.gap("Expressions are not scored in this set.")
    rows = tables["expression"].to_dicts()
    bands = {row["column"]: row["v"] for row in tables["band"].to_dicts()} if "band" in tables else {}
    known = [row for row in rows if row["v"] is not None]
    columns = tuple(
        Associated(
            row["column"],
            row["faces"],
            row["v"],
            number(row["v"]),
            number(bands.get(row["column"])),
            _short(row["deviation"]) or "nothing beyond chance",
        )
        for row in known
    )
    return Associations(
        _finding(known), columns, tuple((r["column"], _short(r["skipped"])) for r in rows if r["skipped"])
    )


def _finding(known: list[dict[str, Any]]) -> str:
    strong = [row for row in known if row["v"] >= _WEAK and row["deviation"]]
    if strong:
        columns = listed(row["column"] for row in strong[:3])
        return f"The expression goes with {columns}: {_short(strong[0]['deviation'])}."
    if known:
        columns = listed(row["column"] for row in known)
        return f"Of what is known of these faces ({columns}), nothing plainly goes with the expression."
    return "Nothing is known of these faces that the expression could go with."


def _short(text: str | None) -> str:
    shown = visible(text or "")
    return shown if len(shown) <= _LONG else f"{shown[:_LONG]}…"
