"""Datasets of the hub, from a hub on localhost: real requests over real sockets, by `datasets` itself."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scoresets
from PIL import Image

SHA = "0123456789abcdef0123456789abcdef01234567"

# Prints the image, the bytes' digest and where they come from, for every input; or the error and its hint.
LIST = """
import hashlib, sys
from curate.errors import InputError
from curate.sources import open_source
try:
    source = open_source(sys.argv[1], split=sys.argv[2] or None, limit=int(sys.argv[3]))
    print(source.name, source.kind, source.location, source.count)
    for item in source:
        print(item.image, hashlib.sha256(item.read()).hexdigest()[:12], item.path)
except InputError as error:
    print("ERROR", error, "|", error.hint)
"""


class Hub(ThreadingHTTPServer):
    """A hub with the repositories in a folder: `root/ORG/NAME/...`; ORG `gated` lets nobody in."""

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.root = root
        self.requests: list[str] = []

    def list(self, source: str, split: str = "", limit: int = 1000, **environment: str) -> list[str]:
        """What a user of this hub gets, in a process that knows no other hub."""
        home = str(self.root.parent / "home")
        own = {"HF_ENDPOINT": f"http://127.0.0.1:{self.server_port}", "HF_HOME": home, "HF_HUB_OFFLINE": "0"}
        own["USE_TORCH"] = "0"  # `datasets` would import it, for two seconds a time
        done = subprocess.run(
            [sys.executable, "-c", LIST, source, split, str(limit)],
            capture_output=True, text=True, check=False, env={**os.environ, **own, **environment},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def run(self, *command: str) -> tuple[int, dict[str, Any]]:
        """A command of a user of this hub: its exit code and its JSON."""
        home = str(self.root.parent / "home")
        own = {"HF_ENDPOINT": f"http://127.0.0.1:{self.server_port}", "HF_HOME": home, "HF_HUB_OFFLINE": "0"}
        done = subprocess.run(
            [sys.executable, "-m", "curate.app", *command], capture_output=True, text=True, check=False,
            env={**os.environ, **own},
        )  # fmt: skip
        print(done.stdout, done.stderr)
        return done.returncode, json.loads(done.stdout)


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append(f"{self.command} {self.path}")
        path = unquote(urlsplit(self.path).path)
        file = re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path)
        api = re.fullmatch(
            r"/api/datasets/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/[^/]+(?:/(.*))?)?", path
        )
        found = file or api
        if not found or not (self.server.root / found[1]).is_dir():
            return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        if found[1].startswith("gated/"):
            return self._send(403, b"{}", {"X-Error-Code": "GatedRepo"})
        repository = self.server.root / found[1]
        if file:
            return self._file(repository / file[2])
        assert api
        answer: Any
        if api[2] == "tree":
            folder = repository / (api[3] or "")
            inside = sorted(folder.rglob("*"))
            answer = [_entry(path, repository) for path in inside] if folder.is_dir() else None
        elif api[2] == "paths-info":
            asked = (
                json.loads(body)["paths"] if body[:1] == b"{" else re.findall(r"paths=([^&]+)", body.decode())
            )
            paths = [repository / unquote(path) for path in asked]
            answer = [_entry(path, repository) for path in paths if path.exists()]
        else:
            answer = {"id": api[1], "sha": SHA, "private": False, "gated": False, "tags": [], "siblings": []}
            answer |= {"downloads": 0, "likes": 0, "disabled": False}
        if answer is None:
            return self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})
        return self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    do_HEAD = do_POST = do_GET  # noqa: N815

    def _file(self, path: Path) -> None:
        if not path.is_file():
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": SHA})
        data = path.read_bytes()
        headers = {
            "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
            "X-Repo-Commit": SHA,
            "Accept-Ranges": "bytes",
        }
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not part:
            return self._send(200, data, headers)
        start, end = int(part[1]), min(int(part[2] or len(data) - 1), len(data) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        return self._send(206, data[start : end + 1], headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in {
            **headers,
            "Content-Length": str(len(body)),
            "Date": formatdate(usegmt=True),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _entry(path: Path, repository: Path) -> dict[str, object]:
    kind = "directory" if path.is_dir() else "file"
    size = 0 if path.is_dir() else path.stat().st_size
    return {"type": kind, "path": str(path.relative_to(repository)), "size": size, "oid": "0" * 40}


def picture(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 0)).save(out, "PNG")
    return out.getvalue()


def digest(number: int) -> str:
    return hashlib.sha256(picture(number)).hexdigest()[:12]


def shard(path: Path, numbers: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    column = pa.array([{"bytes": picture(number), "path": f"{number}.png"} for number in numbers], kind)
    features = {
        "info": {"features": {"image": {"_type": "Image"}, "n": {"dtype": "int64", "_type": "Value"}}}
    }
    table = pa.table({"image": column, "n": pa.array(numbers)})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(features)}), path)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    server = Hub(tmp_path / "hub")
    server.root.mkdir()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_parquet_of_the_hub_is_streamed_by_split(hub: Hub) -> None:
    repository = hub.root / "someone/faces/data"
    shard(repository / "train-00000-of-00002.parquet", [1, 2])
    shard(repository / "train-00001-of-00002.parquet", [3])
    shard(repository / "test-00000-of-00001.parquet", [9])
    head, *rows = hub.list("someone/faces")
    assert head == "faces dataset someone/faces 4"
    assert rows == [
        *(f"someone/faces#train/{row} {digest(row + 1)} None" for row in range(3)),
        f"someone/faces#test/0 {digest(9)} None",
    ]
    assert hub.list("hf://datasets/someone/faces", split="test")[1:] == rows[3:]
    assert hub.list("someone/faces", split="train", limit=2)[1:] == rows[:2]
    assert "no split `valid`; there are train, test" in hub.list("someone/faces", split="valid")[0]


def test_a_folder_of_the_hub_is_walked_like_any_other(hub: Hub) -> None:
    for number, name in enumerate(
        ["faces/b.png", "faces/a.png", "faces/sub/c.png", "faces/x.txt", "other/d.png"]
    ):
        path = hub.root / "someone/loose" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    url = "hf://datasets/someone/loose/faces"
    head, *rows = hub.list(url)
    assert head == f"faces folder {url} 3"
    assert rows == [
        f"{url}/{name} {digest(n)} None" for name, n in [("a.png", 1), ("b.png", 0), ("sub/c.png", 2)]
    ]
    assert hub.list(f"{url}/b.png")[1:] == [f"{url}/b.png {digest(0)} None"]
    assert hub.list(f"{url}/*.png")[1:] == rows[:2]
    assert hub.list("hf://datasets/someone/loose/nothing")[0].startswith(
        "ERROR hf://datasets/someone/loose/nothing: "
    )


def test_loose_pictures_of_the_hub_are_fetched_where_they_are_scored(hub: Hub) -> None:
    for number in (1, 2):
        path = hub.root / "someone/loose/train" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    rows = hub.list("someone/loose")[1:]
    assert rows == [f"someone/loose#train/{row} {digest(row + 1)} None" for row in range(2)]


def test_a_dataset_of_several_configurations_asks_for_one(hub: Hub) -> None:
    repository = hub.root / "someone/many"
    shard(repository / "a/1.parquet", [1])
    shard(repository / "b/1.parquet", [2])
    small, large = (
        f"- config_name: {name}\n  data_files: {files}\n"
        for name, files in [("small", "a/*"), ("large", "b/*")]
    )
    (repository / "README.md").write_text(f"---\nconfigs:\n{small}{large}---\n")
    error = hub.list("someone/many")[0]
    assert "small" in error
    assert error.endswith("curate score someone/many:CONFIG")
    assert hub.list("someone/many:large")[1:] == [f"someone/many:large#train/0 {digest(2)} None"]


def test_what_is_not_there_or_not_open_is_an_input_error(hub: Hub) -> None:
    shard(hub.root / "gated/faces/1.parquet", [1])
    assert hub.list("someone/nothing")[0].startswith("ERROR someone/nothing: ")
    error = hub.list("gated/faces")[0]
    assert error.startswith("ERROR gated/faces: ")
    assert error.endswith("hf auth login")


def test_offline_the_hub_is_not_asked(hub: Hub) -> None:
    shard(hub.root / "someone/faces/1.parquet", [1])
    assert "HF_HUB_OFFLINE is set" in hub.list("someone/faces", HF_HUB_OFFLINE="1")[0]
    assert hub.requests == []


def test_a_dataset_that_load_dataset_has_cached_opens_offline(hub: Hub) -> None:
    shard(hub.root / "someone/faces/1.parquet", [4, 5])
    environment = {
        **os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(hub.root.parent / "home"),
    }  # fmt: skip
    code = "import datasets; datasets.load_dataset('someone/faces')"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True)
    hub.requests.clear()
    rows = hub.list("someone/faces", HF_HUB_OFFLINE="1")[1:]
    assert rows == [f"someone/faces#train/{row} {digest(row + 4)} None" for row in range(2)]
    assert hub.requests == []


def test_a_score_set_on_the_hub_is_read_through_its_mirror(hub: Hub) -> None:
    folder = scoresets.write_set(hub.root / "someone/sets/a.scores", ["a.png"], scoresets.scores(1))
    (folder / ".lock").write_bytes(b"")
    url = "hf://datasets/someone/sets/a.scores"
    assert hub.run("show", url, "--json")[1]["folder"] == url
    code, said = hub.run("show", "hf://datasets/someone/sets/b.scores", "--json")
    assert (code, said["error"]) == (1, "no such score set")
    code, said = hub.run("show", "hf://datasets/gated/sets/a.scores", "--json")
    assert code == 1
    assert said["where"] == "hf://datasets/gated/sets/a.scores"
