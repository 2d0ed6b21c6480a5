"""Runs on a Ray of several nodes: the rows of a local run, whatever is lost on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plugin
import polars as pl
import pytest
import rays
from pictures import noise
from polars.testing import assert_frame_equal
from rays import Nodes
from runs import names, rows
from s3server import Bucket

from curate import Summary, open_scores, score
from curate.cluster_run import check_cluster
from curate.engines.cluster import Cluster
from curate.errors import CurateError, InputError
from curate.place import place_of
from curate.shards import list_shards
from curate.target import locked

pytestmark = pytest.mark.filterwarnings("ignore")
FACES = Path(__file__).resolve().parents[2] / "examples" / "faces"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, _s3_server: dict[str, str]) -> Iterator[Nodes]:
    """One node, on which the scorer `width` is installed, and that reaches the S3 server."""
    folder = tmp_path_factory.mktemp("nodes")
    plugin.install(folder)
    path = os.pathsep.join([str(folder), str(Path(plugin.__file__).parent)])
    log = {"WIDTH_LOG": str(folder / "width.log")}
    with rays.nodes(1, **_s3_server, **log, PYTHONPATH=path, CURATE_CACHE=str(folder / "cache")) as made:
        yield made


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Six hundred small pictures."""
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(600):
        noise(folder / f"{i:03}.png", 40, seed=i)
    return folder


def on(nodes: Nodes, source: object, out: object, *scorers: str, **options: Any) -> Summary:
    return score(
        str(source), str(out), scorers=scorers, batch_size=4, engine="ray", address=nodes.address, **options
    )


def test_the_rows_are_those_of_a_local_run_and_either_engine_goes_on_with_the_others_set(
    nodes: Nodes, tmp_path: Path
) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    for path in sorted(FACES.iterdir()):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "broken.png").write_bytes(b"\x89PNG nothing")
    noise(folder / "no face.png", 80)
    noise(folder / "small.png", 20)
    there, here = tmp_path / "there", tmp_path / "here"
    summary = on(nodes, folder, there, "mesh", "quality")
    assert summary.statuses == {"no_face": 1, "ok": 32, "too_small": 1, "unreadable": 1}
    score(str(folder), here, scorers=["mesh", "quality"], batch_size=4, workers=2)
    assert_frame_equal(rows(there), rows(here), check_exact=True)
    # A file is renamed, one is new, and all faces are asked for: what was begun there is finished here, and so on.
    (folder / "small.png").rename(folder / "tiny.png")
    noise(folder / "z.png", 80, seed=1)
    score(str(folder), there, scorers=["mesh", "quality"], faces="all", landmarks=True, workers=2)
    again = on(nodes, folder, here, "mesh", "quality", faces="all", landmarks=True)
    assert again.scored == 36
    assert_frame_equal(rows(there), rows(here), check_exact=True)
    assert open_scores(here).manifest.options["engine"] == "ray"
    assert on(nodes, folder, there, "mesh", "quality", "lite").scored == 32
    score(str(folder), here, scorers=["mesh", "quality", "lite"], workers=2)
    assert_frame_equal(rows(there), rows(here), check_exact=True)
    assert on(nodes, folder, here, "mesh").scored == 0


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_pictures_in_archives_and_tables_are_read_where_they_are_scored(
    nodes: Nodes, tmp_path: Path, kind: str
) -> None:
    faces = sorted(FACES.glob("*.png"))[:6]
    source = tmp_path / f"faces.{kind}"
    if kind == "tar":
        with tarfile.open(source, "w") as archive:
            for path in faces:
                archive.add(path, path.name)
    else:
        pl.DataFrame({"image": [path.read_bytes() for path in faces]}).write_parquet(source)
    assert on(nodes, source, tmp_path / "there", "mesh", "lite", profile="fast").statuses == {"ok": 6}
    score(str(source), tmp_path / "here", scorers=["mesh", "lite"], profile="fast", workers=1, batch_size=4)
    assert_frame_equal(rows(tmp_path / "there"), rows(tmp_path / "here"), check_exact=True)


def test_a_second_run_into_one_set_is_refused_and_says_what_to_do(
    nodes: Nodes, pictures: Path, tmp_path: Path
) -> None:
    with locked(tmp_path / "out"):
        with pytest.raises(InputError, match="another `curate score`") as error:
            on(nodes, pictures, tmp_path / "out", "fake")
        assert "wait for it" in error.value.hint
    assert not list_shards(tmp_path / "out")


def test_what_no_node_can_do_is_said_before_the_old_set_is_touched(
    nodes: Nodes, pictures: Path, tmp_path: Path
) -> None:
    score(str(pictures), tmp_path / "out", scorers=["fake"], workers=1)
    with pytest.raises(CurateError, match="no node of the cluster has a GPU"):
        on(nodes, pictures, tmp_path / "out", "fake", device="cuda", overwrite=True)
    assert rows(tmp_path / "out").height == 6
    with pytest.raises(CurateError, match="has a processor"):
        check_cluster(Cluster(0, 0, 0, True), "cpu", None)
    check_cluster(Cluster(0, 0, 0, True), "cpu", 4)
    with pytest.raises(CurateError, match="7 processors for each"):
        check_cluster(Cluster(80, 2, 7, True), "cuda", 8)


@pytest.mark.usefixtures("log")
def test_pictures_that_kill_or_hang_their_worker_are_rows(
    nodes: Nodes, pictures: Path, tmp_path: Path
) -> None:
    noise(pictures / "poison.png", 66)
    noise(pictures / "tar pit.png", 67)
    summary = on(nodes, pictures, tmp_path / "out", "width", patience=0.7)
    assert summary.statuses == {"crashed": 2, "ok": 6}
    crashed = rows(tmp_path / "out").filter(pl.col("status") == "crashed")
    assert crashed["error"].to_list() == ["the worker was killed by SIGKILL", "it took too long"]


