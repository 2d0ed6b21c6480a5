"""From a PyTorch network to an ONNX file: any batch size, float32, one file, the same bytes every time."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from curate.errors import ModelError
from curate.models.checkpoint import TORCH_HINT

if TYPE_CHECKING:
    from torch import nn

_OPSET = 18
_IR_VERSION = 9


def export_onnx(
    network: nn.Module,
    shape: tuple[int, ...] | Mapping[str, tuple[int, ...]],
    outputs: Sequence[str],
    path: Path,
) -> None:
    """Write `network`, which takes one float32 array [N, *shape] or several, as an ONNX file.

    Args:
        network: in evaluation mode, best with its normalisations folded.
        shape: of the input, without the batch axis. The input is called `input`; a mapping gives several
            inputs their names, in the order in which `forward` takes them.
        outputs: names for what `forward` returns, in its order.
        path: the file to write; replaced if it is there.

    Raises:
        ModelError: torch or onnx is missing.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401  # torch's exporter needs it
        import torch
    except ImportError as missing:
        raise ModelError(f"export to ONNX needs {missing.name}", hint=TORCH_HINT) from missing
    # With a batch of one the exporter would take the batch axis for a constant.
    shapes = shape if isinstance(shape, Mapping) else {"input": shape}
    examples = tuple(torch.zeros(2, *size) for size in shapes.values())
    batch = torch.export.Dim("N")
    with _silence():
        program = torch.onnx.export(
            network,
            examples,
            input_names=list(shapes),
            output_names=list(outputs),
            dynamic_shapes=tuple({0: batch} for _ in examples),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    model = cast("torch.onnx.ONNXProgram", program).model_proto  # None is for the old exporter
    _strip(model)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _strip(model: Any) -> None:
    """Drop stack traces with this machine's paths, versions and inferred shapes: they are not the network."""
    model.ir_version = _IR_VERSION
    model.producer_name, model.producer_version = "curate", ""
    graph = model.graph
    graph.name = "network"
    del graph.value_info[:]
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The exporter logs that torchvision is missing, and warns about itself."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)
