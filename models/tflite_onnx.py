"""Turn a TFLite graph into an ONNX model: NCHW, dynamic batch `N`, standard operators, opset 17.

The same graph gives the same bytes, always. Names in the ONNX graph are the TFLite tensors' own. Weights that
float16 holds without loss are stored as float16 and cast when the session is made: half the size, equal
results. Activations with four axes are kept as NCHW; everything else keeps TFLite's order of axes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.errors import ModelError
from curate.models.tflite import Graph, Operator

OPSET = 17
_IR_VERSION = 9
# Below this a Cast node costs more bytes than the halved weights save.
_SMALLEST_HALF = 64

Array = NDArray[Any]


def to_onnx(graph: Graph, name: str) -> bytes:
    """The ONNX model, serialised.

    The one input is called `input`, float32 [N, C, H, W]. Outputs keep their TFLite names; one that has four
    axes in TFLite is flattened to [N, H*W*C], the others are [N, ...].

    Raises:
        ModelError: an operator, or one of its options, is not supported.
    """
    return _Converter(graph).convert(name)


class Builder:
    """The ONNX graph while it grows. Handlers of operators call `add` and `constant`."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: dict[str, Any] = {}
        self._taken: set[str] = set()

    def unique(self, name: str) -> str:
        """`name`, made of safe characters, with a number behind it where it is already taken."""
        base = re.sub(r"[^A-Za-z0-9_./]+", "_", name)
        found, number = base, 1
        while found in self._taken:
            number += 1
            found = f"{base}.{number}"
        self._taken.add(found)
        return found

    def add(self, op: str, inputs: Iterable[str], name: str, **attributes: Any) -> str:
        """One node with one output, both called `name`. Returns that name."""
        from onnx import helper

        name = self.unique(name)
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, value: Array | list[Any], name: str, dtype: type = np.float32) -> str:
        """A stored tensor, as float16 plus Cast where that loses nothing. Returns its name."""
        from onnx import TensorProto, numpy_helper

        name = self.unique(name)
        array: Array = np.ascontiguousarray(value, dtype)
        half = array.astype(np.float16) if dtype is np.float32 and array.size >= _SMALLEST_HALF else None
        if half is None or not np.array_equal(half.astype(np.float32), array):
            self.weights[name] = numpy_helper.from_array(array, name)
            return name
        stored = self.unique(f"{name}/float16")
        self.weights[stored] = numpy_helper.from_array(half, stored)
        from onnx import helper

        self.nodes.append(helper.make_node("Cast", [stored], [name], name=name, to=TensorProto.FLOAT))
        return name


