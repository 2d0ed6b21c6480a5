"""Networks in OpenVINO: what `--profile fast` runs on a CPU."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.errors import ModelError
from curate.models.pack import Input
from curate.models.session import Precision
from curate.models.winograd import rewrite_convolutions

HINT = 'pip install "curate-faces[openvino]"'


class OpenVinoNetwork:
    """One compiled network.

    Args:
        path: an ONNX file; for int8 one that holds its quantisation (`models/quantise.py`).
        precision: what it computes in. An int8 file leaves float32 what it does not quantise.
        threads: of this network.
        picture: fed as uint8 pictures (N, height, width, 3), which the network normalises by this card.

    Raises:
        ModelError: OpenVINO is not installed, or the file is no model.
    """

    def __init__(self, path: Path, precision: Precision, threads: int, picture: Input | None) -> None:
        core = _core()
        try:
            model = core.read_model(str(path))
            self.outputs: tuple[str, ...] = tuple(output.any_name for output in model.outputs)
            if picture is not None:
                model = _fed_with_pictures(model, picture)
            if precision == "winograd":
                rewrite_convolutions(model)
            self.inputs: dict[str, tuple[int | None, ...]] = {
                i.any_name: tuple(n.get_length() if n.is_static else None for n in i.partial_shape)
                for i in model.inputs
            }
            compiled = core.compile_model(model, "CPU", _config(precision, threads))
        except RuntimeError as broken:
            first = (str(broken).splitlines() or [""])[0]
            raise ModelError(f"OpenVINO cannot open the model: {first}", where=str(path)) from broken
        self._request = compiled.create_infer_request()
        self._places = [compiled.output(name) for name in self.outputs]

    def feed(self, feeds: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
        """Run on contiguous arrays that fit."""
        self._request.infer(dict(feeds), share_inputs=True)
        # The request's own memory is written over by the next batch.
        return {
            name: self._request.get_tensor(place).data.astype(np.float32, copy=True)
            for name, place in zip(self.outputs, self._places, strict=True)
        }


def check_openvino() -> None:
    """Raises ModelError, with the command that installs it, where OpenVINO is not there."""
    if find_spec("openvino") is None:
        raise ModelError("--profile fast needs OpenVINO, which is not installed", hint=HINT)


def cpu_name() -> str:
    """What the processor calls itself."""
    return str(_core().get_property("CPU", "FULL_DEVICE_NAME")).strip()


def _config(precision: Precision, threads: int) -> dict[str, Any]:
    return {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        # Every worker would be pinned to the same first core.
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
    }


def _fed_with_pictures(model: Any, card: Input) -> Any:
    """The model with 255, mean and std of its card in front: (x / 255 - mean) / std of uint8 pictures."""
    import openvino as ov
    from openvino.preprocess import PrePostProcessor

    if card.mean is None or card.std is None:
        raise ValueError("the card of this network does not say how to prepare a picture")
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    means, scales = [255 * m for m in card.mean], [255 * s for s in card.std]
    steps.input().preprocess().convert_element_type(ov.Type.f32).mean(means).scale(scales)
    return steps.build()


@lru_cache(maxsize=1)
def _core() -> Any:
    check_openvino()
    with _without_telemetry():
        import openvino as ov

    return ov.Core()


@contextlib.contextmanager
def _without_telemetry() -> Iterator[None]:
    """OpenVINO reports every import of it to Google Analytics, and leaves an identifier in the home folder.

    It does not where the package that reports cannot be imported: it then has an empty one of its own.
    """
    name = "openvino_telemetry"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
