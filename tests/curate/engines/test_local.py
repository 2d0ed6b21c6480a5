from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest
from workloads import CannotOpen, DiesOnce, Numbers, Square

from curate.engines.local import LocalEngine
from curate.engines.work import Failure
from curate.errors import CurateError, ModelError


def batches(n: int, size: int = 4) -> list[Numbers]:
    return [Numbers(tuple(range(i, i + size))) for i in range(0, n * size, size)]


def squares(outcomes: list[tuple[Numbers, list[int] | Failure]]) -> list[int]:
    return [value for _, result in outcomes if not isinstance(result, Failure) for value in result]


def test_results_come_in_the_order_of_the_batches() -> None:
    engine = LocalEngine(Square(), workers=2)
    assert squares(list(engine.run(batches(50)))) == [i * i for i in range(200)]


def test_no_batches_give_no_results() -> None:
    assert list(LocalEngine(Square(), workers=1).run([])) == []


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (-1, "the worker was killed by SIGKILL"),
        (-2, "it took too long"),
        (-3, "ValueError: -3 is no number to square"),
    ],
)
def test_an_item_that_kills_hangs_or_fails_costs_itself_alone(trouble: int, reason: str) -> None:
    work = [Numbers((0, 1, 2, 3)), Numbers((4, trouble, 6)), Numbers((7, 8))]
    outcomes = list(LocalEngine(Square(), workers=2, patience=0.5).run(work))
    assert squares(outcomes) == [0, 1, 4, 9, 16, 36, 49, 64]
    failures = [(b, r) for b, r in outcomes if isinstance(r, Failure)]
    assert failures == [(Numbers((trouble,)), Failure(reason))]


def test_an_item_that_is_innocent_of_its_workers_deaths_gets_through(tmp_path: Path) -> None:
    outcomes = list(LocalEngine(DiesOnce(tmp_path), workers=2).run(batches(3)))
    assert squares(outcomes) == [i * i for i in range(12)]


def test_killing_workers_at_random_changes_nothing() -> None:
    engine = LocalEngine(Square(seconds=0.01), workers=2)
    done = threading.Event()
    shots = random.Random(1)

    def shoot() -> None:
        for _ in range(6):
            time.sleep(shots.uniform(0.05, 0.5))
            children = multiprocessing.active_children()
            if done.is_set():
                return
            if children:
                os.kill(shots.choice(children).pid or 0, signal.SIGKILL)

    gun = threading.Thread(target=shoot)
    gun.start()
    results = squares(list(engine.run(batches(150, 2))))
    done.set()
    gun.join()
    assert results == [i * i for i in range(300)]


def test_an_error_while_opening_ends_the_run_with_that_error() -> None:
    with pytest.raises(ModelError) as error:
        list(LocalEngine(CannotOpen(dies=False), workers=2).run(batches(3)))
    assert error.value.hint == "curate models pull it"


def test_workers_that_die_while_starting_end_the_run() -> None:
    with pytest.raises(CurateError, match="cannot start: the worker ended with exit code 7"):
        list(LocalEngine(CannotOpen(dies=True), workers=1).run(batches(3)))


def test_no_worker_outlives_a_run_that_is_broken_off() -> None:
    results = LocalEngine(Square(seconds=0.05), workers=2).run(batches(100))
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import multiprocessing, sys\n"
        "from curate.engines.local import LocalEngine\n"
        "from workloads import Numbers, Square\n"
        "if __name__ == '__main__':\n"
        "    results = LocalEngine(Square(seconds=.05), workers=2).run([Numbers((i,)) for i in range(9999)])\n"
        "    next(results)\n"
        "    print(*[p.pid for p in multiprocessing.active_children()], flush=True)\n"
        "    list(results)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "support")}
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(workers) == 2
    deadline = time.monotonic() + 20
    while any(_alive(pid) for pid in workers):
        assert time.monotonic() < deadline, "a worker is still there"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_ctrl_c_while_a_worker_starts_is_heard_once_it_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    start = SpawnProcess.start

    def start_slowly(process: SpawnProcess) -> None:
        signal.raise_signal(signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        start(process)
        started.append(process)

    monkeypatch.setattr(SpawnProcess, "start", start_slowly)
    # Where the tests themselves run in the background, a shell has told them to ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(LocalEngine(Square(), workers=1).run(batches(3)))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(started) == 1
