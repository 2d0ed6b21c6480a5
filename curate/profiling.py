"""`curate models profile`: every network in every precision on this machine's processor and the user's faces."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from curate.errors import CurateError, InputError, ModelError
from curate.models.gate import MAX_GAZE, Error, error_of
from curate.models.openvino_network import check_openvino, cpu_name
from curate.models.pack import ModelPack, find_pack, sha256_of
from curate.models.profile import Alignment, Chosen, Measured, Record, file_name, record_path
from curate.models.quantise import write_f16, write_int8
from curate.models.session import Device, Precision, Session, resolve_device
from curate.scorers import libreface
from curate.scorers.fast_align import VERSION
from curate.scorers.preprocess import normalise, resize_and_crop
from curate.scorers.scorer import make_scorer

if TYPE_CHECKING:
    from curate.scorers.face import Face

LEAST_FACES = 16
# With fewer to measure on, one label that flips is more than the gate lets pass.
ENOUGH_FACES = 100
_CALIBRATION = 64
_BATCH = 8
_TURNS = 5

Inputs = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Whole:
    """A scorer from faces to answers, `fast` against `exact`: everything that the profile changes.

    `exact_ms` and `fast_ms` are of CPU a face; the rest is as in `Measured`.
    """

    scorer: str
    exact_ms: float
    fast_ms: float
    label_flips: float
    presence_flips: float
    mean: float
    p99: float


def profile_pack(
    name: str, faces: Sequence[Face], device: Device = "cpu", tell: Callable[[str], None] = lambda _: None
) -> Record:
    """Measure every network of a pack that sees pictures, choose, and leave the record in the user's cache.

    Half of the faces, 64 at most, set the ranges of int8; the others are what errors are measured on.

    Args:
        name: of the pack.
        faces: at least `LEAST_FACES`, with their mesh.
        device: `cuda` is float16 against float32; without a GPU its error is still measured, on the CPU.
        tell: is told what is measured now.

    Raises:
        ModelError: the pack, or a package that is needed, is missing; the cache cannot be written to, or somebody
            else is measuring this pack.
        InputError: too few faces.
    """
    if len(faces) < LEAST_FACES:
        raise InputError(
            f"{len(faces)} faces are not enough to measure on",
            hint=f"--faces FOLDER with {LEAST_FACES} or more",
        )
    pack = find_pack(name)
    if device == "cpu":
        check_openvino()
    seen, measured_on = list(faces[::2][:_CALIBRATION]), list(faces[1::2])
    folder = record_path(pack, device).parent
    with _alone_in(folder):
        return _profiled(pack, device, seen, measured_on, tell)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """The folder of a record, with one writer at a time."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise ModelError(
            "another `curate models profile` is measuring this pack", where=str(folder), hint="wait for it"
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ModelError(
            f"cannot be written: {reason}", where=str(folder), hint="CURATE_CACHE names another folder"
        ) from error


def _profiled(
    pack: ModelPack,
    device: Device,
    seen: Sequence[Face],
    measured_on: Sequence[Face],
    tell: Callable[[str], None],
) -> Record:
    folder = record_path(pack, device).parent
    measured: list[Measured] = []
    chosen: dict[str, Chosen] = {}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for role, network in pack.networks.items():
            if network.input.layout != "NCHW":
                continue
            tell(f"{pack.name}: {role}")
            of_role = _Networks(pack, role, device, Path(scratch))
            found = of_role.measure(network_inputs(pack, role, seen), network_inputs(pack, role, measured_on))
            measured += found
            chosen[role] = of_role.keep(_best(found), folder)
    record = Record(
        pack=pack.name,
        fingerprint=pack.fingerprint,
        device=device,
        processor=_processor(device),
        faces=len(measured_on),
        chosen=chosen,
        measured=tuple(measured),
        alignment=measure_alignment(measured_on) if (pack.name, device) == (libreface.PACK, "cpu") else None,
    )
    path = record_path(pack, device)
    partial = path.with_suffix(".part")
    partial.write_text(record.model_dump_json(indent=1), encoding="utf-8")
    partial.replace(path)
    kept = {c.file for c in chosen.values()}
    for old in folder.glob("*.onnx"):
        if old.name not in kept:
            old.unlink(missing_ok=True)
    return record


def compare_whole(scorer: str, faces: Sequence[Face]) -> Whole:
    """Both profiles of a scorer on the same faces, in turns, in batches of 8, on the CPU."""
    scorers = {"exact": make_scorer(scorer), "fast": make_scorer(scorer, "fast")}
    times: dict[str, list[float]] = {name: [] for name in scorers}
    answers: dict[str, list[Any]] = {name: [] for name in scorers}
    for one in scorers.values():
        one.open("cpu")
        one.score([_fresh(face) for face in faces[:_BATCH]])
    for start in range(0, len(faces), _BATCH):
        for name, one in scorers.items():
            batch = [_fresh(face) for face in faces[start : start + _BATCH]]
            begin = time.process_time()
            answers[name].append(one.score(batch))
            times[name].append(1000 * (time.process_time() - begin) / len(batch))
    columns = [c.name for c in scorers["exact"].columns]
    exact, fast = (
        {c: np.concatenate([np.asarray(part[c]) for part in answers[name]]) for c in columns}
        for name in scorers
    )
    return Whole(scorer, median(times["exact"]), median(times["fast"]), *_apart(exact, fast))


