"""Downloads from a real server on localhost, in good and in bad health."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fileserver import Server, serving

from curate.errors import ModelError
from curate.models.download import Remote, fetch

CONTENT = np.random.default_rng(1).integers(0, 256, 700_000, np.uint8).tobytes()
OTHER = np.random.default_rng(2).integers(0, 256, 700_000, np.uint8).tobytes()
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        running.files["/model.bin"] = CONTENT
        yield running


def remote(server: Server, **known: Any) -> Remote:
    return Remote("model.bin", f"{server.url}/model.bin", **known)


def get(server: Server, target: Path, *, attempts: int = 4, timeout: float = 5, **known: Any) -> str:
    return fetch(remote(server, **known), target, pause=0.01, attempts=attempts, timeout=timeout)


def leftovers(target: Path) -> list[str]:
    return sorted(p.name for p in target.parent.iterdir() if p != target)


def status(code: int) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: handler.send_error(code)


def test_good_download_is_whole_and_leaves_nothing_else(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    target = tmp_path / "deep" / "model.bin"
    known = remote(server, sha256=SHA, size=len(CONTENT))
    assert fetch(known, target, progress=lambda *now: seen.append(now)) == SHA
    assert target.read_bytes() == CONTENT
    assert leftovers(target) == []
    assert seen[-1] == ("model.bin", len(CONTENT), len(CONTENT))


def test_server_that_dies_midway_is_resumed_within_one_call(server: Server, tmp_path: Path) -> None:
    server.script = [lambda h: server.serve(h, cut=300_000), lambda h: server.serve(h, cut=100_000)]
    assert get(server, tmp_path / "model.bin", sha256=SHA) == SHA
    assert [r for _, r in server.requests] == [None, "bytes=300000-", "bytes=400000-"]


def test_broken_download_is_resumed_by_the_next_call(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "model.bin"
    server.script = [lambda h: server.serve(h, cut=300_000)]
    with pytest.raises(ModelError, match="broke off") as caught:
        get(server, target, attempts=1)
    assert "same command" in caught.value.hint
    assert not target.exists()
    assert (tmp_path / "model.bin.part").stat().st_size == 300_000
    assert get(server, target) == SHA
    assert server.requests[-1] == ("/model.bin", "bytes=300000-")
    assert leftovers(target) == []


def test_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.script = [lambda h: server.serve(h, cut=300_000)]
    assert get(server, tmp_path / "model.bin") == SHA
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_server_without_marks_starts_again(server: Server, tmp_path: Path) -> None:
    server.marks = False
    server.script = [lambda h: server.serve(h, cut=300_000)]
    assert get(server, tmp_path / "model.bin") == SHA
    assert [r for _, r in server.requests] == [None, None]


def test_file_changed_between_tries_is_never_glued(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "model.bin"
    server.script = [lambda h: server.serve(h, cut=300_000)]
    with pytest.raises(ModelError):
        get(server, target, attempts=1)
    server.files["/model.bin"] = OTHER
    get(server, target)
    assert target.read_bytes() == OTHER


def test_changed_file_from_a_server_that_ignores_if_range_is_never_glued(
    server: Server, tmp_path: Path
) -> None:
    target = tmp_path / "model.bin"

    def ignoring(handler: BaseHTTPRequestHandler) -> None:
        del handler.headers["If-Range"]
        server.serve(handler)

    server.script = [lambda h: server.serve(h, cut=300_000)]
    with pytest.raises(ModelError):
        get(server, target, attempts=1)
    server.files["/model.bin"] = OTHER
    server.script = [ignoring]
    get(server, target)
    assert target.read_bytes() == OTHER


def test_half_that_was_damaged_on_disk_costs_one_more_download(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "model.bin"
    server.script = [lambda h: server.serve(h, cut=300_000)]
    with pytest.raises(ModelError):
        get(server, target, attempts=1)
    (tmp_path / "model.bin.part").write_bytes(bytes(300_000))
    assert get(server, target, sha256=SHA) == SHA
    assert target.read_bytes() == CONTENT


def test_nonsense_in_the_note_means_starting_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "model.bin.part").write_bytes(b"old")
    for note in ("", "[]", json.dumps({"url": f"{server.url}/model.bin", "mark": "x", "total": "many"})):
        (tmp_path / "model.bin.part.json").write_text(note)
        assert get(server, tmp_path / "model.bin") == SHA


def test_wrong_checksum_is_an_error_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "model.bin"
    with pytest.raises(ModelError, match=f"{SHA}, not that of the published file, {'0' * 64}"):
        get(server, target, sha256="0" * 64, known_from="the published file")
    assert list(tmp_path.iterdir()) == []


def test_wrong_size_is_seen_before_the_download(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"700,000 bytes, not 5"):
        get(server, tmp_path / "model.bin", size=5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_web_page_instead_of_the_file_is_explained(kind: str, server: Server, tmp_path: Path) -> None:
    def page(handler: BaseHTTPRequestHandler) -> None:
        body = b"\n<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title></html>"
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    server.script = [page]
    with pytest.raises(ModelError, match=r"web page.*quota") as caught:
        get(server, tmp_path / "model.bin")
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [403, 404, 410])
def test_refusal_is_not_tried_again(code: int, server: Server, tmp_path: Path) -> None:
    server.script = [status(code)]
    with pytest.raises(ModelError, match=str(code)) as caught:
        get(server, tmp_path / "model.bin")
    assert caught.value.where == f"{server.url}/model.bin"
    assert len(server.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_busy_server_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.script = [status(503), status(429)]
    assert get(server, tmp_path / "model.bin") == SHA
    assert len(server.requests) == 3


def test_range_that_does_not_exist_any_more_means_starting_again(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "model.bin"
    server.script = [lambda h: server.serve(h, cut=300_000)]
    with pytest.raises(ModelError):
        get(server, target, attempts=1)
    server.script = [status(416)]
    assert get(server, target) == SHA


def test_server_that_falls_silent_is_given_up(server: Server, tmp_path: Path) -> None:
    silence = threading.Event()

    def wait(handler: BaseHTTPRequestHandler) -> None:
        silence.wait(10)

    server.script = [wait, wait]
    with pytest.raises(ModelError, match="timed out"):
        get(server, tmp_path / "model.bin", attempts=2, timeout=0.2)
    silence.set()
    assert list(tmp_path.iterdir()) == []


def test_nobody_listening_is_a_model_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/model.bin"
        with pytest.raises(ModelError, match="broke off 2 times"):
            fetch(Remote("model.bin", url), tmp_path / "model.bin", attempts=2, pause=0.01)


def test_file_of_unknown_length_is_refused(server: Server, tmp_path: Path) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(CONTENT)
        handler.close_connection = True

    server.script = [endless]
    with pytest.raises(ModelError, match="how long"):
        get(server, tmp_path / "model.bin")
    assert list(tmp_path.iterdir()) == []


def redirect(to: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def test_redirect_to_another_address_is_followed(server: Server, tmp_path: Path) -> None:
    server.script = [redirect(f"{server.url}/elsewhere.bin")]
    server.files["/elsewhere.bin"] = OTHER
    get(server, tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == OTHER


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/model.bin"])
def test_redirect_away_from_the_web_is_not_followed(to: str, server: Server, tmp_path: Path) -> None:
    server.script = [redirect(to)]
    with pytest.raises(ModelError, match=r"not followed|not allowed"):
        get(server, tmp_path / "model.bin")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/etc/passwd"])
def test_only_web_addresses_are_fetched(url: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="http"):
        fetch(Remote("x", url), tmp_path / "x")


def test_old_file_stays_until_the_new_one_is_whole(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "model.bin"
    target.write_bytes(b"old but whole")
    server.script = [lambda h: server.serve(h, cut=300_000)]
    with pytest.raises(ModelError):
        get(server, target, attempts=1)
    assert target.read_bytes() == b"old but whole"
    get(server, target)
    assert target.read_bytes() == CONTENT


def test_folder_that_cannot_be_written_is_a_model_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "in the way").write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be written"):
        get(server, tmp_path / "in the way" / "model.bin")
