"""Convolutions at points: the same numbers, in OpenVINO's graph as in a loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from curate.models import winograd
from curate.models.openvino_network import _core
from curate.models.session import Session
from curate.models.winograd import rewrite_convolutions

Floats = NDArray[np.float64]


@given(
    side=st.integers(1, 30),
    seed=st.integers(0, 2**32 - 1),
    weights=st.lists(st.floats(-2, 2), min_size=3, max_size=3),
)
def test_along_a_line_it_is_the_padded_convolution(side: int, seed: int, weights: list[float]) -> None:
    x = np.random.default_rng(seed).normal(size=side)
    to, back = winograd._along(side)
    products = (winograd._WEIGHTS @ weights)[:, None] * (to @ x)
    wanted = np.correlate(np.pad(x, 1), weights, "valid")
    np.testing.assert_allclose(np.einsum("xjt,jt->x", back, products), wanted, atol=1e-12)


def convolved(x: Floats, weights: Floats, stride: int = 1) -> Floats:
    """(N, C, S, S) with (K, C, 3, 3), padded by one."""
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), (2, 3)
    )
    out: Floats = np.einsum("ncxyij,kcij->nkxy", windows[:, :, ::stride, ::stride], weights, optimize=True)
    return out


class Residual:
    """relu(conv(relu(conv(x) + b)) + b + x), as in a ResNet, and then a convolution with a stride."""

    def __init__(self, path: Path, side: int, channels: int) -> None:
        rng = np.random.default_rng(side)
        scale = np.sqrt(2 / 9 / channels)
        self.path = path
        self.weights = [rng.normal(scale=scale, size=(channels, channels, 3, 3)) for _ in range(3)]
        self.biases = [rng.normal(size=channels) for _ in range(2)]
        values = {f"w{i}": w for i, w in enumerate(self.weights)} | {
            f"b{i}": b for i, b in enumerate(self.biases)
        }
        shape = ["N", channels, side, side]
        graph = helper.make_graph(
            [
                helper.make_node("Conv", ["x", "w0", "b0"], ["a"], pads=[1, 1, 1, 1]),
                helper.make_node("Relu", ["a"], ["r"]),
                helper.make_node("Conv", ["r", "w1", "b1"], ["c"], pads=[1, 1, 1, 1]),
                helper.make_node("Add", ["x", "c"], ["d"]),
                helper.make_node("Relu", ["d"], ["whole"]),
                helper.make_node("Conv", ["whole", "w2"], ["half"], pads=[1, 1, 1, 1], strides=[2, 2]),
            ],
            "residual",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("whole", "half")],
            [numpy_helper.from_array(v.astype(np.float32), name) for name, v in values.items()],
        )
        onnx.save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path)
        )

    def __call__(self, x: Floats) -> dict[str, Floats]:
        """In float64."""
        first, second = (b[None, :, None, None] for b in self.biases)
        a = np.maximum(convolved(x, self.weights[0]) + first, 0)
        whole = np.maximum(convolved(a, self.weights[1]) + second + x, 0)
        return {"whole": whole, "half": convolved(whole, self.weights[2], 2)}


def kinds(path: Path) -> list[str]:
    """The operations of a file that OpenVINO would run, after the change."""
    model = _core().read_model(str(path))
    rewrite_convolutions(model)
    return [node.get_type_name() for node in model.get_ordered_ops()]


@pytest.mark.parametrize("side", [7, 9, 14, 28])
@pytest.mark.parametrize("rows", [1, 3])
def test_the_graph_answers_as_plain_convolutions_do(side: int, rows: int, tmp_path: Path) -> None:
    network = Residual(tmp_path / "residual.onnx", side, 96)
    # What has a stride stays a convolution; the other two do not.
    assert kinds(network.path).count("Convolution") == 1
    x = np.random.default_rng(0).normal(size=(rows, 96, side, side))
    session = Session(network.path, openvino="winograd")
    assert session.outputs == ("whole", "half")
    found = session.run(x.astype(np.float32))
    for name, wanted in network(x).items():
        np.testing.assert_allclose(found[name], wanted, atol=5e-5 * np.abs(wanted).max())


@pytest.mark.parametrize(("side", "channels"), [(30, 96), (6, 96), (14, 64)])
def test_where_it_would_not_be_faster_nothing_changes(side: int, channels: int, tmp_path: Path) -> None:
    network = Residual(tmp_path / "residual.onnx", side, channels)
    assert kinds(network.path).count("Convolution") == 3
    x = np.random.default_rng(0).normal(size=(2, channels, side, side)).astype(np.float32)
    plain, ours = (Session(network.path, openvino=p).run(x) for p in ("f32", "winograd"))
    for name, wanted in plain.items():
        np.testing.assert_array_equal(ours[name], wanted)


def test_an_answer_does_not_depend_on_the_batch_it_is_in(tmp_path: Path) -> None:
    network = Residual(tmp_path / "residual.onnx", 14, 96)
    session = Session(network.path, openvino="winograd")
    x = np.random.default_rng(0).normal(size=(5, 96, 14, 14)).astype(np.float32)
    whole = session.run(x)
    for rows in (2, 0, 4):
        for name, values in session.run(x[:rows]).items():
            np.testing.assert_array_equal(values, whole[name][:rows])
