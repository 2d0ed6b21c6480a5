"""Writing ONNX graphs as arithmetic: what `build.py` is written in. Needs `onnx`; nothing at run time does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto

_OPSET = 17
_IR = 8


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the graph. Arithmetic with it writes nodes; numbers take its type."""

    tape: Tape
    name: str
    dtype: type[np.generic]

    def __add__(self, other: Any) -> Value:
        return self._pair("Add", other)

    def __sub__(self, other: Any) -> Value:
        return self._pair("Sub", other)

    def __mul__(self, other: Any) -> Value:
        return self._pair("Mul", other)

    def __truediv__(self, other: Any) -> Value:
        return self._pair("Div", other)

    def __matmul__(self, other: Value) -> Value:
        return self._pair("MatMul", other)

    def __lt__(self, other: Any) -> Value:
        return self._pair("Less", other, np.bool_)

    def __ge__(self, other: Any) -> Value:
        return self._pair("GreaterOrEqual", other, np.bool_)

    def __and__(self, other: Value) -> Value:
        return self._pair("And", other)

    def floor(self) -> Value:
        return self.tape.op("Floor", self)

    def round(self) -> Value:
        """To the nearest whole number, ties to the even one, as C's rint."""
        return self.tape.op("Round", self)

    def least(self, other: Any) -> Value:
        """The smaller of both."""
        return self._pair("Min", other)

    def most(self, other: Any) -> Value:
        """The larger of both."""
        return self._pair("Max", other)

    def cast(self, dtype: type[np.generic]) -> Value:
        if dtype is self.dtype:
            return self
        return self.tape.op("Cast", self, to=_onnx_type(dtype), dtype=dtype)

    def reshape(self, *shape: int) -> Value:
        """0 keeps a dimension, -1 is what is left."""
        return self.tape.op("Reshape", self, self.tape.constant(shape, np.int64))

    def transpose(self, *order: int) -> Value:
        return self.tape.op("Transpose", self, perm=list(order))

    def unsqueeze(self, axis: int) -> Value:
        """A dimension of one more."""
        return self.tape.op("Unsqueeze", self, self.tape.constant([axis], np.int64))

    def column(self, index: int) -> Value:
        """One entry of the last dimension, which goes."""
        at = self.tape.constant(index, np.int64)
        return self.tape.op("Gather", self, at, axis=-1)

    def _pair(self, kind: str, other: Any, dtype: type[np.generic] | None = None) -> Value:
        if not isinstance(other, Value):
            other = self.tape.constant(other, self.dtype)
        return self.tape.op(kind, self, other, dtype=dtype or self.dtype)


class Tape:
    """The nodes of one graph, in the order in which they were written."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[Any] = []
        self._constants: dict[tuple[bytes, str, tuple[int, ...]], tuple[str, Any]] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, dtype: type[np.generic], *shape: int | str) -> Value:
        from onnx import helper

        self._inputs.append(helper.make_tensor_value_info(name, _onnx_type(dtype), shape))
        return Value(self, name, dtype)

    def output(self, name: str, value: Value, *shape: int | str) -> None:
        from onnx import helper

        self._nodes.append(helper.make_node("Identity", [value.name], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, _onnx_type(value.dtype), shape))

    def constant(self, content: Any, dtype: type[np.generic]) -> Value:
        from onnx import numpy_helper

        array = np.asarray(content, dtype)
        key = (array.tobytes(), array.dtype.str, array.shape)
        if key not in self._constants:
            name = f"c{len(self._constants)}"
            self._constants[key] = (name, numpy_helper.from_array(array, name))
        return Value(self, self._constants[key][0], dtype)

    def op(
        self, kind: str, *inputs: Value, dtype: type[np.generic] | None = None, **attributes: Any
    ) -> Value:
        """One node with one output, of the first input's type unless `dtype` says otherwise."""
        return self.ops(kind, *inputs, dtypes=(dtype or inputs[0].dtype,), **attributes)[0]

    def ops(
        self, kind: str, *inputs: Value, dtypes: tuple[type[np.generic], ...], **attributes: Any
    ) -> tuple[Value, ...]:
        """One node with an output for each of `dtypes`."""
        from onnx import helper

        names = [f"v{len(self._nodes)}_{i}" for i in range(len(dtypes))]
        self._nodes.append(helper.make_node(kind, [v.name for v in inputs], names, **attributes))
        return tuple(Value(self, name, dtype) for name, dtype in zip(names, dtypes, strict=True))

    def where(self, condition: Value, yes: Value, no: Value | float) -> Value:
        other = no if isinstance(no, Value) else self.constant(no, yes.dtype)
        return self.op("Where", condition, yes, other, dtype=yes.dtype)

    def model(self) -> ModelProto:
        from onnx import checker, helper

        graph = helper.make_graph(
            self._nodes, self._name, self._inputs, self._outputs, [c for _, c in self._constants.values()]
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR, producer_name="curate"
        )
        checker.check_model(model, full_check=True)
        return model


def _onnx_type(dtype: type[np.generic]) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
