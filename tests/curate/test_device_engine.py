"""Decoders, shared memory and a device, which is the CPU here: the rows are those of the ordinary engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException
from PIL import Image
from poison import Poison
from polars.testing import assert_frame_equal

from curate import device_engine
from curate.device_engine import DeviceEngine
from curate.engines.local import LocalEngine
from curate.engines.work import Failure
from curate.errors import CurateError, ModelError
from curate.models.session import Device
from curate.scorers.columns import Column
from curate.scorers.device.faults import DeviceFullError
from curate.scorers.face import Face
from curate.scorers.scorer import Values, make_scorer
from curate.scoring import Batch, Scoring, crashed
from curate.sources.source import Input, file_input

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "faces"
DEFAULT = ("mesh", "quality", "lite", "generation")


def scoring(*names: str, **options: object) -> Scoring:
    return Scoring(tuple(make_scorer(name) for name in names), **options)  # type: ignore[arg-type]


def cut(inputs: Sequence[Input], size: int, scorers: Sequence[str], **options: object) -> list[Batch]:
    return [
        Batch(tuple(inputs[i : i + size]), tuple(scorers), **options)  # type: ignore[arg-type]
        for i in range(0, len(inputs), size)
    ]


def rows(outcomes: Iterator[tuple[Batch, pl.DataFrame | Failure]]) -> pl.DataFrame:
    frames = [crashed(b.inputs[0], f.reason) if isinstance(f, Failure) else f for b, f in outcomes]
    return pl.concat(frames, how="diagonal")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> list[Input]:
    """Faces, and what is none: damaged, too small, empty, larger than a decoder's room."""
    folder = tmp_path_factory.mktemp("odd")
    files = sorted(EXAMPLES.glob("*.jpg"))[:12]
    (folder / "cut.jpg").write_bytes(files[0].read_bytes()[:2000])
    (folder / "empty.png").write_bytes(b"")
    Image.new("RGB", (20, 20)).save(folder / "small.png")
    Image.new("RGB", (300, 200), "navy").save(folder / "nobody.png")
    with Image.open(files[1]) as face:
        face.resize((2100, 2100)).save(folder / "large.jpg")
    oddities = [file_input(str(path)) for path in sorted(folder.iterdir())]
    faces = [file_input(str(path)) for path in files]
    return [item for pair in zip(faces, oddities, strict=False) for item in pair] + faces[len(oddities) :]


def test_the_rows_are_those_of_the_ordinary_engine(odd: list[Input]) -> None:
    work, batches = scoring(*DEFAULT), cut(odd, 9, DEFAULT)
    outcomes = list(DeviceEngine(work, decoders=2).run(batches))
    assert [item for batch, _ in outcomes for item in batch.inputs] == odd
    expected = rows(LocalEngine(work, workers=1).run(batches))
    assert_frame_equal(rows(iter(outcomes)), expected, check_exact=True)
    assert {"ok", "no_face", "unreadable", "too_small"} <= set(expected["status"])


def test_all_faces_and_answers_for_pictures_alone_come_out_alike_too(odd: list[Input]) -> None:
    everybody = scoring("mesh", faces="all")
    batches = cut(odd, 50, ["mesh"])
    ours = rows(DeviceEngine(everybody, decoders=1).run(batches))
    assert_frame_equal(ours, rows(LocalEngine(everybody, workers=1).run(batches)), check_exact=True)
    told = scoring("generation")
    batches = cut(odd, 50, ["generation"], shard="part-00000.parquet", pictures=True)
    ours = rows(DeviceEngine(told, decoders=1).run(batches))
    assert_frame_equal(ours, rows(LocalEngine(told, workers=1).run(batches)), check_exact=True)


