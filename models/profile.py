"""What `--profile fast` runs: the precision of each network, and the files that hold it.

`curate models profile` measures and leaves a record in the user's cache, beside the packs. A scorer that is made with
the profile `fast` reads it once and carries what it found as its `options`, as words: they are part of its fingerprint,
travel to its workers, and say which file is to be opened there. Without a record nothing is quantised.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ConfigDict, ValidationError

from curate.errors import ModelError
from curate.models.openvino_network import check_openvino
from curate.models.pack import FileName, ModelPack, Sha256, cache_dir, sha256_of
from curate.models.session import Device, Precision, Session, open_session

RECORD = "profile.json"
_MEASURE = "curate models profile"


class Chosen(BaseModel):
    """The precision of one network; and its file, in the record's folder, where it is not the pack's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    precision: Precision
    file: FileName | None = None
    sha256: Sha256 | None = None


class Measured(BaseModel):
    """One network in one precision, against float32 in ONNX Runtime on the same faces.

    Attributes:
        role, precision: which.
        ms: a face, one thread, in batches of 8; None where it could not be timed.
        label_flips: share of faces whose expression is another; None for a network without.
        presence_flips: share of the action units' presences that are others; None for a network without.
        mean, p99: of |difference| of the intensities, 0 to 5; None for a network without.
        passes: the gate.
        problem: why it could not be measured, or does not pass; empty where it does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: str
    precision: Precision
    ms: float | None = None
    label_flips: float | None = None
    presence_flips: float | None = None
    mean: float | None = None
    p99: float | None = None
    passes: bool
    problem: str = ""


class Alignment(BaseModel):
    """What `fast` does to LibreFace's pixels, against `exact`, with all networks in float32.

    Attributes:
        fast: the fast alignment passes the gate; if not, `fast` aligns as `exact` does.
        carried: so does the carried mesh for gaze; if not, `fast` looks for it again as `exact` does.
        label_flips, presence_flips, mean, p99: of the fast alignment, as in `Measured`.
        gaze: mean |difference| of yaw and pitch with the carried mesh, degrees; None without a gaze network.
        problem, gaze_problem: why they do not pass; empty where they do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fast: bool
    carried: bool
    label_flips: float
    presence_flips: float
    mean: float
    p99: float
    gaze: float | None
    problem: str = ""
    gaze_problem: str = ""


class Record(BaseModel):
    """What was measured for one state of one pack, and what is to be taken; one a device.

    Attributes:
        pack, fingerprint: which pack.
        device, processor: where.
        faces: on how many the errors were measured; others set the ranges of int8.
        chosen: by role. A network that is not in it stays float32.
        measured: everything.
        alignment: of each scorer that reads LibreFace's aligned faces, on the CPU.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pack: str
    fingerprint: str
    device: Device
    processor: str
    faces: int
    chosen: dict[str, Chosen]
    measured: tuple[Measured, ...]
    alignment: dict[str, Alignment] = {}


def record_folder(pack: ModelPack) -> Path:
    """Where the records of this state of a pack lie."""
    return cache_dir() / "profiles" / f"{pack.name}-{pack.fingerprint}"


def record_path(pack: ModelPack, device: Device) -> Path:
    """The record of a pack on a device; it need not be there."""
    return record_folder(pack) / device / RECORD


def read_record(pack: ModelPack, device: Device) -> Record | None:
    """What was measured; None where nothing was.

    Raises:
        ModelError: the record cannot be read, or is of other networks.
    """
    path = record_path(pack, device)
    try:
        record = Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as broken:
        raise ModelError(
            "the record of the profile cannot be read", where=str(path), hint=f"{_MEASURE} {pack.name}"
        ) from broken
    if (record.pack, record.fingerprint, record.device) != (pack.name, pack.fingerprint, device):
        raise ModelError(
            "the record of the profile is of another pack or device",
            where=str(path),
            hint=f"{_MEASURE} {pack.name}",
        )
    return record


def fast_options(pack: ModelPack, roles: Iterable[str], device: Device = "cpu") -> dict[str, str]:
    """The options of a scorer with the profile `fast`: for each role a precision, and the sha256 of its own file.

    Raises:
        ModelError: OpenVINO is missing (on the CPU), or the record cannot be read.
    """
    if device == "cpu":
        check_openvino()
    record = read_record(pack, device)
    unmeasured = Chosen(precision=_unmeasured(device))
    options = {"profile": "fast"}
    for role in roles:
        # Numbers go in as they are where there is no picture: such networks take no time.
        plain = record is not None or pack.network(role).input.layout == "NF"
        chosen = record.chosen.get(role) if record else None
        chosen = chosen or (Chosen(precision="f32") if plain else unmeasured)
        options[role] = " ".join(filter(None, (chosen.precision, chosen.sha256)))
    return options


def _unmeasured(device: Device) -> Precision:
    """What is taken without a record: what is faster as far as is known. Winograd's was measured on x86 alone."""
    if device == "cuda":
        return "f32"
    if fast_bf16():
        return "bf16"
    return "winograd" if platform.machine().lower() in ("x86_64", "amd64") else "f32"


def network_file(pack: ModelPack, role: str, options: Mapping[str, str]) -> Path:
    """The ONNX file of one network under a scorer's options, after its sha256 has been checked.

    Raises:
        ModelError: no such network, a damaged file, or one that is not on this machine.
    """
    precision, _, sha256 = options.get(role, "f32").partition(" ")
    if not sha256:
        return pack.verified_path(role)
    for path in record_folder(pack).glob(f"*/{file_name(role, precision, sha256)}"):
        if sha256_of(path) == sha256:
            return path
    raise ModelError(
        f"the {precision} file of the network `{role}` is missing or damaged",
        where=str(record_folder(pack)),
        hint=f"{_MEASURE} {pack.name}",
    )


def file_name(role: str, precision: str, sha256: str) -> str:
    """What the file of a network in a precision of its own is called."""
    return f"{role}-{precision}-{sha256[:12]}.onnx"


def open_network(
    pack: ModelPack, role: str, options: Mapping[str, str], device: Device, *, pictures: bool = False
) -> Session:
    """The session of one network under a scorer's options.

    Args:
        pack, role: which network.
        options: of the scorer; without a profile in them it is `open_session`.
        device: where it runs. Only on the CPU does `fast` mean OpenVINO.
        pictures: with `fast` on the CPU, feed uint8 pictures instead of normalised ones.

    Raises:
        ModelError: no such network, a file that is damaged or not here, no OpenVINO, or CUDA does not open.
    """
    if options.get("profile") != "fast":
        return open_session(pack, role, device=device)
    path = network_file(pack, role, options)
    if device == "cuda":
        return Session(path, device=device)
    return Session(
        path,
        openvino=precision_of(options, role),
        picture=pack.network(role).input if pictures else None,
    )


def precision_of(options: Mapping[str, str], role: str) -> Precision:
    """What a network computes in under a scorer's options."""
    return cast(Precision, options.get(role, "f32").partition(" ")[0])


def fast_bf16() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32, as far as its flags tell.

    It does with AMX, and on AMD's Zen 4 and later. An Intel processor with AVX-512 BF16 alone has the instruction
    and is slower with it than with float32: 41 ms instead of 24 for a ResNet-18 on a Sapphire Rapids without AMX.
    Elsewhere than on Linux nobody says: `curate models profile` measures.
    """
    try:
        said = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = next((set(line.split()) for line in said.splitlines() if line.startswith("flags")), set())
    return "amx_bf16" in flags or ("avx512_bf16" in flags and "AuthenticAMD" in said)
