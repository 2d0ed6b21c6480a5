"""A pack's record: what was measured of its networks, and what of it `--profile fast` is to take."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import InputError, ModelError
from curate.models.openvino_network import check_openvino, cpu_name
from curate.models.pack import ModelPack, find_pack
from curate.models.profile import Alignment, Chosen, Measured, Record, record_path
from curate.models.session import Device
from curate.profiling.precisions import Precisions, best, network_inputs, usable
from curate.profiling.whole import measure_alignment
from curate.scorers.libreface import PACK, LibreFace, LibreFaceSeparate

if TYPE_CHECKING:
    from curate.scorers.face import Face

LEAST_FACES = 16
# With fewer to measure on, one label that flips is more than the gate lets pass.
ENOUGH_FACES = 100
_CALIBRATION = 64


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
            of_role = Precisions(pack, role, device, Path(scratch))
            found = of_role.measure(network_inputs(pack, role, seen), network_inputs(pack, role, measured_on))
            measured += found
            chosen[role] = of_role.keep(best(found), folder)
    record = Record(
        pack=pack.name,
        fingerprint=pack.fingerprint,
        device=device,
        processor=_processor(device),
        faces=len(measured_on),
        chosen=chosen,
        measured=tuple(measured),
        alignment=_alignments(pack, measured_on) if (pack.name, device) == (PACK, "cpu") else {},
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


def _alignments(pack: ModelPack, faces: Sequence[Face]) -> dict[str, Alignment]:
    """By scorer, of those that the pack has the networks of: one alignment is read by other networks in each."""
    found = {}
    for scorer in (LibreFace, LibreFaceSeparate):
        if scorer.runs_on(pack):
            found[scorer.name] = measure_alignment(faces, scorer)
    return found


def _processor(device: Device) -> str:
    if device == "cpu":
        return cpu_name()
    return "CUDA" if usable(device) == "cuda" else "none: measured on the CPU, without times"