def test_more_pictures_than_there_are_pages_for(odd: list[Input], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(device_engine._JOBS_A_PAGE, "cpu", 1)
    monkeypatch.setitem(device_engine._JOB, "cpu", 2)
    many = [*odd, *odd, *odd]
    work, batches = scoring("fake"), cut(many, 7, ["fake"])
    ours = rows(DeviceEngine(work, decoders=1).run(batches))
    assert_frame_equal(ours, rows(LocalEngine(work, workers=1).run(batches)), check_exact=True)


def test_a_picture_that_kills_or_stops_its_decoder_costs_itself_alone(odd: list[Input]) -> None:
    bad = [Input("killer", at=Poison("kill")), Input("sleeper", at=Poison("hang"))]  # type: ignore[arg-type]
    inputs = [*odd[:3], bad[0], *odd[3:8], bad[1], *odd[8:]]
    outcomes = list(DeviceEngine(scoring("fake"), decoders=2, patience=0.5).run(cut(inputs, 30, ["fake"])))
    failures = {b.inputs[0].image: f.reason for b, f in outcomes if isinstance(f, Failure)}
    assert failures == {"killer": "the worker was killed by SIGKILL", "sleeper": "it took too long"}
    assert [item for batch, _ in outcomes for item in batch.inputs] == inputs


class Touchy:
    """A scorer that one picture breaks."""

    name = "touchy"
    version = "1"
    columns: tuple[Column, ...] = (Column("touch", "Float32", "how wide the picture is", scorer="touchy"),)
    needs_mesh = False
    packs: tuple[str, ...] = ()
    options: Mapping[str, str] = {}

    def open(self, device: Device) -> None:
        """Nothing to load."""

    def score(self, faces: Sequence[Face]) -> Values:
        if any(face.width == 300 for face in faces):
            raise ValueError("300 pixels")
        return {"touch": np.array([face.width for face in faces], np.float32)}


def test_a_picture_that_breaks_a_scorer_costs_itself_alone(odd: list[Input]) -> None:
    outcomes = list(DeviceEngine(Scoring((Touchy(),)), decoders=1).run(cut(odd, 30, ["touchy"])))
    failures = [(Path(b.inputs[0].image).name, f.reason) for b, f in outcomes if isinstance(f, Failure)]
    assert failures == [("nobody.png", "ValueError: 300 pixels")]
    assert sum(len(batch) for batch, _ in outcomes) == len(odd)


def test_models_and_decoders_stay_for_the_next_run_where_they_are_asked_to(odd: list[Input]) -> None:
    work, batches = scoring("fake"), cut(odd, 5, ["fake"])
    with DeviceEngine(work, decoders=1) as engine:
        first, again = rows(engine.run(batches)), rows(engine.run(batches))
    assert_frame_equal(first, again)


class Slow(Touchy):
    """A scorer that says when it is at work, and takes its time."""

    name = "slow"
    columns = (Column("touch", "Float32", "how wide the picture is", scorer="slow"),)

    def __init__(self) -> None:
        self.begun = self.ended = 0

    def score(self, faces: Sequence[Face]) -> Values:
        self.begun += 1
        time.sleep(0.3)
        self.ended += 1
        return {"touch": np.array([face.width for face in faces], np.float32)}


def test_a_run_that_is_left_has_left_the_device_too(
    odd: list[Input], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(device_engine._JOBS_A_PAGE, "cpu", 1)
    monkeypatch.setitem(device_engine._JOB, "cpu", 2)
    scorer = Slow()
    faces = [item for item in odd if item.image.startswith(str(EXAMPLES))]
    with DeviceEngine(Scoring((scorer,)), decoders=1) as engine:
        outcomes = engine.run(cut(faces, 2, ["slow"]))
        next(outcomes)
        time.sleep(0.1)
        outcomes.close()  # type: ignore[attr-defined]  # as Ctrl-C does
        done = scorer.begun
        assert scorer.ended == done < 6
        time.sleep(0.4)
        assert scorer.begun == done
        again = rows(engine.run(cut(faces, 2, ["slow"])))
    assert list(again["touch"]) == list(again["width"])
    assert len(again) == len(faces)


class Greedy(Touchy):
    """A scorer that has room for four faces."""

    name = "greedy"
    columns = (Column("touch", "Float32", "how wide the picture is", scorer="greedy"),)

    def score(self, faces: Sequence[Face]) -> Values:
        if len(faces) > 4:
            raise MemoryError
        return {"touch": np.array([face.width for face in faces], np.float32)}


def test_where_the_memory_is_too_small_for_a_page_pictures_go_one_by_one(odd: list[Input]) -> None:
    outcomes = list(DeviceEngine(Scoring((Greedy(),)), decoders=1).run(cut(odd, 30, ["greedy"])))
    assert not [failure for _, failure in outcomes if isinstance(failure, Failure)]
    assert [item for batch, _ in outcomes for item in batch.inputs] == odd


class Failing(Touchy):
    """A scorer whose GPU fails, in ONNX Runtime's words, where it is given more than so many faces, or so often."""

    name = "failing"
    columns = (Column("touch", "Float32", "how wide the picture is", scorer="failing"),)

    def __init__(self, words: str, most: int, calls: int = 1000) -> None:
        self.words, self.most, self.calls = words, most, calls
        self.asked: list[int] = []

    def score(self, faces: Sequence[Face]) -> Values:
        self.asked.append(len(faces))
        if len(faces) > self.most or len(self.asked) > self.calls:
            raise RuntimeException(self.words)
        return {"touch": np.array([face.width for face in faces], np.float32)}


FULL = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv node. Status "
    "Message: bfc_arena.cc:376 onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate memory "
    "for requested buffer of size 4585490524"
)
LOST = "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=h ; expr=cudaMemcpy(dst, src)"


def test_a_full_gpu_is_given_fewer_pictures_from_then_on(odd: list[Input]) -> None:
    faces = [item for item in odd if item.image.startswith(str(EXAMPLES))]
    greedy = Failing(FULL, most=4)
    batches = cut(faces, 12, ["failing"]) * 3
    outcomes = list(DeviceEngine(Scoring((greedy,)), decoders=1).run(batches))
    found = rows(iter(outcomes))
    assert list(found["image"]) == [item.image for item in faces] * 3
    assert list(found["touch"]) == list(found["width"])
    # Half, and half again, until it fits; nothing larger is tried a second time.
    refused = [n for n in greedy.asked if n > 4]
    assert refused == sorted(set(refused), reverse=True)


def test_a_gpu_without_room_for_one_picture_ends_the_run_and_says_what_to_type(odd: list[Input]) -> None:
    with pytest.raises(DeviceFullError, match="no memory left") as error:
        list(DeviceEngine(Scoring((Failing(FULL, most=0),)), decoders=1).run(cut(odd, 5, ["failing"])))
    assert "--device cpu" in error.value.hint


def test_a_gpu_that_is_lost_makes_no_rows_of_the_pictures_that_it_did_not_see(
    odd: list[Input], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(device_engine._JOBS_A_PAGE, "cpu", 1)
    monkeypatch.setitem(device_engine._JOB, "cpu", 2)
    faces = [item for item in odd if item.image.startswith(str(EXAMPLES))]
    lost = Failing(LOST, most=2, calls=2)
    outcomes = DeviceEngine(Scoring((lost,)), decoders=1).run(cut(faces, 2, ["failing"]))
    assert rows(islice(outcomes, 2))["touch"].is_not_null().all()
    with pytest.raises(ModelError, match="CUDA failure 700: an illegal memory access"):
        next(outcomes)


def test_an_error_of_the_source_ends_the_run_and_the_decoders(odd: list[Input]) -> None:
    def broken() -> Iterator[Batch]:
        yield from cut(odd, 5, ["fake"])
        raise CurateError("the source has gone")

    with pytest.raises(CurateError, match="the source has gone"):
        list(DeviceEngine(scoring("fake"), decoders=1).run(broken()))


_RUN = """
import sys
from pathlib import Path
from poison import Poison
from curate.device_engine import DeviceEngine
from curate.scorers.scorer import make_scorer
from curate.scoring import Batch, Scoring
from curate.sources.source import Input

if __name__ == "__main__":
    slow = [Input(f"{i}", at=Poison("slow", Path(sys.argv[1]))) for i in range(200)]
    batches = [Batch((item,), ("fake",)) for item in slow]
    for batch, _ in DeviceEngine(Scoring((make_scorer("fake"),)), decoders=2).run(batches):
        print(batch.inputs[0].image, flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says who is whose child")
def test_nothing_is_left_of_a_run_that_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "run.py"
    program.write_text(_RUN)
    before = set(os.listdir("/dev/shm"))  # noqa: PTH208, S108
    support = Path(__file__).resolve().parents[1] / "support"
    run = subprocess.Popen(
        [sys.executable, program, sorted(EXAMPLES.glob("*.jpg"))[0]],
        env=os.environ | {"PYTHONPATH": str(support)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "0\n"
    children = _children(run.pid)
    assert len(children) >= 2
    run.send_signal(signal.SIGKILL)
    _, complaints = run.communicate(timeout=30)
    deadline = time.monotonic() + 30
    while any(map(_runs, children)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(_runs, children))
    # Other tests come and go there; what has no name at all cannot stay.
    assert not {name for name in os.listdir("/dev/shm") if name.startswith("pym-")} - before  # noqa: PTH208, S108
    assert complaints == ""


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()] or [
        int(child) for child in text.split()
    ]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
