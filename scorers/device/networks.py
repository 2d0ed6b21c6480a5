"""The networks of a pack on a device, fed with aligned faces that lie there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from curate.models.pack import Input, ModelPack
from curate.models.session import Device
from curate.scorers.align import SIZE
from curate.scorers.device.graph import Graph, open_graph, to_device, to_host
from curate.scorers.device.pictures import Aligned
from curate.scorers.networks import Networks
from curate.scorers.preprocess import central_box

if TYPE_CHECKING:
    from onnxruntime import OrtValue

_FIXED_POINT = 1 << 22  # Pillow's
_COARSE = 2.0**-14


class DeviceNetworks(Networks):
    """Networks whose pictures never leave the device; what comes back is their answers."""

    def __init__(
        self, pack: ModelPack, roles: Iterable[str], device: Device, options: Mapping[str, str] | None = None
    ) -> None:
        """As `Networks`."""
        super().__init__(pack, roles, device, options)
        self._scale = open_graph("scale", device)
        self._graphs = {role: Graph(session) for role, session in self._sessions.items()}
        self._constants = {
            card: {name: to_device(array, device) for name, array in _scaling(card).items()}
            for role in self._graphs
            if (card := pack.network(role).input).resize is not None
        }

    def on_pictures(
        self, roles: Sequence[str], aligned: Sequence[NDArray[np.uint8]]
    ) -> dict[str, NDArray[np.float32]]:
        """As `Networks.on_pictures`, for `Aligned` (TypeError for others)."""
        if not isinstance(aligned, Aligned):
            raise TypeError("these faces are not on the device")
        answers: dict[str, NDArray[np.float32]] = {}
        for faces, pixels in aligned.parts:
            prepared = {}
            for role in roles:
                card = self._pack.network(role).input
                if card not in prepared:
                    prepared[card] = self._scale({"pixels": pixels, **self._constants[card]})["pictures"]
                for name, values in self._answers(role, prepared[card]).items():
                    whole = answers.setdefault(name, np.empty((len(aligned), *values.shape[1:]), np.float32))
                    whole[faces] = values
        return answers

    def _answers(self, role: str, x: OrtValue) -> dict[str, NDArray[np.float32]]:
        session = self._sessions[role]
        if session.batch is not None:  # a file that takes one picture at a time
            return self.on_features(role, to_host(x))
        name = next(iter(session.inputs))
        return self._bounded(role, {k: to_host(v) for k, v in self._graphs[role]({name: x}).items()})


def _scaling(card: Input) -> dict[str, NDArray[np.float32]]:
    """What the graph `scale` wants for a network."""
    if card.resize is None or card.resample is None or card.mean is None or card.std is None:
        raise ValueError("the card of this network does not say how to prepare a picture")
    low, high = central_box(SIZE, card.resize, card.crop)
    weights = resampling(SIZE, low, high, card.crop or card.resize, card.resample)
    coarse = np.floor(weights / _COARSE) * _COARSE
    return {
        "coarse": coarse.astype(np.float32),
        "fine": (weights - coarse).astype(np.float32),
        "mean": np.array(card.mean, np.float32),
        "std": np.array(card.std, np.float32),
    }


def resampling(size: int, low: float, high: float, out: int, kind: str) -> NDArray[np.float64]:
    """Pillow's antialiased resize of [low, high] of `size` pixels to `out` as an (out, size) matrix.

    The weights are Pillow's 22-bit ones (`precompute_coeffs` and `normalize_coeffs_8bpc` of Resample.c).
    """
    support, weight = {"bilinear": (1.0, _triangle), "bicubic": (2.0, _cubic)}[kind]
    # Pillow's box is of C floats, and so is their difference.
    start, end = np.float32(low), np.float32(high)
    low, scale = float(start), float(end - start) / out
    stretch = max(scale, 1.0)
    matrix = np.zeros((out, size))
    for i in range(out):
        centre = low + (i + 0.5) * scale
        first = max(int(centre - support * stretch + 0.5), 0)
        last = min(int(centre + support * stretch + 0.5), size)
        taps: NDArray[np.float64] = weight(
            (np.arange(first, last, dtype=np.float64) - centre + 0.5) / stretch
        )
        matrix[i, first:last] = taps / taps.sum()
    whole: NDArray[np.float64] = np.trunc(matrix * _FIXED_POINT + np.copysign(0.5, matrix)) / _FIXED_POINT
    return whole


def _triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.maximum(1 - np.abs(x), 0), np.float64)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    a, x = -0.5, np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.asarray(np.where(x < 1, near, np.where(x < 2, far, 0)), np.float64)
