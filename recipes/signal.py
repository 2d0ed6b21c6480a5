"""Do the action units of a set say anything at all?

One official checkpoint was reported to give much the same action units whatever the face. Numbers like that
look like numbers, so a set is held against its own expressions: where faces plainly express something, muscles move.
"""

from __future__ import annotations

import polars as pl

from curate.recipes.affect import Affect, energy, expressivity, load_affect
from curate.scorers.columns import EXPRESSIONS, INTENSITY_AUS, PRESENCE_AUS

# The columns it looks at.
READS = (*EXPRESSIONS, *(f"au{n:02}" for n in INTENSITY_AUS), *(f"au{n:02}_p" for n in PRESENCE_AUS))
# Fewer faces than this say nothing about a head.
_FACES = 20
_CORRELATED_FACES = 50
# Of more than this, every second, third ... face is looked at.
ENOUGH = 100_000
# Expressivity whose standard deviation is less than this has nothing to correlate with.
_SPREAD = 0.1
_CORRELATION = 0.2
# FACS points that one face in a hundred should reach in some action unit: A, "trace".
_TRACE = 1.0
# The expressivity of the hundredth face from which that is to be expected.
_EXPRESSIVE = 0.5
_HINT = "temperature leans on them: `curate models verify`, or score with another scorer"


def dead_heads(frame: pl.DataFrame, affect: Affect | None = None) -> list[str]:
    """What speaks against the action units of a set, a sentence each; nothing for a healthy one.

    - An output is the same for every face while expressions are not. An intensity that is always 0 is rare, not dead.
    - No action unit reaches a trace (99th percentile under 1 point) though faces express something.
    - Energy hardly goes with expressivity (Pearson's r under .2, of 50 faces or more).

    Args:
        frame: rows of a set, with its action units and expressions; those without an answer are passed over.
        affect: how energy and expressivity are made; the shipped table if None.
    """
    affect = affect or load_affect()
    intensities = [name for n in INTENSITY_AUS if (name := f"au{n:02}") in frame.columns]
    presences = [name for n in PRESENCE_AUS if (name := f"au{n:02}_p") in frame.columns]
    heads = intensities + presences
    if not heads or not set(EXPRESSIONS) <= set(frame.columns):
        return []
    rows = frame.select(*EXPRESSIONS, *heads).drop_nulls()
    rows = rows.gather_every(max(rows.height // ENOUGH, 1))
    if rows.height < _FACES or rows.select(EXPRESSIONS).n_unique() < _FACES:
        return []
    warnings = []
    first = rows.select(heads).row(0, named=True)
    still = [name for name in heads if rows[name].n_unique() == 1]
    if still == heads:
        return [
            f"all action units are the same for all {rows.height:,} faces: these outputs are dead; {_HINT}"
        ]
    if still := [name for name in still if name in presences or first[name] > 0]:
        warnings.append(
            f"{', '.join(still)}: the same for all {rows.height:,} faces; these outputs are dead; {_HINT}"
        )
    said = rows.select(expressivity(affect)).to_series()
    moved = rows.select(energy(affect, rows.columns)).to_series()
    highest = max((_quantile(rows[name], 0.99) for name in intensities), default=_TRACE)
    if highest < _TRACE and _quantile(said, 0.99) >= _EXPRESSIVE:
        warnings.append(
            f"no action unit reaches 1 point of 5 (99th percentile {highest:.2f} at most) though the expressions "
            f"say that faces are far from neutral: the outputs look dead; {_HINT}"
        )
    elif rows.height >= _CORRELATED_FACES and _deviation(said) >= _SPREAD:
        together = pl.DataFrame({"said": said, "moved": moved}).select(pl.corr("said", "moved")).item()
        if together is None or not together >= _CORRELATION:
            found = "none" if together is None or together != together else f"{together:.2f}"
            warnings.append(
                f"the action units hardly go with the expressions (correlation of energy and expressivity {found}, "
                f"under {_CORRELATION}): they look dead, or one of the two was not made for such pictures; {_HINT}"
            )
    return warnings


def _quantile(values: pl.Series, share: float) -> float:
    found = values.quantile(share)
    return 0.0 if found is None else float(found)


def _deviation(values: pl.Series) -> float:
    found = values.cast(pl.Float64).std()
    return found if isinstance(found, float) else 0.0
