"""Each operator of the TFLite converter, on tiny made-up graphs, against the same sum written in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from curate.errors import ModelError
from curate.models.tflite import Graph, Operator, Tensor, read_graph
from curate.models.tflite_onnx import OPSET, same_padding, to_onnx

Array = NDArray[Any]
RNG = np.random.default_rng(7)


def normal(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def graph(
    input_shape: tuple[int, ...],
    steps: list[tuple[str, list[int], tuple[int, ...], dict[str, Any]]],
    constants: list[Array] | None = None,
) -> Graph:
    """Tensor 0 is the input, then the constants, then one tensor a step; the last step is the output."""
    constants = constants or []
    tensors = [Tensor("picture", input_shape)]
    tensors += [Tensor(f"constant_{i}", c.shape, c) for i, c in enumerate(constants)]
    operators = []
    for kind, inputs, shape, options in steps:
        operators.append(Operator(kind, tuple(inputs), (len(tensors),), options))
        tensors.append(Tensor(f"step {kind}", shape))
    return Graph(tuple(tensors), tuple(operators), (0,), (len(tensors) - 1,))


def run(g: Graph, x: Array) -> Array:
    """`x` and the result in TFLite's order of axes."""
    session = ort.InferenceSession(to_onnx(g, "test"), providers=["CPUExecutionProvider"])
    (out,) = session.run(None, {"input": np.ascontiguousarray(x.transpose(0, 3, 1, 2))})
    return np.asarray(out).reshape(len(x), *g.tensors[g.outputs[0]].shape[1:])


