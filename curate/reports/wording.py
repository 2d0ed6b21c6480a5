"""Numbers in words, the same throughout a report."""

from __future__ import annotations

from collections.abc import Iterable

from curate.recipes.stats import Statistics
from curate.scorers.columns import BANDS

THIN = "\N{NARROW NO-BREAK SPACE}"


def percent(part: float | None, whole: float = 1) -> str:
    """`71 %`; one decimal below 10, and never 0 or 100 for what is neither."""
    if part is None or not whole:
        return "–"
    share = 100 * part / whole
    if 0 < share < 0.1:
        return f"< 0.1{THIN}%"
    if 99.9 < share < 100:
        return f"> 99.9{THIN}%"
    told = f"{share:.1f}" if share < 10 or share > 99 else f"{share:.0f}"
    return f"{told.removesuffix('.0')}{THIN}%"


def count(number: int, one: str, many: str = "") -> str:
    """`1 face`, `2,000 faces`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def number(value: float | None, digits: int = 2) -> str:
    """A figure, or a dash where there is none; what rounds to nothing has no sign."""
    if value is None:
        return "–"
    return f"{round(value, digits) + 0.0:,.{digits}f}"


def listed(words: Iterable[str]) -> str:
    """`a, b and c`."""
    parts = list(words)
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def band_of(stats: Statistics) -> str:
    """The band that the middle face lies in."""
    counts = stats.bands or {}
    half, seen = sum(counts.values()) / 2, 0
    for band in BANDS:
        seen += counts.get(band, 0)
        if seen and seen >= half:
            return band
    return BANDS[0]


def finding(stats: Statistics) -> str:
    """The first thing to know of a set, in a sentence."""
    named = sum((stats.expressions or {}).values())
    if stats.neutral is None or not named:
        return ""
    whole = count(named, "face")
    flat = stats.neutral + (stats.polite or 0)
    what = "neutral" if stats.polite is None else "neutral or politely smiling"
    if not flat:
        return f"None of the {whole} is {what}." if named > 1 else f"The one face is not {what}."
    if flat == named:
        return f"All {whole} are {what}." if named > 1 else f"The one face is {what}."
    return f"{percent(flat, named)} of the {whole} are {what}."
