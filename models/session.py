"""Sessions as we use them: one thread, no chatter, and no silent fall from GPU to CPU."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from curate.errors import ModelError
from curate.models.pack import Input, ModelPack, find_pack

Device = Literal["cpu", "cuda"]
Profile = Literal["exact", "fast"]
# `winograd` is float32, with fewer multiplications (`models/winograd.py`).
Precision = Literal["f32", "winograd", "bf16", "int8", "f16"]

_GPU_HINT = "use --device cpu, or pip install 'onnxruntime-gpu[cuda,cudnn]'"
_ERRORS_ONLY = 3


class Session:
    """One network, ready to run.

    Args:
        path: an ONNX file.
        device: `cuda` means CUDA for certain, computed in full float32 (TF32 off).
        threads: of this session. The default of 1 is meant for many processes beside each other.
        openvino: run in OpenVINO on the CPU and compute so; None is ONNX Runtime, as the file says.
        picture: the card of an input that is then fed as uint8 pictures (N, height, width, 3): the network itself
            divides and normalises. Only in OpenVINO.

    Raises:
        ModelError: the file is missing or no model, CUDA does not open, or OpenVINO is not installed.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: Device = "cpu",
        threads: int = 1,
        openvino: Precision | None = None,
        picture: Input | None = None,
    ) -> None:
        if not path.is_file():
            raise ModelError("the model file is missing", where=str(path))
        self.path = path
        self.device: Device = device
        self._network: _Network
        if openvino is None:
            self._network = _OnnxRuntimeNetwork(_open(path, device, threads))
        else:
            from curate.models.openvino_network import OpenVinoNetwork

            self._network = OpenVinoNetwork(path, openvino, threads, picture)
        self.dtype = np.dtype(np.uint8 if picture else np.float32)
        # By name: the shape it wants, with None where the size is free.
        self.inputs = self._network.inputs
        self.outputs = self._network.outputs

    @property
    def runtime(self) -> Any:
        """The `onnxruntime.InferenceSession` itself, for who binds inputs and outputs to a device's memory."""
        if not isinstance(self._network, _OnnxRuntimeNetwork):
            raise ModelError("OpenVINO binds no memory of a GPU", where=str(self.path))
        return self._network.session

    @property
    def batch(self) -> int | None:
        """The batch size the file insists on; None where it takes any."""
        return next(iter(self.inputs.values()))[0]

    def run(
        self, x: NDArray[np.generic] | Mapping[str, NDArray[np.generic]]
    ) -> dict[str, NDArray[np.float32]]:
        """Feed `x`, [N, ...] of `dtype` with any N, also 0; or one such array for each input, by name.

        Returns every output by name, [N, ...]. A model exported for one picture at a time is fed one at a time.

        Raises:
            ModelError: the inputs are not the network's, or a shape does not fit.
        """
        given = x if isinstance(x, Mapping) else {next(iter(self.inputs)): x}
        if given.keys() != self.inputs.keys():
            raise ModelError(
                f"the network wants {', '.join(self.inputs)} and got {', '.join(given)}", where=str(self.path)
            )
        feeds = {name: np.ascontiguousarray(array, self.dtype) for name, array in given.items()}
        for name, array in feeds.items():
            self._check(name, array)
        count = len(next(iter(feeds.values())))
        if self.batch is None and count:
            return self._network.feed(feeds)
        step = self.batch or 1
        # An empty batch is run as zeros and cut off again: that is how the outputs' shapes are known.
        rest = -count % step if count else step
        padded = {
            name: np.concatenate([array, np.zeros((rest, *array.shape[1:]), self.dtype)])
            for name, array in feeds.items()
        }
        parts = [
            self._network.feed({name: array[i : i + step] for name, array in padded.items()})
            for i in range(0, count + rest, step)
        ]
        return {name: np.concatenate([part[name] for part in parts])[:count] for name in self.outputs}

    def _check(self, name: str, array: NDArray[np.generic]) -> None:
        wanted = self.inputs[name]
        fits = array.ndim == len(wanted) and all(
            w in (None, n) for w, n in zip(wanted[1:], array.shape[1:], strict=True)
        )
        if not fits:
            shape = ", ".join("N" if n is None else str(n) for n in (None, *wanted[1:]))
            raise ModelError(f"the network wants [{shape}] and got {list(array.shape)}", where=str(self.path))


