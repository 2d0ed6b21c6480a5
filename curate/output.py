"""What commands say: for people, for machines, or nothing but errors.

People get text, tables and hints on standard output; progress goes to standard error. With `--json` a
command prints one JSON document and nothing else. With `--quiet` it prints nothing unless something is wrong.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from curate.errors import CurateError, QueryError
from curate.place import Place

# The exit code of a command that was stopped with Ctrl-C, as shells have it.
INTERRUPTED = 130
_PIPE_WIDTH = 240
# Characters of a long query that are shown on either side of a mistake.
_AROUND = 60

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command's words go."""

    as_json: bool = False
    quiet: bool = False

    @property
    def human(self) -> bool:
        """Whether somebody reads along."""
        return not (self.as_json or self.quiet)

    def data(self, value: Any) -> None:
        """The command's answer, where a machine asked."""
        if self.as_json:
            print(json.dumps(value, indent=2, ensure_ascii=False, default=str))

    def text(self, line: str) -> None:
        """A line for people."""
        if self.human:
            _console().print(line, highlight=False, soft_wrap=True)

    def plain(self, line: str) -> None:
        """A line for people that is not ours: nothing in it is markup, and control characters are shown."""
        if self.human:
            _console().print(visible(line), markup=False, highlight=False, soft_wrap=True)

    def hint(self, command: str, why: str = "") -> None:
        """The next command to type."""
        if self.human:
            from rich.markup import escape

            _console().print(f"{escape(why)}[bold]{escape(command)}[/bold]", highlight=False, soft_wrap=True)

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        right: Sequence[str] = (),
        fold: Sequence[str] = (),
    ) -> None:
        """A table for people; columns named in `right` are numbers, those in `fold` may take several lines."""
        if not self.human:
            return
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=any(columns))
        for name in columns:
            side: Literal["left", "right"] = "right" if name in right else "left"
            table.add_column(Text(name), justify=side, overflow="fold", no_wrap=name not in fold)
        for row in rows:
            table.add_row(*(Text(visible("" if cell is None else str(cell))) for cell in row))
        _console().print(table)


def print_error(error: CurateError) -> None:
    """Two lines: what is wrong, and what to do; for a query also the place, with a line of carets under it."""
    placed = error if isinstance(error, QueryError) and error.position is not None else None
    if "--json" in sys.argv:
        said: dict[str, Any] = {"error": error.message, "where": error.where, "hint": error.hint}
        if placed is not None:
            said |= {"query": placed.query, "position": placed.position, "length": placed.length}
        print(json.dumps(said, ensure_ascii=False))
        return
    from rich.console import Console

    console = Console(stderr=True)
    console.print(f"error: {visible(str(error))}", style="red", markup=False, highlight=False, soft_wrap=True)
    if placed is not None:
        for line in excerpt(placed.query, placed.position or 0, placed.length):
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    if error.hint:
        console.print(f" hint: {visible(error.hint)}", markup=False, highlight=False, soft_wrap=True)


def excerpt(text: str, position: int, length: int) -> tuple[str, str]:
    """The part of a text around a place, and a line of carets that stands under that place."""
    from rich.cells import cell_len

    begin = max(0, position - _AROUND)
    end = min(len(text), position + max(length, 1) + _AROUND)
    before = ("... " if begin else "") + visible(text[begin:position])
    place = visible(text[position : position + length])
    after = visible(text[position + length : end]) + (" ..." if end < len(text) else "")
    return before + place + after, " " * cell_len(before) + "^" * max(1, cell_len(place))


def typed(place: Place) -> str:
    """A path or a URL as the user would type it."""
    here = Path.cwd()
    if isinstance(place, Path) and place.is_absolute() and place.is_relative_to(here):
        place = place.relative_to(here)
    return shlex.quote(str(place))


def visible(text: str) -> str:
    """Text that cannot steer a terminal: file names and metadata are other people's words."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _console() -> Any:
    from rich.console import Console

    # What goes into a file or a pipe is not for a window of 80 columns.
    return Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)
