"""What FiftyOne loads: it knows folders, not packages. Everything is in curate's own modules."""

from __future__ import annotations

from typing import Any


def register(plugin: Any) -> None:
    """FiftyOne calls this with what panels and operators are registered on."""
    from curate.browsing.operators import OPERATORS
    from curate.browsing.panel import EmotionalTemperature

    for operator in (EmotionalTemperature, *OPERATORS):
        plugin.register(operator)
