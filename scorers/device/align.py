"""LibreFace's alignment of `curate.scorers.align`, on a device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from curate.models.session import Device
from curate.scorers.align import SIZE, Plan, align, make_plan
from curate.scorers.device.graph import open_graph, to_device
from curate.scorers.device.pictures import Aligned, Pictures
from curate.scorers.padding import kernel_reach

if TYPE_CHECKING:
    from onnxruntime import OrtValue

# Frames are padded so many pixels at a time: a pixel takes some 150 bytes while it is worked on.
_FRAME_PIXELS: dict[Device, int] = {"cpu": 3_000_000, "cuda": 24_000_000}
# Warped together: a face takes some 60 MB meanwhile, most of it float64.
_WARPED: dict[Device, int] = {"cpu": 8, "cuda": 32}
# What is larger goes another way, on the host; so does a picture that is made smaller first, as a whole.
_LARGEST_FRAME = 2048


class DeviceAligner:
    """Aligns faces of pictures that lie on the device."""

    def __init__(self, device: Device) -> None:
        self._device, self._together = device, _WARPED[device]
        self._pad, self._warp = open_graph("pad", device), open_graph("warp", device)

    def align(
        self,
        pictures: Pictures,
        landmarks: Sequence[NDArray[np.float32]],
        pixels: Sequence[NDArray[np.uint8]],
    ) -> Aligned:
        """The aligned faces.

        Args:
            pictures: the picture of each face.
            landmarks: (478, 3) of each face, normalised.
            pixels: the same pictures on the host.
        """
        sizes = pictures.size.astype(int)
        plans = [make_plan(int(w), int(h), points) for (w, h), points in zip(sizes, landmarks, strict=True)]
        plain: list[int] = []
        padded: list[int] = []
        others: list[int] = []
        for face, plan in enumerate(plans):
            if plan is None or plan.factor > 1 or max(_frame(plan)) > _LARGEST_FRAME:
                others.append(face)
            else:
                (plain if plan.margins is None else padded).append(face)
        parts = []
        for start in range(0, len(plain), self._together):
            some = plain[start : start + self._together]
            chosen = [plan for face in some if (plan := plans[face]) is not None]
            crops = _crops(pictures.take(np.array(some)), chosen)
            parts.append((np.array(some), self._warped(crops, chosen)))
        for some, chosen in self._frames(padded, plans):
            crops = _crops(pictures.take(np.array(some)), chosen)
            parts.append((np.array(some), self._warped(self._framed(crops, chosen), chosen)))
        if others:
            on_host = np.stack([align(pixels[face], landmarks[face]) for face in others])
            parts.append((np.array(others), to_device(on_host.reshape(-1, 3), self._device)))
        return Aligned(tuple(parts))

    def _frames(
        self, faces: list[int], plans: Sequence[Plan | None]
    ) -> Iterator[tuple[list[int], list[Plan]]]:
        """Faces whose frames are padded together: of like size, and not too many."""
        known = [(face, plan) for face in faces if (plan := plans[face]) is not None]
        known.sort(key=lambda pair: max(_frame(pair[1])))
        group: list[tuple[int, Plan]] = []
        for pair in known:
            area = max(_frame(pair[1])) ** 2 * (len(group) + 1)
            if group and (area > _FRAME_PIXELS[self._device] or len(group) == self._together):
                yield [face for face, _ in group], [plan for _, plan in group]
                group = []
            group.append(pair)
        if group:
            yield [face for face, _ in group], [plan for _, plan in group]

    def _framed(self, crops: Pictures, plans: Sequence[Plan]) -> Pictures:
        """The crops in their soft surrounds."""
        margins = np.array([plan.margins for plan in plans], np.float64)
        size = crops.size + margins[:, :2] + margins[:, 2:]
        width, height = size.max(axis=0)
        sigma = np.array([plan.sigma for plan in plans])
        reach = np.array([float(kernel_reach(s)) for s in sigma])
        mass = np.array(
            [
                np.exp(-0.5 / (s * s) * np.arange(-r, r + 1) ** 2).sum()
                for s, r in zip(sigma, reach, strict=True)
            ]
        )
        inputs = crops.inputs() | {
            "before": margins[:, :2].copy(),
            "after": margins[:, 2:].copy(),
            "sigma": sigma,
            "reach": reach,
            "mass": mass,
            "rows": np.arange(height),
            "columns": np.arange(width),
            "picture_rows": np.arange(crops.size[:, 1].max()),
            "picture_columns": np.arange(crops.size[:, 0].max()),
        }
        framed = self._pad(inputs)["levels"]
        origin = np.arange(len(plans)) * width * height
        return Pictures(framed, origin, np.full(len(plans), width), size)

    def _warped(self, pictures: Pictures, plans: Sequence[Plan]) -> OrtValue:
        # PIL samples at pixel centres already; FFHQ's half pixel comes on top and is part of what was trained on.
        quads = np.stack([plan.square.quad for plan in plans]) + 0.5
        return self._warp(pictures.inputs() | {"quad": _coefficients(quads)})["levels"]


def _frame(plan: Plan) -> tuple[int, int]:
    """Width and height of what is warped."""
    left, top, right, bottom = plan.crop
    if plan.margins is None:
        return right - left, bottom - top
    return int(right - left + plan.margins[::2].sum()), int(bottom - top + plan.margins[1::2].sum())


def _crops(pictures: Pictures, plans: Sequence[Plan]) -> Pictures:
    """A part of each picture; nothing is copied."""
    box = np.array([plan.crop for plan in plans], np.float64)
    origin = pictures.origin + box[:, 1] * pictures.stride + box[:, 0]
    return Pictures(pictures.pixels, origin, pictures.stride, box[:, 2:] - box[:, :2])


def _coefficients(quads: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 8): what `Image.transform` makes of corners NW, SW, SE, NE, (n, 4, 2), in its own order of operations."""
    share = 1.0 / SIZE
    nw, sw, se, ne = (quads[:, i] for i in range(4))
    each = np.stack([nw, (ne - nw) * share, (sw - nw) * share, (se - sw - ne + nw) * share * share], axis=1)
    return np.concatenate([each[..., 0], each[..., 1]], axis=1)
