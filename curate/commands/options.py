"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.place import place_of


def short_name(scores: str) -> str:
    """What files that are made of a score set are called, if nobody says otherwise."""
    place = place_of(scores)
    name = place.resolve().name if isinstance(place, Path) else place.name
    return name.removesuffix(".scores")


# Text, not Path: a path has no `//`.
ScoresArgument = Annotated[
    str, typer.Argument(help="A score set: a folder, or a URL (s3://...).", show_default=False)
]
AffectOption = Annotated[
    str | None,
    typer.Option(
        "--affect",
        help="A table of affect of your own (docs/affect.md); `shipped` for ours [default: the set's].",
        show_default=False,
    ),
]
WordsOption = Annotated[
    str | None,
    typer.Option(
        "--words",
        help="More words for the lexicon (docs/lexicon.md); `shipped` for none [default: the set's].",
        show_default=False,
    ),
]