def convolve(x: Array, kernel: Array, bias: Array, stride: int, pads: tuple[int, int]) -> Array:
    """x [N,H,W,C], kernel [O,h,w,C] -> [N,H',W',O]; the same pads on both axes."""
    x = np.pad(x, ((0, 0), pads, pads, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[1:3], axis=(1, 2))
    return np.asarray(np.einsum("nyxchw,ohwc->nyxo", windows[:, ::stride, ::stride], kernel) + bias)


@pytest.mark.parametrize(
    ("size", "reach", "stride", "pads"),
    [(8, 3, 1, (1, 1)), (8, 3, 2, (0, 1)), (7, 3, 2, (1, 1)), (8, 1, 1, (0, 0)), (128, 5, 2, (1, 2))],
)
def test_same_padding_is_tensorflows(size: int, reach: int, stride: int, pads: tuple[int, int]) -> None:
    assert same_padding(size, reach, stride) == pads


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_convolution(stride: int, padding: str) -> None:
    x, kernel, bias = normal(3, 8, 8, 2), normal(4, 3, 3, 2), normal(4)
    pads = same_padding(8, 3, stride) if padding == "SAME" else (0, 0)
    want = convolve(x, kernel, bias, stride, pads)
    options = {"padding": padding, "strides": (stride, stride), "dilations": (1, 1), "activation": None}
    g = graph((1, 8, 8, 2), [("CONV_2D", [0, 1, 2], (1, *want.shape[1:]), options)], [kernel, bias])
    np.testing.assert_allclose(run(g, x), want, atol=1e-5)


def test_depthwise_convolution_with_a_fused_activation() -> None:
    x, kernel, bias = normal(2, 6, 6, 3), normal(1, 3, 3, 3), normal(3)
    full = np.zeros((3, 3, 3, 3), np.float32)
    for channel in range(3):
        full[channel, :, :, channel] = kernel[0, :, :, channel]
    want = np.clip(convolve(x, full, bias, 1, (1, 1)) * 1, 0, 6)
    options = {"padding": "SAME", "strides": (1, 1), "dilations": (1, 1), "activation": "Relu6"}
    g = graph((1, 6, 6, 3), [("DEPTHWISE_CONV_2D", [0, 1, 2], (1, 6, 6, 3), options)], [kernel, bias])
    np.testing.assert_allclose(run(g, x), want, atol=1e-5)


def test_float16_weights_are_stored_as_they_are_and_used_as_float32() -> None:
    x, half = normal(1, 4, 4, 8), normal(16, 1, 1, 8).astype(np.float16)
    options = {"padding": "VALID", "strides": (1, 1), "dilations": (1, 1), "activation": None}
    tensors = (
        Tensor("picture", (1, 4, 4, 8)),
        Tensor("kernel", half.shape, half),
        Tensor("kernel_dequantize", half.shape),
        Tensor("out", (1, 4, 4, 16)),
    )
    operators = (Operator("DEQUANTIZE", (1,), (2,)), Operator("CONV_2D", (0, 2), (3,), options))
    g = Graph(tensors, operators, (0,), (3,))
    want = convolve(x, half.astype(np.float32), np.zeros(16, np.float32), 1, (0, 0))
    np.testing.assert_allclose(run(g, x), want, atol=1e-5)
    stored = {t.name: t.data_type for t in onnx.load_from_string(to_onnx(g, "t")).graph.initializer}
    assert stored == {"kernel/float16": onnx.TensorProto.FLOAT16}


def test_weights_that_float16_would_round_stay_float32() -> None:
    kernel = np.full((16, 1, 1, 8), 0.1, np.float32)
    options = {"padding": "VALID", "strides": (1, 1), "dilations": (1, 1), "activation": None}
    g = graph((1, 4, 4, 8), [("CONV_2D", [0, 1], (1, 4, 4, 16), options)], [kernel])
    stored = [t.data_type for t in onnx.load_from_string(to_onnx(g, "t")).graph.initializer]
    assert stored == [onnx.TensorProto.FLOAT]


def test_prelu_for_slopes_of_every_sign_and_above_one() -> None:
    x, slope = normal(2, 4, 4, 4), np.array([-0.5, 0.0, 0.25, 1.5], np.float32).reshape(1, 1, 4)
    g = graph((1, 4, 4, 4), [("PRELU", [0, 1], (1, 4, 4, 4), {})], [slope])
    np.testing.assert_allclose(run(g, x), np.where(x > 0, x, slope * x), atol=1e-6)
    kinds = {node.op_type for node in onnx.load_from_string(to_onnx(g, "t")).graph.node}
    assert "PRelu" not in kinds


def test_max_pool() -> None:
    x = normal(2, 6, 6, 3)
    options = {"padding": "SAME", "strides": (2, 2), "kernel": (2, 2), "activation": None}
    g = graph((1, 6, 6, 3), [("MAX_POOL_2D", [0], (1, 3, 3, 3), options)])
    np.testing.assert_array_equal(run(g, x), x.reshape(2, 3, 2, 3, 2, 3).max(axis=(2, 4)))


@pytest.mark.parametrize(("kind", "function"), [("ADD", np.add), ("MUL", np.multiply)])
def test_arithmetic_with_an_activation_and_with_a_constant(kind: str, function: Any) -> None:
    x, other = normal(2, 3, 3, 4), normal(1, 1, 1, 4)
    steps: list[tuple[str, list[int], tuple[int, ...], dict[str, Any]]] = [
        (kind, [0, 1], (1, 3, 3, 4), {"activation": None}),
        (kind, [2, 0], (1, 3, 3, 4), {"activation": "Relu"}),
    ]
    g = graph((1, 3, 3, 4), steps, [other])
    np.testing.assert_allclose(run(g, x), np.maximum(function(function(x, other), x), 0), atol=1e-6)


def test_padding_of_channels() -> None:
    x = normal(2, 3, 3, 2)
    pads = np.array([[0, 0], [0, 0], [0, 0], [0, 3]], np.int32)
    g = graph((1, 3, 3, 2), [("PAD", [0, 1], (1, 3, 3, 5), {})], [pads])
    np.testing.assert_array_equal(run(g, x), np.pad(x, ((0, 0), (0, 0), (0, 0), (0, 3))))


def test_reshape_counts_in_tflites_order_of_axes() -> None:
    x = normal(2, 2, 3, 4)
    g = graph((1, 2, 3, 4), [("RESHAPE", [0], (1, 6, 4), {})])
    np.testing.assert_array_equal(run(g, x), x.reshape(2, 6, 4))
    g = graph((1, 2, 3, 4), [("RESHAPE", [0], (1, 12, 2), {}), ("RESHAPE", [1], (1, 4, 3, 2), {})])
    np.testing.assert_array_equal(run(g, x), x.reshape(2, 4, 3, 2))
    g = graph((1, 2, 3, 4), [("RESHAPE", [0], (1, 1, 1, 24), {})])
    np.testing.assert_array_equal(run(g, x), x.reshape(2, 1, 1, 24))


@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_concatenation(axis: int) -> None:
    x = normal(2, 3, 3, 3)
    want = np.concatenate([x, np.maximum(x, 0)], axis)
    steps: list[tuple[str, list[int], tuple[int, ...], dict[str, Any]]] = [
        ("RELU", [0], (1, 3, 3, 3), {}),
        ("CONCATENATION", [0, 1], (1, *want.shape[1:]), {"axis": axis, "activation": None}),
    ]
    np.testing.assert_array_equal(run(graph((1, 3, 3, 3), steps), x), want)


# MediaPipe's operators. The input picture [N, 1, L, k] stands for landmarks; RESHAPE makes [N, L, k] of it.

BOX = {
    "left_rotation_idx": 0,
    "right_rotation_idx": 1,
    "subset_idxs": [0, 1, 2, 3],
    "scale_x": 1.5,
    "scale_y": 1.25,
    "output_width": 8,
    "output_height": 4,
    "target_rotation_radians": 0.0,
}


def matrices(landmarks: Array) -> Array:
    n, k, _ = landmarks.shape
    steps: list[tuple[str, list[int], tuple[int, ...], dict[str, Any]]] = [
        ("RESHAPE", [0], (1, k, 3), {}),
        ("Landmarks2TransformMatrix", [1], (1, 4, 4), BOX),
    ]
    return run(graph((1, 1, k, 3), steps), landmarks.reshape(n, 1, k, 3))


def test_transform_matrix_of_a_level_box() -> None:
    # x from 10 to 30, y from 4 to 12: centre (20, 8), size 20 x 8, enlarged to 30 x 10.
    landmarks = np.array([[[10, 8, 1], [30, 8, 2], [20, 4, 3], [20, 12, 4]]], np.float32)
    want = np.eye(4)
    want[0, 0], want[0, 3] = 30 / 8, 20 - 15
    want[1, 1], want[1, 3] = 10 / 4, 8 - 5
    np.testing.assert_allclose(matrices(landmarks)[0], want, atol=1e-5)


def test_transform_matrix_turns_with_the_landmarks() -> None:
    level = np.array([[10, 8, 1], [30, 8, 2], [18, 4, 3], [20, 12, 4]], np.float32)
    angle = np.deg2rad(30)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    turned = level.copy()
    turned[:, :2] = level[:, :2] @ turn.T
    flat, tilted = matrices(np.stack([level, turned]))
    corners = np.array([[0, 0, 0, 1], [8, 0, 0, 1], [8, 4, 0, 1], [0, 4, 0, 1]]).T
    np.testing.assert_allclose((tilted @ corners)[:2], turn @ (flat @ corners)[:2], atol=1e-4)


def test_transform_matrix_of_coinciding_landmarks_is_finite() -> None:
    assert np.isfinite(matrices(np.zeros((1, 4, 3), np.float32))).all()


def test_cut_out_is_bilinear_and_zero_outside() -> None:
    picture = normal(1, 5, 6, 3)
    matrix = np.eye(4, dtype=np.float32)
    matrix[:2, :2], matrix[:2, 3] = [[1.2, 0.3], [-0.2, 0.9]], [-0.7, 1.1]
    size = {"output_height": 4, "output_width": 5}
    g = graph((1, 5, 6, 3), [("TransformTensorBilinear", [0, 1], (1, 4, 5, 3), size)], [matrix[None]])
    want = np.zeros((1, 4, 5, 3))
    outside = 0
    for j in range(4):
        for i in range(5):
            x, y = matrix[:2, :2] @ [i + 0.5, j + 0.5] + matrix[:2, 3] - 0.5
            if not (0 <= x <= 5 and 0 <= y <= 4):
                outside += 1
                continue
            x0, y0 = min(int(x), 4), min(int(y), 3)
            fx, fy = x - x0, y - y0
            patch = picture[:, y0 : y0 + 2, x0 : x0 + 2]
            want[:, j, i] = np.einsum("nyxc,y,x->nc", patch, [1 - fy, fy], [1 - fx, fx])
    assert 0 < outside < 20
    np.testing.assert_allclose(run(g, picture), want, atol=1e-5)


def test_landmarks_of_the_cut_out_go_back_to_the_whole() -> None:
    landmarks, matrix = normal(2, 5, 2), normal(1, 4, 4)
    steps: list[tuple[str, list[int], tuple[int, ...], dict[str, Any]]] = [
        ("RESHAPE", [0], (1, 5, 2), {}),
        ("TransformLandmarks", [2, 1], (1, 5, 2), {}),
    ]
    got = run(graph((1, 1, 5, 2), steps, [matrix]), landmarks.reshape(2, 1, 5, 2))
    want = landmarks @ matrix[0, :2, :2].T + matrix[0, :2, 3]
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_model_is_what_we_promise() -> None:
    g = graph((1, 4, 6, 2), [("RELU", [0], (1, 4, 6, 2), {})])
    content = to_onnx(g, "promise")
    model = onnx.load_from_string(content)
    assert content == to_onnx(g, "promise")
    assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET)]
    (entry,) = model.graph.input
    assert entry.name == "input"
    dims = [d.dim_param or d.dim_value for d in entry.type.tensor_type.shape.dim]
    assert dims == ["N", 2, 4, 6]
    (out,) = model.graph.output
    assert [d.dim_param or d.dim_value for d in out.type.tensor_type.shape.dim] == ["N", 48]


