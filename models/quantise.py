"""Networks in fewer bits: int8 for a CPU, float16 for a GPU. Plain ONNX files, written deterministically."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.errors import ModelError
from curate.models.openvino_network import HINT

_TOGETHER = 8


def write_int8(source: Path, inputs: Mapping[str, NDArray[np.float32]], out: Path) -> None:
    """Static quantisation: 8-bit activations with a range a tensor, 8-bit weights with a range a channel.

    Args:
        source: the float32 network.
        inputs: by name, [N, ...]; what is seen of them sets the ranges.
        out: the file to write.

    Raises:
        ModelError: `onnx` is missing, or the network has something that cannot be quantised.
    """
    _need_onnx()
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Faces(CalibrationDataReader):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            count = len(next(iter(inputs.values())))
            self._parts: Iterator[dict[str, Any]] = iter(
                [{k: v[i : i + _TOGETHER] for k, v in inputs.items()} for i in range(0, count, _TOGETHER)]
            )

        def get_next(self) -> dict[str, Any] | None:
            return next(self._parts, None)

    log = logging.getLogger()
    before = log.level
    log.setLevel(logging.ERROR)  # it advises to pre-process, which these graphs have behind them
    try:
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / "plain.onnx"
            _without_shapes(source, plain)
            quantize_static(
                str(plain),
                str(out),
                Faces(),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
            )
    except Exception as broken:  # it raises whatever its passes raise
        raise ModelError(f"the network cannot be quantised: {broken}", where=str(source)) from broken
    finally:
        log.setLevel(before)


def write_f16(source: Path, out: Path) -> None:
    """The same network with float16 weights and arithmetic; what goes in and comes out stays float32.

    Raises:
        ModelError: `onnx` is missing, or the network has something that cannot be converted.
    """
    _need_onnx()
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    try:
        model = convert_float_to_float16(onnx.load(str(source)), keep_io_types=True)
        out.write_bytes(model.SerializeToString(deterministic=True))
    except Exception as broken:  # as above
        raise ModelError(f"the network cannot be converted: {broken}", where=str(source)) from broken


def _without_shapes(source: Path, out: Path) -> None:
    """A copy that says nothing of the shapes inside: the quantiser works them out."""
    import onnx

    model = onnx.load(str(source))
    del model.graph.value_info[:]
    onnx.save(model, str(out))


def _need_onnx() -> None:
    try:
        import onnx  # noqa: F401
    except ImportError as missing:
        raise ModelError("quantising needs the package onnx", hint=HINT) from missing
