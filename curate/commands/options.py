"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

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
