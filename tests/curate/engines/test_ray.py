"""The pool of actors, with jobs that are nothing but numbers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import rays
from rays import Nodes
from tasks import Slow

from curate.engines.cluster import cluster
from curate.engines.ray import RayEngine
from curate.errors import CurateError, ModelError

PROGRAM = """
import os
import ray
from tasks import Slow
from curate.engines.cluster import cluster
from curate.engines.ray import RayEngine
with cluster(cpus=1):
    print(sorted(answer for _, answer in RayEngine(Slow(), actors=1).run(range(3))))
    assert ray.util.get_node_ip_address() == "127.0.0.1"
assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in os.environ
assert "RAY_AUTH_MODE" not in os.environ and "RAY_AUTH_TOKEN" not in os.environ
"""
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with rays.nodes(1) as made:
        yield made


def test_every_job_is_answered_once_under_its_number(nodes: Nodes, capfd: pytest.CaptureFixture[str]) -> None:
    with cluster(nodes.address, cpus=2) as there:
        assert (there.cpus, there.gpus, there.remote) == (2, 0, True)
        answers = dict(RayEngine(Slow(), actors=2).run(range(30)))
    assert answers == {number: number**2 for number in range(30)}
    assert capfd.readouterr() == ("", "")


def test_an_error_on_a_node_ends_the_run_and_names_the_node(nodes: Nodes) -> None:
    with cluster(nodes.address, cpus=2):
        with pytest.raises(ModelError, match=r"the model is missing \(on the node [\d.]+\)") as error:
            list(RayEngine(Slow(lacks="curate models pull it"), actors=2).run(range(5)))
        assert error.value.hint.startswith("curate models pull it on that node, or set CURATE_CACHE")
        with pytest.raises(ModelError) as error:
            list(RayEngine(Slow(lacks="curate models profile it"), actors=1).run(range(1)))
        assert error.value.hint.startswith("copy /cache/it to that node, or set CURATE_CACHE")
        with pytest.raises(CurateError, match="ZeroDivisionError: "):
            list(RayEngine(Slow(fails=3), actors=2).run(range(5)))


def test_a_killed_actor_and_a_lost_node_cost_nothing_but_time(nodes: Nodes, tmp_path: Path) -> None:
    lost = nodes.add()
    answers: dict[int, int] = {}
    with cluster(nodes.address, cpus=2):

        def shoot() -> None:
            rays.until(lambda: len(list(tmp_path.iterdir())) > 6)
            rays.kill(int(next(iter(tmp_path.iterdir())).read_text()))
            rays.until(lambda: len(list(tmp_path.iterdir())) > 9)
            nodes.lose(lost)

        gun = threading.Thread(target=shoot)
        gun.start()
        for number, answer in RayEngine(Slow(seconds=0.5, marks=tmp_path), actors=4).run(range(24)):
            assert number not in answers
            answers[number] = answer
        gun.join()
    assert answers == {number: number**2 for number in range(24)}


def test_a_job_that_kills_every_actor_ends_the_run_after_all_others(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curate.engines.ray._LOST_AT_A_JOB", 1)
    answered: list[int] = []
    with cluster(nodes.address, cpus=2):
        answers = RayEngine(Slow(dies=3), actors=2).run(range(6))
        with pytest.raises(CurateError, match="actors die at") as error:
            answered.extend(number for number, _ in answers)
    assert sorted(answered) == [0, 1, 2, 4, 5]
    assert "goes on" in error.value.hint


def test_a_ray_of_our_own_hears_this_machine_alone_and_leaves_no_token_and_no_word_behind(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    hidden = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"
    here = {name: value for name, value in os.environ.items() if name not in hidden}
    here |= {"HOME": str(home), "PYTHONPATH": str(Path(rays.__file__).parent)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=here, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[0, 1, 4]\n", "")
    assert not (home / ".ray").exists()


def test_a_folder_called_curate_where_one_stands_is_not_taken_for_the_package(tmp_path: Path) -> None:
    # A checkout has one; Ray lets actors import from the driver's current folder.
    (tmp_path / "curate").mkdir()
    (tmp_path / "curate" / "__init__.py").write_text("raise SystemExit('not the package')")
    program = PROGRAM.partition("    assert")[0]
    here = os.environ | {"PYTHONPATH": str(Path(rays.__file__).parent), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=here, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "[0, 1, 4]\n"), done.stderr


def test_an_address_of_a_ray_client_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:10001")
    with pytest.raises(CurateError, match="client") as error, cluster(cpus=1):
        pass
    assert error.value.where == "ray://127.0.0.1:10001"


@pytest.mark.parametrize(
    ("address", "words", "hint"),
    [
        ("127.0.0.1:1", "no Ray answers here: connection refused", "ray start"),
        ("head", "this is no address of a Ray", "HOST:6379"),
    ],
)
def test_nobody_at_the_address_is_said(
    address: str, words: str, hint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CurateError) as error, cluster(address, cpus=1):
        pass
    assert (error.value.where, error.value.message) == (address, words)
    assert hint in error.value.hint
    assert capfd.readouterr() == ("", "")
