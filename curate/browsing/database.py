"""Whether FiftyOne and its MongoDB can be used here, found out in seconds."""

from __future__ import annotations


def check_database() -> None:
    """Placeholder until written."""
