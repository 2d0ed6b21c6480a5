"""What lies behind a URL (`s3://`, `gs://`, `hf://`, `https://` ...), through fsspec.

Credentials come from where the file systems look for them themselves: environment, profiles, metadata servers, fsspec's
configuration. None is taken from a URL, and none ends up in a name or a message: what the servers say is not repeated,
only what kind of refusal it was.

A file system is made once a process, when it is first needed, and keeps no listings.
"""

from __future__ import annotations

import errno
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from curate.errors import InputError
from curate.urls import credentials_hint, filesystem, has_user
from curate.urls import is_url as is_url
from curate.urls import shown as shown

MAX_BYTES = 1 << 30
"""The largest file that is read as a picture: twice the raw RGB of the largest picture that is decoded."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_PAUSES = (0.3, 1.2)
# The file systems try again themselves: after so many seconds they have.
_LONG = 3.0
_TRANSIENT = re.compile(
    "timeout|timedout|connection|disconnect|incompleteread|httpclient|payload", re.IGNORECASE
)

_systems: dict[tuple[int, str], Any] = {}
_lock = threading.Lock()
T = TypeVar("T")


def scheme_of(url: str) -> str:
    """`s3` of `s3://...`, in small letters; "" of a path."""
    found = _URL.match(url)
    return found[1].lower() if found else ""


def check_url(url: str) -> None:
    """That there are no credentials in a URL, and that it is one.

    Raises:
        InputError: there are; or it is a chain of them. Its `where` is what may be shown.
    """
    found = _URL.match(url)
    assert found is not None  # noqa: S101 - whoever asks has seen that it is one
    if has_user(url):
        raise InputError(
            "credentials do not belong into a URL: they are taken from the environment and from profiles",
            where=shown(url),
            hint=credentials_hint(url),
        )
    if "::" in found[1] or "::" in found[2].partition("/")[0]:
        raise InputError("chained URLs are not read", where=shown(url))


def system_of(url: str) -> tuple[Any, str]:
    """The file system of a URL, of this process, and the path in it.

    Raises:
        InputError: nothing here reads such URLs.
    """
    # In a process that was forked, another's connections must not be used; threads share one.
    key = (os.getpid(), scheme_of(url))
    with _lock:
        if key not in _systems:
            try:
                _systems[key] = filesystem(url)
            except InputError as error:
                raise InputError(error.message, where=shown(url), hint=error.hint) from None
        system = _systems[key]
    return system, system._strip_protocol(url)


def forget_systems() -> None:
    """Make file systems anew: credentials and addresses may be others now."""
    with _lock:
        _systems.clear()


def read_url(url: str, start: int = 0, size: int | None = None, *, most: int = MAX_BYTES) -> bytes:
    """The bytes of an object, or `size` of them from `start`.

    Raises:
        InputError: they cannot be had, after a few tries; or a whole object has more than `most`. The message has no
            URL: `image` is it.
    """
    check_url(url)
    system, path = system_of(url)
    end = start + (most + 1 if size is None else size)
    if start == end:
        return b""

    def read() -> bytes:
        try:
            data: bytes = system.cat_file(path, start=start, end=end)
        except Exception as error:
            # An empty object has no first byte, and some stores call that an error.
            if size is None and _status(error) == 416:
                return b""
            raise
        return data

    try:
        data = patiently(read)
    except Exception as error:  # of as many kinds as there are stores
        raise InputError(reason(error)) from None
    if size is None and len(data) > most:
        raise InputError(f"the file is too large: more than {most:,} bytes")
    if size is not None and len(data) != size:
        said = (
            "the server does not hand out parts of files" if len(data) > size else "the file ends before it"
        )
        raise InputError(said)
    return data


def open_url(url: str, block: int = 1 << 20) -> Any:
    """A file-like object for reading, seekable, that fetches `block` bytes a request.

    Raises:
        InputError: nothing here reads such URLs. Whatever else is wrong, the store says when it is read.
    """
    check_url(url)
    system, path = system_of(url)
    return patiently(lambda: system.open(path, "rb", block_size=block, cache_type="readahead"))


def patiently(call: Callable[[], T]) -> T:
    """What `call` gives, tried again with pauses where the network or the server is to blame, if it says so soon."""
    for pause in _PAUSES:
        begun = time.monotonic()
        try:
            return call()
        except Exception as error:
            if not may_pass(error) or time.monotonic() - begun > _LONG:
                raise
        time.sleep(pause)
    return call()


def reason(error: BaseException) -> str:
    """Why something cannot be read, in words; nothing of what a server said, as that may hold signed URLs."""
    if isinstance(error, InputError):
        return error.message
    error = _root(error)
    status = _status(error)
    if isinstance(error, FileNotFoundError) or status == 404:
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "this is a folder"
    if isinstance(error, PermissionError) or status in (401, 403) or "Credentials" in type(error).__name__:
        return "cannot be read: access is denied"
    if isinstance(error, TimeoutError) or "timeout" in type(error).__name__.lower():
        return "cannot be read: the server does not answer in time"
    if status:
        return f"cannot be read: the server answers {status}"
    if isinstance(error, OSError) and error.errno not in (None, errno.EIO):
        return f"cannot be read: {os.strerror(error.errno or 0).lower()}"
    return f"cannot be read: {type(error).__name__}"


@contextmanager
def source_errors(url: str) -> Iterator[None]:
    """Whatever a store raises, as an InputError about the source with what to do next."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        words = reason(error)
        hint = ""
        if "denied" in words:
            hint = credentials_hint(url)
        elif words == "no such file":
            words, hint = "there is no such file or folder", "look at the spelling, and at the bucket's name"
        elif may_pass(error):
            hint = "look at the network and at the address of the service; then the same again"
        raise InputError(words, where=shown(url), hint=hint) from None


def _root(error: BaseException) -> BaseException:
    """What is behind an error: over HTTP, whatever goes wrong at first is called a file that is not there."""
    cause = error.__cause__
    if isinstance(error, FileNotFoundError) and cause is not None and _status(cause) != 404:
        return cause
    return error


def _status(error: BaseException) -> int:
    """The HTTP status of whatever library has raised this; 0 where there is none."""
    for place in (error, getattr(error, "response", None), error.__cause__):
        for name in ("status", "status_code", "code"):
            found = getattr(place, name, None)
            if isinstance(found, int) and 400 <= found < 600:
                return found
    said = getattr(error.__cause__ or error, "response", None)
    if isinstance(said, dict):  # botocore
        status = said.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status if isinstance(status, int) and status >= 400 else 0
    return 0


def may_pass(error: BaseException) -> bool:
    """Whether the network or the server is to blame, for the moment."""
    error = _root(error)
    if isinstance(error, FileNotFoundError | PermissionError | InputError):
        return False
    status = _status(error)
    if status:
        return status >= 500 or status in (408, 429)
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    if isinstance(error, OSError) and error.errno in (errno.EBUSY, errno.ETIMEDOUT):
        return True
    return any(_TRANSIENT.search(kind.__name__) for kind in type(error).__mro__)
