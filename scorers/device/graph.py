"""Networks and graphs whose tensors stay on the device from one to the next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from curate.models.session import Device, Session

if TYPE_CHECKING:
    from onnxruntime import OrtValue

_FOLDER = Path(__file__).with_name("graphs")


def to_device(array: NDArray[np.generic], device: Device) -> OrtValue:
    """A tensor on the device. On `cpu` it is the array's own memory, which must not change meanwhile."""
    import onnxruntime

    return onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), device, 0)


def to_host(value: OrtValue) -> NDArray[Any]:
    """A copy in the host's memory."""
    array: NDArray[Any] = value.numpy()
    return array


class Graph:
    """A session that takes tensors wherever they are and leaves its answers on its device."""

    def __init__(self, session: Session) -> None:
        self._session, self._device = session.runtime, session.device
        self._outputs = session.outputs

    def __call__(self, inputs: Mapping[str, OrtValue | NDArray[np.generic]]) -> dict[str, OrtValue]:
        """Every output by name. Inputs that are arrays are copied to the device; they must have the right type."""
        binding = self._session.io_binding()
        for name, value in inputs.items():
            held = to_device(value, self._device) if isinstance(value, np.ndarray) else value
            binding.bind_ortvalue_input(name, held)
        for name in self._outputs:
            binding.bind_output(name, self._device, 0)
        self._session.run_with_iobinding(binding)
        return dict(zip(self._outputs, binding.get_outputs(), strict=True))


def open_graph(name: str, device: Device) -> Graph:
    """One of the graphs that `build.py` writes; ModelError where CUDA does not open."""
    return Graph(Session(_FOLDER / f"{name}.onnx", device=device))
