"""What a click or a drawn region stands for: the part of a view that has those faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from curate.browsing.panel_data import BAR, BARS, CELLS, THERE, au_label, aus_of
from curate.browsing.panel_plots import cell_numbers
from curate.scorers.columns import EXPRESSIONS

_LABEL = "expression.label"


def of_bar(view: Any, name: str, temperature: float) -> Any:
    """The faces of a bar of the histogram: of one expression, about as hot as this."""
    from fiftyone import ViewField as F

    bar = min(int(temperature // BAR), BARS - 1)
    heat = F("temperature")
    hot = heat >= BAR * bar
    # The last bar has 100 itself.
    return _of_expression(view, name).match(hot & (heat < BAR * (bar + 1)) if bar < BARS - 1 else hot)


def of_cell(view: Any, name: str, band: str) -> Any:
    """The faces of one expression in one band."""
    from fiftyone import ViewField as F

    return _of_expression(view, name).match(F("band") == band)


def of_region(view: Any, ids: Sequence[str]) -> Any:
    """The faces of the dots that were chosen on the map: samples, or cells of the map."""
    from fiftyone import ViewField as F

    cells = cell_numbers(ids)
    if not cells:
        return view.select(list(ids))
    column, row = (
        ((F(axis) + 1) * (CELLS / 2)).floor().max(0).min(CELLS - 1) for axis in ("valence", "arousal")
    )
    known = (F("valence") != None) & (F("arousal") != None)  # noqa: E711
    return view.match(known & (column * CELLS + row).is_in(cells))


def of_action_unit(view: Any, label: str) -> Any:
    """The faces in which a muscle moves, the strongest first; None for no action unit of the set."""
    from fiftyone import ViewField as F

    names = {au_label(name): name for name in aus_of(view)}
    name = names.get(label)
    if name is None:
        return None
    least = THERE[not name.endswith("_p")]
    return view.match(F(name) >= least).sort_by(name, reverse=True)


def _of_expression(view: Any, name: str) -> Any:
    """`name` is what people read: `Happiness`, or `No expression`."""
    from fiftyone import ViewField as F

    word = name.lower()
    if word in EXPRESSIONS:
        return view.match(F(_LABEL) == word)
    return view.match((F(_LABEL) == None) | ~F(_LABEL).is_in(list(EXPRESSIONS)))  # noqa: E711
