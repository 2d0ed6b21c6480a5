"""Read a TFLite flatbuffer as plain Python data: tensors, operators, constants.

Only what a converter needs. Quantised and sparse tensors are refused: no model we ship has any.
Needs the packages `tflite` and `flatbuffers` (the extra `convert`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.errors import ModelError

Array = NDArray[Any]

_CUSTOM = 32
_DTYPES = {0: np.float32, 1: np.float16, 2: np.int32, 4: np.int64}
_ACTIVATIONS = {0: None, 1: "Relu", 3: "Relu6"}
_PADDINGS = {0: "SAME", 1: "VALID"}


@dataclass(frozen=True)
class Tensor:
    """One tensor. `shape` is TFLite's own: [1, H, W, C] for pictures. `data` is None for activations."""

    name: str
    shape: tuple[int, ...]
    data: Array | None = None


@dataclass(frozen=True)
class Operator:
    """One operator: `kind` is TFLite's name (`CONV_2D`) or the custom code (`TransformLandmarks`).

    `inputs` and `outputs` are indices into `Graph.tensors`; -1 is an optional input left out.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """The one subgraph of a model."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_graph(content: bytes) -> Graph:
    """Parse the bytes of a `.tflite` file.

    Raises:
        ModelError: the `convert` extra is missing, or the file holds something we do not read.
    """
    try:
        import tflite
    except ImportError as missing:
        raise ModelError(
            "reading TFLite files needs the packages tflite and flatbuffers",
            hint="pip install 'curate-faces[convert]'",
        ) from missing
    if content[4:8] != b"TFL3":
        raise ModelError("this is not a TFLite file")
    model = tflite.Model.GetRootAsModel(content, 0)
    if model.SubgraphsLength() != 1:
        raise ModelError(f"a model with {model.SubgraphsLength()} subgraphs is not supported")
    graph = model.Subgraphs(0)
    names = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
    return Graph(
        tensors=tuple(_tensor(model, graph.Tensors(i)) for i in range(graph.TensorsLength())),
        operators=tuple(
            _operator(tflite, names, model, graph.Operators(i)) for i in range(graph.OperatorsLength())
        ),
        inputs=tuple(graph.InputsAsNumpy().tolist()),
        outputs=tuple(graph.OutputsAsNumpy().tolist()),
    )


def _tensor(model: Any, raw: Any) -> Tensor:
    name = raw.Name().decode()
    shape = tuple(raw.ShapeAsNumpy().tolist()) if raw.ShapeLength() else ()
    if raw.Sparsity() is not None:
        raise ModelError(f"tensor {name} is sparse: not supported")
    buffer = model.Buffers(raw.Buffer())
    if buffer.DataLength() == 0:
        return Tensor(name, shape)
    if raw.Type() not in _DTYPES:
        raise ModelError(f"tensor {name} has element type {raw.Type()}: not supported")
    data = np.frombuffer(buffer.DataAsNumpy().tobytes(), _DTYPES[raw.Type()])
    return Tensor(name, shape, data.reshape(shape))


def _operator(tflite: Any, names: dict[int, str], model: Any, raw: Any) -> Operator:
    code = model.OperatorCodes(raw.OpcodeIndex())
    # Old files have the number in the deprecated byte field alone.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    kind = code.CustomCode().decode() if number == _CUSTOM else names[number]
    return Operator(
        kind=kind,
        inputs=tuple(raw.InputsAsNumpy().tolist()),
        outputs=tuple(raw.OutputsAsNumpy().tolist()),
        options=_custom_options(raw) if number == _CUSTOM else _builtin_options(tflite, kind, raw),
    )


def _custom_options(raw: Any) -> dict[str, Any]:
    from flatbuffers import flexbuffers

    if raw.CustomOptionsLength() == 0:
        return {}
    return dict(flexbuffers.Loads(bytes(raw.CustomOptionsAsNumpy())))


def _builtin_options(tflite: Any, kind: str, raw: Any) -> dict[str, Any]:
    """The options that change what an operator computes, by our own names."""

    def table(name: str) -> Any:
        found = getattr(tflite, name)()
        found.Init(raw.BuiltinOptions().Bytes, raw.BuiltinOptions().Pos)
        return found

    if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        t = table("Conv2DOptions" if kind == "CONV_2D" else "DepthwiseConv2DOptions")
        return {
            "padding": _PADDINGS[t.Padding()],
            "strides": (t.StrideH(), t.StrideW()),
            "dilations": (t.DilationHFactor(), t.DilationWFactor()),
            "activation": _activation(t),
        }
    if kind == "MAX_POOL_2D":
        t = table("Pool2DOptions")
        return {
            "padding": _PADDINGS[t.Padding()],
            "strides": (t.StrideH(), t.StrideW()),
            "kernel": (t.FilterHeight(), t.FilterWidth()),
            "activation": _activation(t),
        }
    if kind in ("ADD", "MUL"):
        return {"activation": _activation(table(f"{kind.title()}Options"))}
    if kind == "CONCATENATION":
        t = table("ConcatenationOptions")
        return {"axis": t.Axis(), "activation": _activation(t)}
    return {}


def _activation(table: Any) -> str | None:
    number = table.FusedActivationFunction()
    if number not in _ACTIVATIONS:
        raise ModelError(f"fused activation {number} is not supported")
    return _ACTIVATIONS[number]
