"""`curate browse`, as a person types it, with the app open until the test has seen enough."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def browsing(folder: Path, said: Path, *options: str, **environment: str) -> Iterator[str]:
    """The address of the app; ends it with Ctrl-C, and holds that it goes quietly. Its words are in the file `said`."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "curate.app",
        "browse",
        str(folder),
        "--remote",
        "--port",
        str(port),
        *options,
    ]
    with said.open("w") as words:
        process = subprocess.Popen(
            command, stdout=words, stderr=subprocess.STDOUT, start_new_session=True,
            # The installed package, not the folder of the same name that the tests stand in.
            env=os.environ | {"PYTHONSAFEPATH": "1"} | environment,
        )  # fmt: skip
    try:
        until = time.monotonic() + 100
        while (found := re.search(r"http://\S+", said.read_text())) is None:
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.1)
        yield found[0]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, said.read_text()
    finally:
        process.kill()
        process.wait()
