"""Download one file over HTTP so that only the whole, verified file ever has its name.

Bytes go to `NAME.part`, and `NAME.part.json` says which version of the remote file they belong to, so that a
broken download goes on where it stopped, and never glues an old half to a new one.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from curate.errors import ModelError
from curate.models.pack import sha256_of

Progress = Callable[[str, int, int], None]
"""Called with the file's name, the bytes so far, and the bytes in all."""

_CHUNK = 1 << 18
_RETRY_STATUS = {408, 425, 429, 500, 502, 503, 504}
_AGENT = "curate-faces (+https://pypi.org/project/curate-faces)"


@dataclass(frozen=True)
class Remote:
    """One file to fetch. `sha256` and `size` where they are known; `known_from` says from where."""

    name: str
    url: str
    sha256: str | None = None
    size: int | None = None
    known_from: str = ""


class _BrokenOffError(Exception):
    """The connection broke, or the server is busy: worth another try."""


def fetch(
    remote: Remote,
    target: Path,
    *,
    progress: Progress | None = None,
    timeout: float = 30.0,
    attempts: int = 5,
    pause: float = 1.0,
) -> str:
    """Download `remote` to `target`, resuming an earlier try. Returns the sha256 of the file.

    Args:
        remote: what to fetch. Redirects are followed to http and https only, and never from https to http.
        target: the file to make. It appears at once and whole, or not at all.
        progress: told about every piece.
        timeout: seconds without a byte until a connection counts as broken.
        attempts: tries before giving up. What arrived is kept for the next call.
        pause: seconds before the second try, doubled for every further one.

    Raises:
        ModelError: the file cannot be had, is not the one known, or cannot be written.
    """
    if not _is_web(remote.url):
        raise ModelError("only http and https addresses can be downloaded", where=remote.url)
    part = _Part(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        problem = "no try was made"
        for attempt in range(attempts):
            if attempt:
                time.sleep(min(pause * 2 ** (attempt - 1), 30))
            try:
                resumed = _receive(remote, part, progress, timeout)
            except _BrokenOffError as interrupted:
                problem = str(interrupted)
                continue
            digest = sha256_of(part.path)
            if remote.sha256 in (None, digest):
                part.finish(target)
                return digest
            part.discard()
            if not resumed:
                raise ModelError(
                    f"the file on the server is not the one expected: its sha256 is {digest}, not that of"
                    f" {remote.known_from or 'the known file'}, {remote.sha256}",
                    where=remote.url,
                )
            problem = "the two halves of a resumed download did not fit"
    except OSError as full:
        raise ModelError(f"the download cannot be written: {full}", where=str(target)) from full
    raise ModelError(
        f"the download of {remote.name} broke off {attempts} times; the last time: {problem}",
        where=remote.url,
        hint="run the same command again: it goes on where this one stopped",
    )


class _Part:
    """The half-done file and the note about what it is half of."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(target.name + ".part")
        self._note = target.with_name(target.name + ".part.json")

    def resumable(self, url: str) -> tuple[int, str, int]:
        """How many bytes are there, and the mark and the size of the version they belong to; (0, "", 0) if none."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            done = self.path.stat().st_size
            mark, total = str(note["mark"]), int(note["total"])
            # Without a mark nothing tells whether the file on the server is still the same.
            fits = note["url"] == url and mark and 0 < done < total
        except (OSError, ValueError, KeyError, TypeError):
            fits = False
        return (done, mark, total) if fits else (0, "", 0)

    def begin(self, url: str, mark: str, total: int) -> None:
        """Forget what was there."""
        self.discard()
        self._note.write_text(json.dumps({"url": url, "mark": mark, "total": total}), encoding="utf-8")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        self.path.replace(target)
        self._note.unlink(missing_ok=True)


def _receive(remote: Remote, part: _Part, progress: Progress | None, timeout: float) -> bool:
    """One try. The part file is complete afterwards. Returns whether it was put together from two tries."""
    done, mark, known_total = part.resumable(remote.url)
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    if done:
        # With If-Range a server that has another version by now sends all of it.
        headers |= {"Range": f"bytes={done}-", "If-Range": mark}
    with _open(remote, urllib.request.Request(remote.url, headers=headers), timeout, part) as answer:  # noqa: S310
        total = _length(answer)
        if answer.status == 206 and (
            _range_start(answer) != done or total != known_total or _mark(answer) not in ("", mark)
        ):
            part.discard()
            raise _BrokenOffError("the server sent a part of another file than the half that is here")
        if answer.status != 206:
            done = 0
        if total is None:
            raise ModelError(
                "the server does not say how long the file is, so a cut would go unseen", where=remote.url
            )
        if remote.size is not None and total != remote.size:
            part.discard()
            raise ModelError(
                f"the file on the server has {total:,} bytes, not {remote.size:,}"
                f" as {remote.known_from or 'the known file'}",
                where=remote.url,
            )
        resumed = done > 0
        if not resumed:
            part.begin(remote.url, _mark(answer), total)
        try:
            _copy(remote, answer, part.path, done, total, progress)
        except ModelError:
            part.discard()
            raise
    return resumed


def _copy(
    remote: Remote,
    answer: http.client.HTTPResponse,
    path: Path,
    done: int,
    total: int,
    progress: Progress | None,
) -> None:
    first = done == 0
    with path.open("ab") as file:
        while True:
            try:
                piece = answer.read(_CHUNK)
            except (OSError, http.client.HTTPException) as broken:
                raise _BrokenOffError(str(broken) or type(broken).__name__) from broken
            if not piece:
                break
            if first and _looks_like_page(piece):
                raise _page_error(remote)
            first = False
            file.write(piece)
            done += len(piece)
            if progress is not None:
                progress(remote.name, done, total)
        file.flush()
        os.fsync(file.fileno())
    if done != total:
        raise _BrokenOffError(f"{done:,} of {total:,} bytes came")


def _open(
    remote: Remote, request: urllib.request.Request, timeout: float, part: _Part
) -> http.client.HTTPResponse:
    try:
        answer: http.client.HTTPResponse = _opener().open(request, timeout=timeout)
    except urllib.error.HTTPError as status:
        with contextlib.closing(status):
            if status.code == 416:
                part.discard()
                raise _BrokenOffError(
                    "the file on the server is shorter than the half that is here"
                ) from status
            if status.code in _RETRY_STATUS:
                raise _BrokenOffError(f"the server answered {status.code} {status.reason}") from status
            raise ModelError(
                f"the server answered {status.code} {status.reason}", where=remote.url
            ) from status
    except (OSError, http.client.HTTPException) as broken:
        reason = getattr(broken, "reason", None) or broken
        raise _BrokenOffError(str(reason) or type(broken).__name__) from broken
    if answer.headers.get_content_type() == "text/html":
        answer.close()
        raise _page_error(remote)
    return answer


class _WebOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not _is_web(newurl) or (req.full_url.startswith("https:") and not newurl.startswith("https:")):
            raise ModelError(f"the server points to {newurl}, which is not followed", where=req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _opener() -> urllib.request.OpenerDirector:
    """HTTP and HTTPS, through the user's proxies; no file:, ftp: or data: addresses."""
    opener = urllib.request.OpenerDirector()
    handlers: list[type[Any]] = [
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        _WebOnly,
    ]
    for handler in handlers:
        opener.add_handler(handler())
    return opener


def _is_web(url: str) -> bool:
    return urlsplit(url).scheme in ("http", "https")


def _mark(answer: http.client.HTTPResponse) -> str:
    """What identifies this version of the file: a strong ETag, or else the time it was changed."""
    etag = answer.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _length(answer: http.client.HTTPResponse) -> int | None:
    """The size of the whole file."""
    text = answer.headers.get("Content-Length", "")
    if answer.status == 206:
        text = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(text) if text.isdigit() else None


def _range_start(answer: http.client.HTTPResponse) -> int | None:
    text = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(text) if text.isdigit() else None


def _looks_like_page(piece: bytes) -> bool:
    return piece[:512].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def _page_error(remote: Remote) -> ModelError:
    return ModelError(
        f"the server sent a web page instead of {remote.name}: a sign-in or consent page, or (Google Drive) the "
        "file's daily download quota is used up",
        where=remote.url,
        hint="try again tomorrow, or open the address in a browser",
    )