@pytest.mark.parametrize(
    ("step", "constants", "words"),
    [
        (("SOFTMAX", [0], (1, 4, 4, 2), {}), [], "SOFTMAX is not supported"),
        (("STRIDED_SLICE", [0], (1, 2, 4, 2), {}), [], "takes everything"),
        (("RESHAPE", [0], (2, 4, 2, 2), {}), [], "batch axis"),
        (("CONCATENATION", [0, 0], (2, 4, 4, 2), {"axis": 0, "activation": None}), [], "batch axis"),
        (("PRELU", [0, 1], (1, 4, 4, 2), {}), [np.ones((4, 4, 2), np.float32)], "one number a channel"),
        (("PRELU", [0, 0], (1, 4, 4, 2), {}), [], "must be a constant"),
        (
            ("Landmarks2TransformMatrix", [0], (1, 4, 4), BOX | {"target_rotation_radians": 1.0}),
            [],
            "rotation",
        ),
        (("TransformLandmarks", [0, 0], (1, 4, 3), {}), [], "two coordinates"),
    ],
)
def test_what_is_not_supported_is_refused(
    step: tuple[str, list[int], tuple[int, ...], dict[str, Any]], constants: list[Array], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        to_onnx(graph((1, 4, 4, 2), [step], constants), "refused")


def test_a_file_that_is_no_tflite_is_refused() -> None:
    with pytest.raises(ModelError, match="not a TFLite file"):
        read_graph(b"PK\x03\x04 a zip file, perhaps")
