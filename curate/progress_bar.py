"""The bar that long commands show: how far, how fast, how long yet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from curate.output import Output

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@contextlib.contextmanager
def progress_bar(output: Output, *fields: str, before: str = "") -> Iterator[Progress | None]:
    """A bar on standard error; None where there is no terminal, or nobody to read it.

    Args:
        output: where the command's words go.
        fields: of a task, shown at the end of its line. Every task has the field `rate` (see `rate`), too.
        before: stands before the description of each task.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not output.human or not console.is_terminal:
        yield None
        return
    import rich.progress as bars

    with bars.Progress(
        bars.TextColumn(before + "{task.description}"),
        bars.BarColumn(bar_width=None),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[rate]}"),
        bars.TimeRemainingColumn(),
        *(bars.TextColumn(f"{{task.fields[{name}]}}") for name in fields),
        console=console,
        transient=True,
    ) as bar:
        yield bar


def rate(bar: Progress, task: TaskID, unit: str = "") -> str:
    """How fast a task goes: `12.3/s`, `1,234 pictures/s`; empty where that is not known yet."""
    found = bar.tasks[bar.task_ids.index(task)]
    speed = found.finished_speed or found.speed
    if not speed:
        return ""
    number = f"{speed:.1f}" if speed < 100 else f"{speed:,.0f}"
    return f"{number} {unit}".rstrip() + "/s"
