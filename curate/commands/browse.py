"""`curate browse`."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from socket import gethostname
from typing import TYPE_CHECKING, Annotated

import typer

from curate.commands.options import ScoresArgument
from curate.output import JsonFlag, Output, QuietFlag, typed
from curate.place import place_of
from curate.progress_bar import progress_bar, rate

if TYPE_CHECKING:
    from curate.browsing.dataset import Imported


def browse(
    scores: ScoresArgument,
    name: Annotated[
        str | None,
        typer.Option(help="Of the FiftyOne dataset [default: the set's own].", show_default=False),
    ] = None,
    landmarks: Annotated[
        bool,
        typer.Option("--landmarks", help="Also the mesh and 68 points of each face, if the set has them."),
    ] = False,
    remote: Annotated[
        bool, typer.Option("--remote", help="Open no browser here; say how to come from another machine.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(help="Of the app [default: 5151].", min=1, max=65_535, show_default=False)
    ] = None,
    no_launch: Annotated[
        bool, typer.Option("--no-launch", help="Bring the dataset up to date; do not open the app.")
    ] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Look at a score set in the FiftyOne app, until Ctrl-C.

    Every face is a sample there, with its scores, saved views and a panel for its emotional temperature. The score set
    stays the source of truth: the same command again writes what has changed in it, and nothing else.

    Examples:

      curate browse faces.scores

      curate browse keep.scores --port 5152

      curate browse faces.scores --remote
    """
    output = Output(json, quiet)
    from curate.browsing.app import free_port, open_app, quieten
    from curate.browsing.database import check_database
    from curate.scoreset import open_scores

    opened = open_scores(scores)
    at = None if no_launch else free_port(port)
    check_database()
    quieten()
    from curate.browsing.dataset import import_scores
    from curate.browsing.enabling import enable_plugin
    from curate.browsing.views import first_view

    with _progress(output) as show:
        dataset, imported = import_scores(opened, name=name, landmarks=landmarks, progress=show)
    enable_plugin()
    if at is None:
        output.data(imported.document())
        _tell(imported, output)
        output.hint(f"curate browse {typed(place_of(scores))}", "Next:  ")
        return
    app = open_app(dataset, at, view=first_view(dataset, opened), remote=remote)
    with contextlib.suppress(KeyboardInterrupt), app as address:  # Ctrl-C is how one leaves
        output.data(imported.document() | {"address": address})
        _tell(imported, output)
        output.plain(f"{address}    Ctrl-C ends it")
        if remote:
            output.plain("On the other machine, and then the same address there:")
            output.hint(f"ssh -N -L {at}:127.0.0.1:{at} {gethostname()}", "  ")
        sys.stdout.flush()
        _wait()
    # The app is closed and everything written; with FiftyOne's threads about, Python takes half a minute to end.
    os._exit(0)


def _wait() -> None:
    """Until Ctrl-C, whichever of FiftyOne's threads the system hands it to."""
    while True:
        time.sleep(0.5)


def _tell(imported: Imported, output: Output) -> None:
    output.plain(
        f"{imported.dataset}: {imported.samples:,} samples in FiftyOne ({imported.new:,} new, "
        f"{imported.changed:,} changed, {imported.kept:,} as they were; {imported.removed:,} removed), "
        f"{imported.seconds:.1f} s"
    )


@contextlib.contextmanager
def _progress(output: Output) -> Iterator[Callable[[int, int], None]]:
    """What shows an import's progress."""
    with progress_bar(output) as bar:
        if bar is None:
            yield lambda done, total: None
            return
        task = bar.add_task("opening FiftyOne", total=None, rate="")

        def show(done: int, total: int) -> None:
            bar.update(task, description="importing", total=total, completed=done, rate=rate(bar, task))

        yield show