def measure_alignment(faces: Sequence[Face]) -> Alignment:
    """LibreFace's fast alignment and carried mesh against the exact ones, every network in float32."""
    exact, fast = libreface.LibreFace(), libreface.LibreFace()
    fast.options = {"profile": "fast", "alignment": VERSION}
    for scorer in (exact, fast):
        scorer.open("cpu")
    before, now = (
        {c.name: np.concatenate([np.asarray(part[c.name]) for part in parts]) for c in exact.columns}
        for parts in (
            [one.score([_fresh(f) for f in faces[i : i + _BATCH]]) for i in range(0, len(faces), _BATCH)]
            for one in (exact, fast)
        )
    )
    flips, presence, mean, p99 = _apart(before, now)
    problem = Error(flips, presence, mean, p99).problem
    gaze, gaze_problem = None, ""
    if "gaze_yaw" in before:
        turned = np.abs(np.stack([before[c] - now[c] for c in ("gaze_yaw", "gaze_pitch")]))
        seen = turned[:, ~np.isnan(turned).any(axis=0)]
        gaze = float(seen.mean()) if seen.size else None
        if gaze is None or gaze > MAX_GAZE:
            gaze_problem = "no gaze to compare" if gaze is None else f"gaze differs by {gaze:.1f} degrees"
    return Alignment(
        fast=not problem,
        carried=not gaze_problem,
        label_flips=flips,
        presence_flips=presence,
        mean=mean,
        p99=p99,
        gaze=gaze,
        problem=problem,
        gaze_problem=gaze_problem,
    )


def _apart(
    exact: Mapping[str, NDArray[Any]], fast: Mapping[str, NDArray[Any]]
) -> tuple[float, float, float, float]:
    """Label flips, presence flips, mean and 99th percentile of |difference| of the intensities."""
    intensities = [c for c in exact if c.startswith("au") and not c.endswith("_p")]
    apart = np.abs(np.stack([exact[c].astype(float) - fast[c].astype(float) for c in intensities]))
    presence = [(exact[c] >= 0.5) != (fast[c] >= 0.5) for c in exact if c.endswith("_p")]
    flips = float((exact["expression"] != fast["expression"]).mean())
    return flips, float(np.mean(presence)), float(apart.mean()), float(np.quantile(apart, 0.99))


