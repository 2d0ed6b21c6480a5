"""`curate doctor`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

from curate.output import JsonFlag, Output, QuietFlag

_ESSENTIAL = (
    "numpy", "opencv-python-headless", "pillow", "polars", "pyarrow", "datasets", "filelock", "platformdirs",
    "pydantic", "pyyaml", "typer", "rich"
)  # fmt: skip
# What each optional package is for, and what brings it.
_OPTIONAL = (
    ("torch", "converts checkpoints, trains", "pip install 'curate-faces[train]'"),
    ("tflite", "rebuilds the face-mesh pack", "pip install 'curate-faces[convert]'"),
    ("openvino", "--profile fast", "pip install 'curate-faces[openvino]'"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `state` is ok, missing (can do without) or broken."""

    what: str
    state: str
    detail: str
    cure: str = ""


def doctor(json: JsonFlag = False, quiet: QuietFlag = False) -> None:
    """Look at this machine: versions, devices, models; what is missing, and the command that fixes it."""
    import typer

    output = Output(json, quiet)
    findings = [*_packages(), *_devices(), *_models(), *_copies(), *_app()]
    output.data([asdict(finding) for finding in findings])
    columns = ["", "state", "found", "to fix it"]
    rows = [(f.what, f.state, f.detail, f.cure) for f in findings]
    output.table(columns, rows, fold=["found", "to fix it"])
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


def _packages() -> list[Finding]:
    import platform

    findings = [Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}")]
    for name in ("curate-faces", *_ESSENTIAL):
        found = _version(name)
        cure = "" if found else f"pip install {name}"
        findings.append(Finding(name, "ok" if found else "broken", found or "not installed", cure))
    gpu, cpu = _version("onnxruntime-gpu"), _version("onnxruntime")
    if gpu and cpu:
        # Both write the same folder; whichever came last wins, and CUDA may be gone.
        cure = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu"
        findings.append(
            Finding("onnxruntime", "broken", "onnxruntime and onnxruntime-gpu overwrite each other", cure)
        )
    else:
        name = "onnxruntime-gpu" if gpu else "onnxruntime"
        cure = "" if gpu or cpu else "pip install onnxruntime"
        findings.append(Finding(name, "broken" if cure else "ok", gpu or cpu or "not installed", cure))
    for name, purpose, cure in _OPTIONAL:
        found = _version(name)
        findings.append(
            Finding(
                name,
                "ok" if found else "missing",
                f"{found or 'not installed'} ({purpose})",
                "" if found else cure,
            )
        )
    return findings


def _devices() -> list[Finding]:
    from curate.api import cores
    from curate.errors import ModelError
    from curate.models.profile import fast_bf16
    from curate.models.session import resolve_device

    bf16 = "bfloat16 is faster than float32" if fast_bf16() else "no bfloat16 that is faster than float32"
    findings = [Finding("cpu", "ok", f"{cores()} cores for this process; {bf16}")]
    try:
        resolve_device("cuda")
        findings.append(Finding("cuda", "ok", "opens"))
    except ModelError as problem:
        findings.append(Finding("cuda", "missing", problem.message, problem.hint))
    return findings


def _models() -> list[Finding]:
    from curate.errors import ModelError
    from curate.models.pack import cache_dir, find_pack

    findings = [Finding("model cache", "ok", str(cache_dir()))]
    for name, essential in (("face-mesh", True), ("lite", True), ("libreface", False)):
        try:
            pack = find_pack(name)
        except ModelError as problem:
            findings.append(
                Finding(name, "broken" if essential else "missing", problem.message, problem.hint)
            )
            continue
        try:
            pack.verify()
            findings.append(Finding(name, "ok", f"{', '.join(sorted(pack.networks))}: verified"))
        except ModelError as problem:
            findings.append(Finding(name, "broken", str(problem), problem.hint))
    return findings


def _copies() -> list[Finding]:
    from curate.mirror import KEPT_DAYS, size_of_mirrors

    count, size = size_of_mirrors()
    told = f"{count:,}, {size / 1e6:,.0f} MB; those that nobody reads for {KEPT_DAYS} days go"
    return [Finding("copies of sets at URLs", "ok", told)] if count else []


def _app() -> list[Finding]:
    from curate.browsing.database import look

    found = look()
    if not found.installed:
        return [Finding("fiftyone", "missing", "not installed (`curate browse`)", found.cure)]
    state = "broken" if found.problem else "ok"
    database = Finding("fiftyone's database", state, found.problem or found.database, found.cure)
    return [Finding("fiftyone", "ok", found.installed), database]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
