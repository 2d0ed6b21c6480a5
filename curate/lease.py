"""One writer at a time where no file can be locked: an object that says who writes, renewed while they do."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import secrets
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from curate.errors import InputError
from curate.place import Remote

FILE = ".lock"
_RENEWED, _STALE = 30.0, 180.0
# Two runs that find a stale lease at once both take it; after so many seconds both see whose it is.
_SETTLED = 1.0


@contextlib.contextmanager
def leased(folder: Remote) -> Iterator[None]:
    """Hold the folder's lease while the block runs.

    The lease is an object, `.lock`, that is made only where there is none (S3 and Google's store can promise
    that), written anew every 30 s, and taken away at the end. A run that dies leaves it behind: the next one on
    the same machine sees that its process has ended, one on another machine waits until the lease is 3 minutes
    old by the store's own clock.

    What it cannot promise: that a run which was stopped for longer (a machine that slept, a network that was cut) has
    not been taken for dead. Such a run ends with an error as soon as it sees that the lease is another's. Until
    then both may write; a shard is written whole by one of them, and the same command scores what the other lost.

    Raises:
        InputError: another run holds it, or has taken it over; the store is out of reach.
    """
    lease = folder / FILE
    ours = json.dumps({"id": secrets.token_hex(16), "machine": _machine(), "process": os.getpid()}).encode()
    _take(folder, lease, ours)
    ended, lost = threading.Event(), threading.Event()
    renewing = threading.Thread(target=_renew, args=(lease, ours, ended, lost), daemon=True)
    renewing.start()
    try:
        yield
        if lost.is_set() or _read(lease) != ours:
            raise InputError(
                "another `curate score` has taken this score set for abandoned, and writes it now",
                where=str(folder),
                hint="when that has ended, the same command scores what may have been lost",
            )
    finally:
        ended.set()
        renewing.join()
        with contextlib.suppress(InputError):
            if _read(lease) == ours:
                lease.unlink(missing_ok=True)


def _take(folder: Remote, lease: Remote, ours: bytes) -> None:
    """Write our lease where there is none, or a dead one."""
    try:
        lease.write_bytes(ours, new=True)
        return
    except FileExistsError:
        pass
    held = _read(lease)
    if held is not None:
        age = _age(folder, lease)
        if age < _STALE and not _ended(held):
            raise InputError(
                "another `curate score` is writing this score set, or was cut off less than 3 minutes ago",
                where=str(folder),
                hint=f"wait for it (its lease is {age:.0f} s old), or -o",
            )
    lease.write_bytes(ours)
    time.sleep(_SETTLED)
    if _read(lease) != ours:
        raise InputError(
            "another `curate score` is writing this score set", where=str(folder), hint="wait for it, or -o"
        )


def _renew(lease: Remote, ours: bytes, ended: threading.Event, lost: threading.Event) -> None:
    """Write the lease anew until the end; a store that is out of reach for a while is asked again."""
    while not ended.wait(_RENEWED):
        with contextlib.suppress(InputError):
            if _read(lease) != ours:
                lost.set()
                return
            lease.write_bytes(ours)


def _read(lease: Remote) -> bytes | None:
    try:
        return lease.read_bytes()
    except FileNotFoundError:
        return None


def _age(folder: Remote, lease: Remote) -> float:
    """Seconds since the lease was written, by the one clock that all runs share: the store's."""
    probe = folder / f"{FILE}-{secrets.token_hex(8)}"
    try:
        probe.write_bytes(b"")
        return probe.modified() - lease.modified()
    except FileNotFoundError:
        return _STALE  # it has just been given back
    finally:
        probe.unlink(missing_ok=True)


def _ended(held: bytes) -> bool:
    """Whether the holder was a process of this machine that is no more; False where that cannot be said."""
    try:
        said = json.loads(held)
        machine, process = str(said["machine"]), int(said["process"])
    except (ValueError, KeyError, TypeError):
        return False
    if os.name != "posix" or machine != _machine():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _machine() -> str:
    """The machine, and on Linux the container, that numbers this process, without saying its name to anybody."""
    parts = [platform.node(), str(uuid.getnode())]
    with contextlib.suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
