"""Sessions: shapes, batches, silence, and an honest answer about CUDA."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from curate.errors import ModelError
from curate.models.session import Session, resolve_device


def network(path: Path, batch: int | str) -> Path:
    """[batch, 3] -> `double` and `sum`."""
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["x", "x"], ["double"]),
            helper.make_node("ReduceSum", ["x", "axes"], ["sum"], keepdims=0),
        ],
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3])],
        [
            helper.make_tensor_value_info("double", TensorProto.FLOAT, [batch, 3]),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, [batch]),
        ],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("batch", ["N", 1, 4])
@pytest.mark.parametrize("rows", [0, 1, 4, 6])
def test_any_number_of_rows_whatever_batch_the_file_wants(
    batch: int | str, rows: int, tmp_path: Path
) -> None:
    session = Session(network(tmp_path / "net.onnx", batch))
    assert session.batch == (None if batch == "N" else batch)
    x = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    out = session.run(x)
    assert set(out) == set(session.outputs) == {"double", "sum"}
    np.testing.assert_array_equal(out["double"], 2 * x)
    np.testing.assert_array_equal(out["sum"], x.sum(1))


def test_array_that_is_not_contiguous_is_taken(tmp_path: Path) -> None:
    x = np.arange(12, dtype=np.float32).reshape(3, 4).T
    np.testing.assert_array_equal(Session(network(tmp_path / "net.onnx", "N")).run(x)["double"], 2 * x)


@pytest.mark.parametrize("shape", [(2, 4), (3,), (2, 3, 1)])
def test_wrong_shape_is_a_model_error(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"wants \[N, 3\]"):
        Session(network(tmp_path / "net.onnx", "N")).run(np.zeros(shape, np.float32))


def test_missing_or_damaged_file_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="missing"):
        Session(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no model at all")
    with pytest.raises(ModelError, match="cannot be opened"):
        Session(tmp_path / "bad.onnx")


def test_cuda_is_truly_open_or_an_error_never_a_silent_fall_to_the_cpu(tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx", "N")
    assert resolve_device("cpu") == "cpu"
    if resolve_device("auto") == "cuda":
        assert resolve_device("cuda") == "cuda"
        assert Session(path, device="cuda").run(np.ones((2, 3), np.float32))["sum"].tolist() == [3, 3]
        return
    with pytest.raises(ModelError, match="CUDA does not open") as caught:
        resolve_device("cuda")
    assert "--device cpu" in caught.value.hint
    with pytest.raises(ModelError, match="CUDA"):
        Session(path, device="cuda")


def test_nothing_is_printed(tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx", "N")
    code = (
        "import numpy as np; from pathlib import Path;"
        "from curate.models.session import Session, resolve_device;"
        "resolve_device('auto');"
        f"Session(Path({str(path)!r})).run(np.ones((2, 3), np.float32))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
