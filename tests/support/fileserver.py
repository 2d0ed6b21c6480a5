"""A real HTTP server on localhost for tests of downloads: ranges, ETags, and answers that go wrong on demand."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server:
    """Serves `files` by path. The first requests are answered by the functions in `script`, the rest properly."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.script: list[Callable[[BaseHTTPRequestHandler], None]] = []
        self.requests: list[tuple[str, str | None]] = []
        self.ranges = self.marks = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.requests.append((self.path, self.headers.get("Range")))
                if outer.script:
                    outer.script.pop(0)(self)
                else:
                    outer.serve(self)

            def log_message(self, *args: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args: Any) -> None:
                """A client that hung up is nothing to print."""

        self.http = Quiet(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def serve(self, handler: BaseHTTPRequestHandler, cut: int | None = None) -> None:
        """A whole answer, or one that breaks off after `cut` bytes."""
        content = self.files.get(handler.path)
        if content is None:
            handler.send_error(404)
            return
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        asked, start = handler.headers.get("Range"), 0
        if asked and self.ranges and handler.headers.get("If-Range") in (None, etag):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            handler.send_response(200)
        handler.send_header("Content-Type", "application/octet-stream")
        handler.send_header("Content-Length", str(len(content) - start))
        if self.marks:
            handler.send_header("ETag", etag)
        handler.end_headers()
        body = content[start:]
        handler.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            handler.wfile.flush()
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True


@contextmanager
def serving() -> Iterator[Server]:
    """A server that is shut down at the end."""
    server = Server()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