def faces_in(folder: Path, limit: int) -> list[Face]:
    """The largest face of each of at most `limit` pictures of a folder, taken evenly; unreadable ones are left out."""
    from curate.sources import open_source

    inputs = list(open_source(str(folder)))
    if len(inputs) > limit:
        inputs = [inputs[i * len(inputs) // limit] for i in range(limit)]
    return _faces(item.read for item in inputs)


def faces_in_order(paths: Sequence[Path]) -> list[Face]:
    """The largest face of each of these pictures; those without one are left out."""
    return _faces(path.read_bytes for path in paths)


def _faces(pictures: Iterable[Callable[[], bytes]]) -> list[Face]:
    from curate.scorers.decode import decode
    from curate.scorers.face import Face
    from curate.scorers.mesh import FaceMesh

    mesh = FaceMesh()
    faces = []
    for read in pictures:
        try:
            pixels = decode(read()).pixels
        except CurateError:
            continue
        found = [Face(pixels, one.landmarks) for one in mesh.detect([pixels])[0]]
        if found:
            faces.append(max(found, key=lambda face: face.box[2] * face.box[3]))
    return faces


def example_faces() -> Path:
    """The example pictures of a checkout; InputError where this is an installed package, which has none."""
    folder = Path(__file__).resolve().parent.parent / "examples" / "faces"
    if not folder.is_dir():
        raise InputError("there are no faces to measure on", hint="curate models profile --faces FOLDER")
    return folder


def network_inputs(pack: ModelPack, role: str, faces: Sequence[Face]) -> Inputs:
    """What a network is fed with in `exact`, by name, for N faces: float32 [N, ...]."""
    from curate.scorers import lite

    card = pack.network(role).input
    if pack.name == lite.PACK:
        return lite.network_inputs(faces, card.size[0])
    if card.resize is None or card.resample is None or card.mean is None or card.std is None:
        raise ModelError("the card does not say how a picture is prepared", where=f"{pack.name}: {role}")
    small = [resize_and_crop(face.aligned, card.resize, card.crop, card.resample) for face in faces]
    name = next(iter(Session(pack.verified_path(role)).inputs))
    return {name: normalise(small, card.mean, card.std)}


class _Networks:
    """One network in all its precisions."""

    def __init__(self, pack: ModelPack, role: str, device: Device, scratch: Path) -> None:
        self._pack, self._role, self._device, self._scratch = pack, role, device, scratch
        self._files: dict[Precision, Path] = {}

    def measure(self, seen: Inputs, inputs: Inputs) -> list[Measured]:
        """Every precision on `inputs`, in turns; `seen` sets the ranges of int8."""
        exact = Session(self._pack.verified_path(self._role), device=_usable(self._device))
        sessions: dict[Precision, Session] = {}
        problems: dict[Precision, str] = {}
        wanted: tuple[Precision, ...] = (
            ("f32", "winograd", "bf16", "int8") if self._device == "cpu" else ("f32", "f16")
        )
        for precision in wanted:
            try:
                sessions[precision] = self._open(precision, seen)
            except ModelError as error:
                problems[precision] = error.message
        network = self._pack.network(self._role)
        reference = _answers(exact, inputs)
        errors = {p: error_of(network, _answers(s, inputs), reference) for p, s in sessions.items()}
        times = _times(sessions, inputs) if _usable(self._device) == self._device else {}
        found = [
            Measured(
                role=self._role,
                precision=p,
                ms=times.get(p),
                label_flips=e.label_flips,
                presence_flips=e.presence_flips,
                mean=e.mean,
                p99=e.p99,
                passes=not e.problem or p == "f32",
                problem="" if p == "f32" else e.problem,
            )
            for p, e in errors.items()
        ]
        return found + [
            Measured(role=self._role, precision=p, passes=False, problem=why) for p, why in problems.items()
        ]

    def keep(self, precision: Precision, folder: Path) -> Chosen:
        """Move the chosen file into the record's folder, named by its content."""
        if precision not in self._files:
            return Chosen(precision=precision)
        made = self._files[precision]
        sha256 = sha256_of(made)
        name = file_name(self._role, precision, sha256)
        made.replace(folder / name)
        return Chosen(precision=precision, file=name, sha256=sha256)

    def _open(self, precision: Precision, seen: Inputs) -> Session:
        source = self._pack.verified_path(self._role)
        made = self._scratch / f"{self._role}-{precision}.onnx"
        if precision == "f16":
            write_f16(source, made)
            self._files[precision] = made
            return Session(made, device=_usable(self._device))
        if self._device == "cuda":
            return Session(source, device=_usable(self._device))
        if precision == "int8":
            write_int8(source, seen, made)
            self._files[precision] = made
            return Session(made, openvino=precision)
        return Session(source, openvino=precision)


def _best(found: Sequence[Measured]) -> Precision:
    """The fastest that may be taken: bfloat16 as it is, the others through the gate."""
    allowed = [m for m in found if m.passes or (m.precision == "bf16" and m.ms is not None)]
    # Without a clock (float16 on a machine without a GPU) fewer bits are taken for faster.
    untimed: tuple[Precision, ...] = ("f16", "int8", "bf16", "winograd", "f32")
    return min(allowed, key=lambda m: (m.ms or 0.0, untimed.index(m.precision))).precision


def _answers(session: Session, inputs: Inputs) -> dict[str, NDArray[np.float32]]:
    count = len(next(iter(inputs.values())))
    parts = [session.run(_part(inputs, start)) for start in range(0, count, _BATCH)]
    return {name: np.concatenate([part[name] for part in parts]) for name in session.outputs}


def _times(sessions: Mapping[Precision, Session], inputs: Inputs) -> dict[Precision, float]:
    """Milliseconds a face, median over batches that take turns; of CPU, or by the clock where a GPU works."""
    batch = _part(inputs, 0)
    count = len(next(iter(batch.values())))
    times: dict[Precision, list[float]] = {p: [] for p in sessions}
    for _ in range(_TURNS):
        for precision, session in sessions.items():
            now = time.process_time if session.device == "cpu" else time.perf_counter
            begin = now()
            session.run(batch)
            times[precision].append(1000 * (now() - begin) / count)
    return {p: median(t) for p, t in times.items()}


def _part(inputs: Inputs, start: int) -> dict[str, NDArray[np.float32]]:
    return {name: array[start : start + _BATCH] for name, array in inputs.items()}


def _fresh(face: Face) -> Face:
    """The same face with nothing computed yet."""
    from dataclasses import replace

    return replace(face)


def _usable(device: Device) -> Device:
    return "cpu" if device == "cpu" else resolve_device("auto")


def _processor(device: Device) -> str:
    if device == "cpu":
        return cpu_name()
    return "CUDA" if _usable(device) == "cuda" else "none: measured on the CPU, without times"
