"""The pool of actors, with jobs that are nothing but numbers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import rays
from rays import Nodes
from tasks import Slow

from curate.engines.ray import RayEngine, cluster
from curate.errors import CurateError, ModelError

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
            list(RayEngine(Slow(lacks=True), actors=2).run(range(5)))
        assert "CURATE_CACHE" in error.value.hint
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


def test_nobody_at_the_address_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CurateError) as error, cluster("127.0.0.1:1", cpus=1):
        pass
    assert error.value.where == "127.0.0.1:1"
    assert "ray start" in error.value.hint
    assert capfd.readouterr() == ("", "")
