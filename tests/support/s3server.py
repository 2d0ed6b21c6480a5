"""An S3 server on this machine, moto, in a process of its own; and one bucket of it, as a test sees it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Bucket:
    """An empty bucket. `env` is what a program needs to reach it; this process has it already."""

    name: str
    env: dict[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    def put(self, key: str, data: bytes) -> str:
        """Write an object; gives its URL."""
        system().pipe_file(f"{self.name}/{key}", data)
        return f"{self.url}/{key}"

    def get(self, key: str) -> bytes:
        return bytes(system().cat_file(f"{self.name}/{key}"))

    def delete(self, key: str) -> None:
        system().rm_file(f"{self.name}/{key}")

    def keys(self, below: str = "") -> list[str]:
        """The keys that begin with `below` and a slash, sorted."""
        found = system().find(f"{self.name}/{below}".rstrip("/"))
        return sorted(str(path).partition("/")[2] for path in found)


def start() -> tuple[dict[str, str], Callable[[], None]]:
    """Start a server on a free port; the environment that leads there, and what stops it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env={**os.environ, "PYTHONSAFEPATH": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert server.poll() is None, "the S3 server ended at once"
        time.sleep(0.05)

    def stop() -> None:
        server.terminate()
        server.wait(20)

    return environment(f"http://127.0.0.1:{port}"), stop


def environment(address: str) -> dict[str, str]:
    """What AWS's libraries read; nothing of the user's own is left to be found."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "very-secret-testing-key",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def forget() -> None:
    """Let the next look at S3 read the environment anew."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()


def system() -> Any:
    import s3fs

    return s3fs.S3FileSystem(use_listings_cache=False)