class _Converter:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.build = Builder()
        self.value: dict[int, str] = {}  # tensor index -> name of the ONNX value
        self.data = {i: t.data for i, t in enumerate(graph.tensors) if t.data is not None}

    def convert(self, name: str) -> bytes:
        from onnx import TensorProto, checker, helper

        if len(self.graph.inputs) != 1 or len(self.shape(self.graph.inputs[0])) != 4:
            raise ModelError("a model must have one input, with four axes")
        _, height, width, channels = self.shape(self.graph.inputs[0])
        self.value[self.graph.inputs[0]] = self.build.unique("input")
        names = {i: self.build.unique(self.graph.tensors[i].name) for i in self.graph.outputs}
        for op in self.graph.operators:
            self.operator(op)

        outputs = []
        for index, output in names.items():
            shape = self.shape(index)
            source = [self.nhwc(index)]
            if len(shape) == 4:
                node = helper.make_node("Flatten", source, [output], name=output, axis=1)
            else:
                node = helper.make_node("Identity", source, [output], name=output)
            self.build.nodes.append(node)
            sizes = [int(np.prod(shape[1:]))] if len(shape) == 4 else list(shape[1:])
            outputs.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", *sizes]))
        inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", channels, height, width])]
        onnx_graph = helper.make_graph(
            self.build.nodes, name, inputs, outputs, list(self.build.weights.values())
        )
        model = helper.make_model(
            onnx_graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION,
            producer_name="curate",
        )  # fmt: skip
        checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))

    # What handlers ask for.

    def shape(self, index: int) -> tuple[int, ...]:
        return self.graph.tensors[index].shape

    def name(self, op: Operator) -> str:
        return self.graph.tensors[op.outputs[0]].name

    def const(self, index: int, what: str) -> Array:
        if index not in self.data:
            raise ModelError(f"{what} of {self.graph.tensors[index].name} must be a constant")
        return self.data[index]

    def operand(self, index: int) -> str:
        """The value of a tensor that may be an activation or a constant, in our order of axes."""
        if index not in self.value:
            data = self.const(index, "the value").astype(np.float32)
            if data.ndim == 4:
                data = data.transpose(0, 3, 1, 2)
            self.value[index] = self.build.constant(data, self.graph.tensors[index].name)
        return self.value[index]

    def nhwc(self, index: int) -> str:
        """The value of a tensor in TFLite's order of axes."""
        shape = self.shape(index)
        # With one row and one column both orders are the same bytes.
        if len(shape) != 4 or shape[1] == shape[2] == 1:
            return self.value[index]
        return self.build.add(
            "Transpose", [self.value[index]], f"{self.value[index]}/nhwc", perm=[0, 2, 3, 1]
        )

    def activate(self, value: str, kind: str | None) -> str:
        if kind == "Relu":
            return self.build.add("Relu", [value], f"{value}/relu")
        if kind == "Relu6":
            low, high = (self.build.constant(np.array(v), f"{value}/{v}") for v in (0, 6))
            return self.build.add("Clip", [value, low, high], f"{value}/relu6")
        return value

    # Operators.

    def operator(self, op: Operator) -> None:
        if op.kind == "DEQUANTIZE":
            # float16 weights: from here on they are float32, as TFLite computes with them.
            self.data[op.outputs[0]] = self.const(op.inputs[0], "the input").astype(np.float32)
            return
        handler = HANDLERS.get(op.kind)
        if handler is None:
            raise ModelError(f"operator {op.kind} is not supported")
        value = handler(self, op)
        self.value[op.outputs[0]] = self.activate(value, op.options.get("activation"))

    def window(self, op: Operator, kernel: tuple[int, int]) -> dict[str, Any]:
        """Attributes that convolutions and pools share."""
        strides, dilations = op.options["strides"], op.options.get("dilations", (1, 1))
        pads = [(0, 0), (0, 0)]
        if op.options["padding"] == "SAME":
            sizes = self.shape(op.inputs[0])[1:3]
            reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
            pads = [same_padding(n, k, s) for n, k, s in zip(sizes, reach, strides, strict=True)]
        return {
            "kernel_shape": list(kernel),
            "strides": list(strides),
            "dilations": list(dilations),
            "pads": [pads[0][0], pads[1][0], pads[0][1], pads[1][1]],
        }

    def convolution(self, op: Operator) -> str:
        depthwise = op.kind == "DEPTHWISE_CONV_2D"
        weights = self.const(op.inputs[1], "the kernel")
        channels = self.shape(op.inputs[0])[3]
        # TFLite stores OHWI, and 1HWO for depthwise kernels; ONNX wants OIHW.
        kernel = weights.transpose(3, 0, 1, 2) if depthwise else weights.transpose(0, 3, 1, 2)
        if depthwise and kernel.shape[0] != channels:
            raise ModelError(f"{self.name(op)}: a depth multiplier is not supported")
        inputs = [self.operand(op.inputs[0]), self.weight(op.inputs[1], kernel)]
        if len(op.inputs) > 2 and op.inputs[2] >= 0:
            inputs.append(self.weight(op.inputs[2], self.const(op.inputs[2], "the bias")))
        window = self.window(op, (int(weights.shape[1]), int(weights.shape[2])))
        return self.build.add("Conv", inputs, self.name(op), group=channels if depthwise else 1, **window)

    def weight(self, index: int, array: Array) -> str:
        return self.build.constant(array, self.graph.tensors[index].name.removesuffix("_dequantize"))

    def max_pool(self, op: Operator) -> str:
        window = self.window(op, op.options["kernel"])
        return self.build.add("MaxPool", [self.operand(op.inputs[0])], self.name(op), **window)

    def arithmetic(self, op: Operator) -> str:
        return self.build.add(op.kind.title(), [self.operand(i) for i in op.inputs], self.name(op))

    def relu(self, op: Operator) -> str:
        return self.build.add("Relu", [self.operand(op.inputs[0])], self.name(op))

    def prelu(self, op: Operator) -> str:
        # a*x + (1-a)*relu(x). ONNX Runtime's PRelu is slow and leaves the blocked layout of its
        # convolutions; two depthwise 1x1 convolutions stay in it: a third of the time for the whole network.
        slope = self.const(op.inputs[1], "the slope").astype(np.float32).reshape(-1, 1, 1, 1)
        value, name = self.operand(op.inputs[0]), self.name(op)
        channels = self.shape(op.inputs[0])[3]
        if len(slope) != channels:
            raise ModelError(f"{name}: a slope that is not one number a channel is not supported")
        point = {"kernel_shape": [1, 1], "group": channels}
        positive = self.build.add("Relu", [value], f"{name}/relu")
        left = self.build.constant(slope, f"{name}/alpha")
        right = self.build.constant(np.float32(1) - slope, f"{name}/one_minus_alpha")
        both = [
            self.build.add("Conv", [value, left], f"{name}/scaled", **point),
            self.build.add("Conv", [positive, right], f"{name}/rest", **point),
        ]
        return self.build.add("Add", both, name)

    def pad(self, op: Operator) -> str:
        pads = self.const(op.inputs[1], "the padding")
        if len(pads) == 4:
            if pads[3].any() and not pads[:3].any():
                return self.further_channels(op, int(pads[3][0]), int(pads[3][1]))
            pads = pads[[0, 3, 1, 2]]
        amounts = self.build.constant(pads.T.reshape(-1), f"{self.name(op)}/pads", np.int64)
        return self.build.add("Pad", [self.operand(op.inputs[0]), amounts], self.name(op))

    def further_channels(self, op: Operator, before: int, after: int) -> str:
        """Channels of zeros around a picture's own: a 1x1 convolution with ones on its diagonal gives the same numbers
        and, unlike Pad, stays in ONNX Runtime's blocked layout."""
        channels = self.shape(op.inputs[0])[3]
        kernel = np.eye(before + channels + after, channels, -before, np.float32)[:, :, None, None]
        name = self.name(op)
        weight = self.build.constant(kernel, f"{name}/diagonal")
        return self.build.add("Conv", [self.operand(op.inputs[0]), weight], name, kernel_shape=[1, 1])

    def reshape(self, op: Operator) -> str:
        shape, name = self.shape(op.outputs[0]), self.name(op)
        if shape[0] != 1 or self.shape(op.inputs[0])[0] != 1:
            raise ModelError(f"{name}: a reshape that moves the batch axis is not supported")
        picture = len(shape) == 4 and not shape[1] == shape[2] == 1
        sizes = [0, shape[3], 1, 1] if len(shape) == 4 and not picture else [0, *shape[1:]]
        target = self.build.constant(sizes, f"{name}/shape", np.int64)
        moved = self.build.add(
            "Reshape", [self.nhwc(op.inputs[0]), target], f"{name}/nhwc" if picture else name
        )
        return self.build.add("Transpose", [moved], name, perm=[0, 3, 1, 2]) if picture else moved

    def concatenation(self, op: Operator) -> str:
        shape = self.shape(op.outputs[0])
        axis = op.options["axis"] % len(shape)
        if axis == 0:
            raise ModelError(f"{self.name(op)}: joining along the batch axis is not supported")
        if len(shape) == 4:
            axis = {1: 2, 2: 3, 3: 1}[axis]
        return self.build.add("Concat", [self.operand(i) for i in op.inputs], self.name(op), axis=axis)

    def strided_slice(self, op: Operator) -> str:
        if self.shape(op.inputs[0]) != self.shape(op.outputs[0]):
            raise ModelError(f"{self.name(op)}: only a slice that takes everything is supported")
        return self.operand(op.inputs[0])

    def custom(self, op: Operator) -> str:
        from curate.models import mediapipe_ops

        values = [self.operand(i) for i in op.inputs]
        shapes = [self.shape(i) for i in op.inputs]
        return mediapipe_ops.OPERATORS[op.kind](self.build, self.name(op), values, shapes, op.options)


HANDLERS: dict[str, Callable[[_Converter, Operator], str]] = {
    "CONV_2D": _Converter.convolution,
    "DEPTHWISE_CONV_2D": _Converter.convolution,
    "MAX_POOL_2D": _Converter.max_pool,
    "ADD": _Converter.arithmetic,
    "MUL": _Converter.arithmetic,
    "RELU": _Converter.relu,
    "PRELU": _Converter.prelu,
    "PAD": _Converter.pad,
    "RESHAPE": _Converter.reshape,
    "CONCATENATION": _Converter.concatenation,
    "STRIDED_SLICE": _Converter.strided_slice,
    "Landmarks2TransformMatrix": _Converter.custom,
    "TransformTensorBilinear": _Converter.custom,
    "TransformLandmarks": _Converter.custom,
}


def same_padding(size: int, reach: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME: zeros before and after an axis; an odd one goes behind."""
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2