class _Network(Protocol):
    """What runs a network: shapes by name, None where the size is free."""

    inputs: dict[str, tuple[int | None, ...]]
    outputs: tuple[str, ...]

    def feed(self, feeds: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
        """Contiguous arrays that fit, in; arrays that stay as they are, out."""


class _OnnxRuntimeNetwork:
    def __init__(self, session: Any) -> None:
        self.session = session
        self.inputs: dict[str, tuple[int | None, ...]] = {
            i.name: tuple(n if isinstance(n, int) else None for n in i.shape) for i in session.get_inputs()
        }
        self.outputs: tuple[str, ...] = tuple(output.name for output in session.get_outputs())

    def feed(self, feeds: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
        return dict(zip(self.outputs, self.session.run(None, feeds), strict=True))


def open_session(pack: ModelPack, role: str, *, device: Device = "cpu", threads: int = 1) -> Session:
    """The session of one network of a pack, after the sha256 of its file has been checked.

    Raises:
        ModelError: no such network, a damaged file, or CUDA does not open.
    """
    return Session(pack.verified_path(role), device=device, threads=threads)


def resolve_device(device: Literal["auto", "cpu", "cuda"]) -> Device:
    """What to run on. `auto` is `cuda` only where a session truly opens on it.

    Raises:
        ModelError: `cuda` was asked for and does not open.
    """
    if device == "cpu":
        return "cpu"
    problem = _cuda_problem()
    if problem and device == "cuda":
        raise ModelError(f"CUDA does not open: {problem}", hint=_GPU_HINT)
    return "cpu" if problem else "cuda"


def _open(path: Path, device: Device, threads: int) -> Any:
    ort = _runtime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Spinning threads of many processes steal the cores from each other.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    providers: list[Any] = ["CPUExecutionProvider"]
    if device == "cuda":
        if "CUDAExecutionProvider" not in ort.get_available_providers():
            raise ModelError("this ONNX Runtime has no CUDA in it", hint=_GPU_HINT)
        _load_cuda()
        # TF32 keeps ten bits of the mantissa: not the same answers as a CPU's.
        providers.insert(
            0, ("CUDAExecutionProvider", {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"})
        )
    try:
        with _quiet_stderr() if device == "cuda" else contextlib.nullcontext():
            session = ort.InferenceSession(str(path), options, providers=providers)
    except Exception as broken:  # onnxruntime raises a dozen kinds that share no base
        raise ModelError(f"the model cannot be opened: {_first_line(broken)}", where=str(path)) from broken
    if device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
        raise ModelError("ONNX Runtime could not start CUDA and fell back to the CPU", hint=_GPU_HINT)
    return session


@lru_cache(maxsize=1)
def _runtime() -> Any:
    """onnxruntime, imported without its remarks about a GPU that is not there."""
    try:
        with _quiet_stderr():
            import onnxruntime as ort

            ort.set_default_logger_severity(_ERRORS_ONLY)
    except ImportError as missing:
        raise ModelError("ONNX Runtime is not installed", hint="pip install onnxruntime") from missing
    return ort


@lru_cache(maxsize=1)
def _load_cuda() -> None:
    """Load the CUDA libraries that pip installed (`onnxruntime-gpu[cuda,cudnn]`): no loader finds them."""
    preload = getattr(_runtime(), "preload_dlls", None)  # since ONNX Runtime 1.21
    if preload is not None:
        with _quiet_stderr(), contextlib.redirect_stdout(io.StringIO()):
            preload()


@lru_cache(maxsize=1)
def _cuda_problem() -> str:
    """Why CUDA does not open here; empty where it does. A session is opened to find out."""
    try:
        _open(find_pack("face-mesh").path("detector"), "cuda", 1)
    except ModelError as problem:
        return problem.message
    return ""


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Native code writes to file descriptor 2 whatever Python does: point it at nothing for a moment."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, AttributeError, ValueError):
        yield
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