@pytest.mark.usefixtures("log")
def test_a_killed_actor_and_a_lost_node_leave_the_rows_of_an_uninterrupted_run(
    nodes: Nodes, many: Path, tmp_path: Path
) -> None:
    out, lost = tmp_path / "out", nodes.add()
    scoring: set[int] = set()

    def shoot() -> None:
        scoring.update(rays.until(lambda: rays.processes("spawn_main(tracker")))
        for actor in rays.until(lambda: rays.processes("ray::MapWorker"))[:1]:
            rays.kill(actor)
        rays.until(lambda: list_shards(out))
        nodes.lose(lost)

    gun = threading.Thread(target=shoot)
    gun.start()
    summary = on(nodes, many, out, "fake", workers=3)
    gun.join()
    assert (summary.inputs, summary.statuses) == (600, {"ok": 600})
    score(str(many), tmp_path / "whole", scorers=["fake"], workers=2, batch_size=4)
    assert rows(out).equals(rows(tmp_path / "whole"))
    assert rows(out)["image"].n_unique() == rows(out).height
    assert not list(out.glob(".*.partial"))
    rays.until(lambda: not any(map(rays.alive, scoring)), 30)
    # The same while old shards are brought up to date.
    old = {path: path.read_bytes() for path in map(Path, map(str, list_shards(out)))}

    def shoot_again() -> None:
        rays.until(lambda: any(path.read_bytes() != content for path, content in old.items()))
        rays.kill(rays.processes("ray::MapWorker")[0])

    gun = threading.Thread(target=shoot_again)
    gun.start()
    assert on(nodes, many, out, "fake", "width").scored == 600
    gun.join()
    score(str(many), tmp_path / "whole", scorers=["fake", "width"], workers=2, batch_size=4)
    assert rows(out).equals(rows(tmp_path / "whole"))
    assert [str(path) for path in old] == [str(path) for path in list_shards(out)]


def test_pictures_and_set_on_object_storage(nodes: Nodes, pictures: Path, tmp_path: Path, s3: Bucket) -> None:
    for path in sorted(pictures.iterdir()):
        s3.put(f"faces/{path.name}", path.read_bytes())
    summary = on(nodes, f"{s3.url}/faces", f"{s3.url}/faces.scores", "fake")
    assert summary.statuses == {"ok": 6}
    score(str(pictures), tmp_path / "out", scorers=["fake"], workers=1)
    there = open_scores(f"{s3.url}/faces.scores").read()
    assert_frame_equal(there.drop("image"), rows(tmp_path / "out").drop("image"), check_exact=True)
    assert all("part-" in key or key.endswith("manifest.json") for key in s3.keys("faces.scores"))
    assert b"very-secret" not in s3.get("faces.scores/manifest.json")
    s3.put("faces/new.png", (pictures / "0.png").read_bytes() + b"more")
    assert on(nodes, f"{s3.url}/faces", f"{s3.url}/faces.scores", "fake").kept == 6
    assert len(list_shards(place_of(f"{s3.url}/faces.scores"))) == 2


def test_ctrl_c_ends_the_ray_job_and_the_same_command_goes_on(
    nodes: Nodes, many: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "curate.app", "score", str(many), "-o", str(out), "--scorers", "fake"]
    command += ["--engine", "ray", "--address", nodes.address, "--workers", "1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as run:
        try:
            rays.until(lambda: out.is_dir() and list_shards(out), 60)
            os.killpg(run.pid, signal.SIGINT)
            said, _ = run.communicate(timeout=60)
        finally:
            run.kill()
    assert (run.returncode, said.decode().strip()) == (
        130,
        "Stopped. What was scored is kept: the same command goes on from here.",
    )
    rays.until(lambda: not rays.processes("ray::MapWorker"), 30)
    held = rows(out).height
    assert 0 < held < 600
    summary = on(nodes, many, out, "fake")
    assert (summary.kept, summary.scored) == (held, 600 - held)
    assert len(set(names(out))) == 600


PRESSED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
reached = sys.argv.pop(1)
class Finger:
    def find_spec(self, name, *_):
        if name == reached:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Finger())
from curate.app import main
main()
"""


@pytest.mark.parametrize("reached", ["curate.commands.show", "curate.api", "ray.data"])
def test_ctrl_c_while_the_program_is_loaded_is_answered_with_one_line(
    pictures: Path, tmp_path: Path, reached: str
) -> None:
    command = [sys.executable, "-c", PRESSED, reached, "score", str(pictures), "-o", str(tmp_path / "out")]
    done = subprocess.run([*command, "--engine", "ray"], capture_output=True, text=True)
    assert done.returncode == 130
    said = (done.stdout + done.stderr).strip()
    assert said.startswith("Stopped.")
    assert "\n" not in said


def test_ctrl_c_while_a_ray_of_our_own_starts_leaves_nothing_of_it(pictures: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "curate.app", "score", str(pictures), "-o", str(tmp_path / "out")]
    here = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    before = set(rays.processes("gcs_server"))
    with subprocess.Popen(
        [*command, "--engine", "ray", "--scorers", "fake"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=here,
    ) as run:
        try:
            started = rays.until(lambda: set(rays.processes("gcs_server")) - before)
            os.killpg(run.pid, signal.SIGINT)
            said, _ = run.communicate(timeout=60)
        finally:
            run.kill()
    assert (run.returncode, said.decode().strip()) == (
        130,
        "Stopped. What was scored is kept: the same command goes on from here.",
    )
    rays.until(lambda: not any(map(rays.alive, started)), 30)
