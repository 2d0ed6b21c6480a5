"""A Hugging Face hub on localhost, as far as uploads of datasets need one: repositories in memory."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Repository:
    """A dataset of the hub."""

    private: bool
    files: dict[str, bytes] = field(default_factory=lambda: {".gitattributes": b""})
    commits: list[str] = field(default_factory=lambda: ["initial commit"])

    @property
    def sha(self) -> str:
        """Of the last commit."""
        return f"{len(self.commits):040}"


class Hub:
    """`repositories` by id; `role` of every token; the next requests whose path holds a key of `refusals` are answered
    with its status. Once it is `gone` it answers nothing."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.refusals: dict[str, int] = {}
        self.role = "write"
        self.gone = False
        self.tokens: set[str | None] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.answer(self, b"")

            def do_HEAD(self) -> None:
                outer.answer(self, b"")

            def do_POST(self) -> None:
                outer.answer(self, self._body())

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if self.gone:
            handler.close_connection = True
            return
        self.tokens.add(handler.headers.get("Authorization"))
        path = handler.path.split("?")[0]
        status: int
        for part in [part for part in self.refusals if part in path]:
            status = self.refusals.pop(part)
            said: Any = {"error": "not today"}
            break
        else:
            status, said = self._said(path, body)
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        if isinstance(said, bytes):  # a file
            handler.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')  # noqa: S324
            handler.send_header("X-Repo-Commit", path.split("/resolve/")[1].split("/")[0])
        handler.send_header("Content-Length", str(len(data)))
        if status >= 400:
            handler.send_header("X-Error-Message", said["error"])
        if status == 404:
            handler.send_header("X-Error-Code", "RepoNotFound")
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(data)

    def _said(self, path: str, body: bytes) -> tuple[int, Any]:
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            url = f"{self.url}/datasets/{name}"
            if name in self.repositories:
                return 409, {"error": "You already created this dataset repo", "url": url}
            private = asked.get("visibility") == "private" or bool(asked.get("private"))
            self.repositories[name] = Repository(private)
            return 200, {"url": url, "id": name}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if path == "/api/whoami-v2":
            return 200, {"name": "me", "orgs": [{"name": "us"}], "auth": {"accessToken": {"role": self.role}}}
        if "/resolve/" in path:
            name, _, file = path.removeprefix("/datasets/").partition("/resolve/")
            return 200, self.repositories[name].files[file.partition("/")[2]]
        parts = path.removeprefix("/api/datasets/").split("/")
        name, what = "/".join(parts[:2]), parts[2] if len(parts) > 2 else ""
        repository = self.repositories.get(name)
        if repository is None:
            return 404, {"error": f"no repository {name}"}
        if what == "tree":
            files = repository.files.items()
            return 200, [{"type": "file", "path": p, "size": len(d), "oid": "0" * 40} for p, d in files]
        if what == "commits":
            when = "2026-01-01T00:00:00.000Z"
            titles = reversed(repository.commits)
            return 200, [
                {"id": repository.sha, "title": t, "message": "", "date": when, "authors": []} for t in titles
            ]
        if what == "preupload":
            asked = json.loads(body)["files"]
            modes = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked]
            return 200, {"files": modes}
        if what == "commit":
            lines = [json.loads(line) for line in body.splitlines()]
            if lines[0]["value"].get("parentCommit", repository.sha) != repository.sha:
                return 412, {"error": "a commit has happened since"}
            for told in lines:
                if told["key"] == "header":
                    repository.commits.append(told["value"]["summary"])
                elif told["key"] == "file":
                    repository.files[told["value"]["path"]] = base64.b64decode(told["value"]["content"])
                elif told["key"] == "deletedFile":
                    del repository.files[told["value"]["path"]]
            sha = repository.sha
            return 200, {
                "commitUrl": f"{self.url}/datasets/{name}/commit/{sha}",
                "commitOid": sha,
                "success": True,
            }
        return 200, {
            "id": name,
            "sha": repository.sha,
            "private": repository.private,
            "tags": [],
            "downloads": 0,
        }


@contextmanager
def hub() -> Iterator[Hub]:
    """A hub that is shut down at the end."""
    made = Hub()
    try:
        yield made
    finally:
        made.http.shutdown()
        made.http.server_close()
