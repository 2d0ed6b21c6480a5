"""The graphs that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.scorers.device.build import FOLDER, GRAPHS, write


def test_they_are_what_the_builder_writes(tmp_path: Path) -> None:
    write(tmp_path)
    assert {path.name for path in FOLDER.glob("*.onnx")} == {f"{name}.onnx" for name in GRAPHS}
    for name in GRAPHS:
        assert (tmp_path / f"{name}.onnx").read_bytes() == (FOLDER / f"{name}.onnx").read_bytes(), name


@pytest.mark.parametrize("name", GRAPHS)
def test_they_keep_to_the_operators_and_types_that_were_chosen(name: str) -> None:
    import onnx

    # Common ones, and whole numbers only where indices are. That CUDA has a kernel for each was not checked: one
    # that it lacks would run on the CPU, with copies, and be slow.
    everything = {
        "Abs", "Add", "And", "Cast", "Concat", "Div", "Exp", "Expand", "Floor", "Gather", "GatherElements",
        "GreaterOrEqual", "Identity", "Less", "MatMul", "Max", "Min", "Mul", "ReduceSum", "Reshape", "Round", "Sub",
        "TopK", "Transpose", "Unsqueeze", "Where",
    }  # fmt: skip
    graph = onnx.shape_inference.infer_shapes(onnx.load(FOLDER / f"{name}.onnx")).graph
    assert {node.op_type for node in graph.node} <= everything
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.input, *graph.output)}
    for node in graph.node:
        if node.op_type in ("Min", "Max", "Where", "Floor", "Round", "MatMul", "ReduceSum"):
            assert types[node.output[0]] in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE), node
