"""One network in every precision: how fast, and how far from float32."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from curate.errors import ModelError
from curate.models.gate import error_of
from curate.models.pack import ModelPack, sha256_of
from curate.models.profile import Chosen, Measured, file_name
from curate.models.quantise import write_f16, write_int8
from curate.models.session import Device, Precision, Session, resolve_device
from curate.scorers.preprocess import normalise, resize_and_crop

if TYPE_CHECKING:
    from curate.scorers.face import Face

_BATCH = 8
_TURNS = 5

Inputs = Mapping[str, NDArray[np.float32]]


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


class Precisions:
    """One network in all its precisions."""

    def __init__(self, pack: ModelPack, role: str, device: Device, scratch: Path) -> None:
        self._pack, self._role, self._device, self._scratch = pack, role, device, scratch
        self._files: dict[Precision, Path] = {}

    def measure(self, seen: Inputs, inputs: Inputs) -> list[Measured]:
        """Every precision on `inputs`, in turns; `seen` sets the ranges of int8."""
        exact = Session(self._pack.verified_path(self._role), device=usable(self._device))
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
        times = _times(sessions, inputs) if usable(self._device) == self._device else {}
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
            return Session(made, device=usable(self._device))
        if self._device == "cuda":
            return Session(source, device=usable(self._device))
        if precision == "int8":
            write_int8(source, seen, made)
            self._files[precision] = made
            return Session(made, openvino=precision)
        return Session(source, openvino=precision)


def best(found: Sequence[Measured]) -> Precision:
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


def usable(device: Device) -> Device:
    """Where something that is meant for a device can be measured: a GPU's on the CPU where there is none."""
    return "cpu" if device == "cpu" else resolve_device("auto")
