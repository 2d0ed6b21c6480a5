"""Every node that runs on the device has a CUDA kernel in ONNX Runtime: none falls back to the CPU, with copies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest

from curate.models.pack import find_pack
from curate.models.quantise import write_f16
from curate.scorers.device.build import FOLDER, GRAPHS
from curate.scorers.libreface import LibreFace, LibreFaceSeparate

# ai.onnx kernels of CUDAExecutionProvider, those that are used here: docs/OperatorKernels.md of microsoft/onnxruntime
# at commit 001d12d2623fd411ce0f83d05abb5e82304a3389: first opset, last or None, types (of those we might use).
_FLOATS = {"FLOAT16", "FLOAT", "DOUBLE"}
_SIGNED = {*_FLOATS, "INT32", "INT64"}
_ANY = {*_SIGNED, "UINT8", "BOOL"}
_KERNELS: dict[str, tuple[int, int | None, set[str]]] = {
    "Abs": (13, None, {*_SIGNED, "UINT8"}),
    "Add": (14, None, {*_SIGNED, "UINT8"}),
    "And": (7, None, {"BOOL"}),
    "Cast": (13, 18, _ANY),
    "Concat": (13, None, _ANY),
    "Conv": (11, 21, _FLOATS),
    "Div": (14, None, {*_SIGNED, "UINT8"}),
    "Exp": (13, None, _FLOATS),
    "Expand": (13, None, _ANY),
    "Flatten": (13, None, _ANY),
    "Floor": (13, None, _FLOATS),
    "Gather": (13, None, _ANY),
    "GatherElements": (13, None, _ANY),
    "Gemm": (13, None, _FLOATS),
    "GreaterOrEqual": (16, None, _SIGNED),
    "GridSample": (16, 19, {"FLOAT"}),
    "Identity": (14, 18, _ANY),
    "Less": (13, None, _SIGNED),
    "LessOrEqual": (16, None, _SIGNED),
    "MatMul": (13, None, _FLOATS),
    "Max": (13, None, _SIGNED),
    "MaxPool": (12, None, {*_FLOATS, "UINT8"}),
    "Min": (13, None, _SIGNED),
    "Mul": (14, None, {*_SIGNED, "UINT8"}),
    "Pad": (13, 17, {*_FLOATS, "BOOL"}),
    "Pow": (15, None, _SIGNED),
    "ReduceL2": (1, 17, {*_FLOATS, "INT32"}),
    "ReduceMax": (1, 17, _SIGNED),
    "ReduceMean": (18, None, {*_FLOATS, "INT32"}),
    "ReduceMin": (1, 17, {*_SIGNED, "UINT8"}),
    "ReduceSum": (13, None, _SIGNED),
    "Relu": (14, None, _FLOATS),
    "Reshape": (14, 18, _ANY),
    "Round": (11, None, _FLOATS),
    "Sigmoid": (13, None, _FLOATS),
    "Softmax": (13, None, _FLOATS),
    "Sqrt": (13, None, _FLOATS),
    "Sub": (14, None, {*_SIGNED, "UINT8"}),
    "TopK": (11, None, _SIGNED),
    "Transpose": (13, 20, _ANY),
    "Unsqueeze": (13, 20, _ANY),
    "Where": (16, None, {*_SIGNED, "UINT8"}),
}
# The types of other inputs than the first, where the list says so; elsewhere they are the first one's.
_INDICES = {
    "Expand": ("INT64",),
    "Gather": ("INT32", "INT64"),
    "GatherElements": ("INT32", "INT64"),
    "Pad": ("INT64",),
    "ReduceSum": ("INT64",),
    "ReduceMean": ("INT64",),
    "Reshape": ("INT64",),
    "TopK": ("INT64",),
    "Unsqueeze": ("INT64",),
}


def nodes(path: Path) -> Iterator[tuple[str, int, list[str]]]:
    """(operator, opset, types of its inputs) of every node."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    graph, (opset,) = model.graph, {o.version for o in model.opset_import if not o.domain}
    kinds = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.input, *graph.output)}
    kinds |= {i.name: i.data_type for i in graph.initializer}
    for node in graph.node:
        assert not node.domain
        yield (
            node.op_type,
            opset,
            [onnx.TensorProto.DataType.Name(kinds[name]) for name in node.input if name],
        )


def lacking(path: Path) -> set[str]:
    """The nodes of a file that CUDA has no kernel for."""
    bad = set()
    for kind, opset, types in nodes(path):
        first, last, allowed = _KERNELS.get(kind, (1, 0, set()))
        data = types[1] if kind == "Where" else types[0]
        good = first <= opset <= (last or opset) and data in allowed
        if kind in _INDICES:
            good = good and all(t in _INDICES[kind] for t in types[1:2])
        elif kind == "Where":
            good = good and types == ["BOOL", data, data]
        else:
            good = good and set(types) == {data}
        if not good:
            bad.add(f"{kind} {opset} {' '.join(types)}")
    return bad


@pytest.mark.parametrize("name", GRAPHS)
def test_cuda_has_a_kernel_for_every_node_of_our_graphs(name: str) -> None:
    assert lacking(FOLDER / f"{name}.onnx") == set()


@pytest.mark.parametrize(
    ("pack", "role"), [("face-mesh", "detector"), ("face-mesh", "landmarks"), ("lite", "face")]
)
def test_cuda_has_a_kernel_for_every_node_of_the_networks(pack: str, role: str) -> None:
    assert lacking(find_pack(pack).path(role)) == set()


@pytest.mark.usefixtures("libreface")
@pytest.mark.parametrize("separate", [False, True])
def test_cuda_has_a_kernel_for_every_node_of_libreface(separate: bool) -> None:
    pack = find_pack("libreface")
    for role in (LibreFaceSeparate if separate else LibreFace)().roles(pack):
        assert lacking(pack.path(role)) == set(), role


def test_cuda_has_a_kernel_for_every_node_of_a_float16_network(tmp_path: Path) -> None:
    write_f16(find_pack("lite").path("face"), tmp_path / "f16.onnx")
    assert lacking(tmp_path / "f16.onnx") == set()


def test_what_has_no_kernel_is_found(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    def shift(kind: str, dtype: int) -> set[str]:
        types = [helper.make_tensor_value_info(n, dtype, [1]) for n in "abc"]
        graph = helper.make_graph([helper.make_node(kind, ["a", "b"], ["c"])], "g", types[:2], types[2:])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / "g.onnx")
        return lacking(tmp_path / "g.onnx")

    assert shift("Min", TensorProto.UINT8) == {"Min 17 UINT8 UINT8"}
    assert shift("Xor", TensorProto.BOOL) == {"Xor 17 BOOL BOOL"}
    assert shift("Min", TensorProto.DOUBLE) == set()
