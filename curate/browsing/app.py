"""The FiftyOne app on a dataset: quiet, on a port that is free, until somebody has seen enough."""

from __future__ import annotations

import contextlib
import io
import os
import socket
from collections.abc import Iterator
from typing import Any

from curate.browsing.database import configured
from curate.errors import InputError

PORT = 5151
# How large the grid's pictures are at least, of 10: large enough for their labels.
_GRID_ZOOM = 8
# The grid's share of the window; the panel has the rest.
_GRID_SHARE = 0.62


def quieten() -> None:
    """Settings for a FiftyOne that is yet to be imported, where the user has made none of their own.

    Nobody is told what is looked at here, and what FiftyOne says of itself does not drown what is said of the faces.
    """
    for setting, key, value in (
        ("FIFTYONE_DO_NOT_TRACK", "do_not_track", "true"),
        ("FIFTYONE_LOGGING_LEVEL", "logging_level", "ERROR"),
        ("FIFTYONE_SHOW_PROGRESS_BARS", "show_progress_bars", "false"),
    ):
        if configured(setting, key) is None:
            os.environ[setting] = value


def free_port(asked: int | None) -> int:
    """The port that was asked for, or that FiftyOne is set to, if nobody else has it.

    Raises:
        InputError: somebody else has it.
    """
    said = configured("FIFTYONE_DEFAULT_APP_PORT", "default_app_port")
    port = asked if asked is not None else int(said or PORT)
    if _is_taken(port):
        other = next((p for p in range(port + 1, min(port + 100, 65_536)) if not _is_taken(p)), port + 1)
        raise InputError(
            f"port {port} is taken, perhaps by another app that is still open", hint=f"--port {other}"
        )
    return port


def _is_taken(port: int) -> bool:
    with socket.socket() as trying:
        trying.settimeout(1)
        return trying.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def open_app(dataset: Any, port: int, *, view: Any = None, remote: bool = False) -> Iterator[str]:
    """The app on a dataset; it ends with the block.

    Args:
        dataset: what it shows.
        port: where it listens, on this machine.
        view: what of it is shown first.
        remote: do not open a browser here.

    Yields:
        Its address.

    Raises:
        InputError: it does not start.
    """
    import fiftyone as fo
    import fiftyone.core.utils as fou

    try:
        # While its server starts FiftyOne says more than once that it is not there yet.
        with contextlib.redirect_stdout(io.StringIO()):
            session = fo.launch_app(
                dataset, view=view, spaces=_spaces(), config=_config(), port=port, remote=remote
            )
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"the app does not start: {reason}", hint=f"--port {port + 1}") from error
    try:
        shown = f"?view={fou.to_slug(view.name)}" if view is not None and view.name else ""
        yield f"http://localhost:{port}/datasets/{dataset.slug}{shown}"
    finally:
        # FiftyOne would say that the session ended early.
        session._disable_wait_warning = True
        session.close()


def _spaces() -> Any:
    """The grid, and the panel *Emotional temperature* at its right."""
    import fiftyone as fo

    from curate.browsing.panel import NAME

    grid = fo.Space(children=[fo.Panel(type="Samples", pinned=True)])
    panel = fo.Space(children=[fo.Panel(type=NAME)])
    for space in (grid, panel):  # one without an active child opens blank
        space.active_child = space.children[0].component_id
    return fo.Space(children=[grid, panel], orientation="horizontal", sizes=[_GRID_SHARE, 1 - _GRID_SHARE])


def _config() -> Any:
    """The user's own settings of the app."""
    import fiftyone as fo

    config = fo.app_config.copy()
    config.grid_zoom = max(config.grid_zoom, _GRID_ZOOM)
    return config
