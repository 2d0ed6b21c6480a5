"""Pictures that lie on a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from curate.models.session import Device
from curate.scorers.align import SIZE
from curate.scorers.device.graph import to_device, to_host

if TYPE_CHECKING:
    from onnxruntime import OrtValue


@dataclass(frozen=True, slots=True)
class Pictures(Sequence[NDArray[np.uint8]]):
    """Pictures of any sizes in one tensor, one behind the other.

    Attributes:
        pixels: [P, 3] uint8 on the device.
        origin: (n,) float64, the number of each picture's first pixel.
        stride: (n,) float64, pixels from one row of it to the next.
        size: (n, 2) float64, width and height.
    """

    pixels: OrtValue
    origin: NDArray[np.float64]
    stride: NDArray[np.float64]
    size: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.origin)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[NDArray[np.uint8]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | Sequence[NDArray[np.uint8]]:
        """A picture, (H, W, 3), copied from the device."""
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        origin, stride = int(self.origin[index]), int(self.stride[index])
        width, height = self.size[index].astype(int)
        rows = origin + stride * np.arange(height)[:, None] + np.arange(width)
        picture: NDArray[np.uint8] = to_host(self.pixels)[rows]
        return picture

    def take(self, which: NDArray[np.integer]) -> Pictures:
        """Some of them, or some several times; nothing is copied."""
        return Pictures(self.pixels, self.origin[which], self.stride[which], self.size[which])

    def inputs(self) -> dict[str, Any]:
        """As the graphs want them."""
        return {"pixels": self.pixels, "origin": self.origin, "stride": self.stride, "size": self.size}


def packed(pixels: OrtValue, origin: NDArray[np.integer], sizes: NDArray[np.integer]) -> Pictures:
    """Whole pictures of (n, 2) `sizes` whose first pixels are at `origin`."""
    size = np.asarray(sizes, np.float64).reshape(-1, 2)
    return Pictures(pixels, origin.astype(np.float64), size[:, 0].copy(), size)


def upload(pictures: Sequence[NDArray[np.uint8]], device: Device) -> Pictures:
    """Pictures that lie anywhere, (H, W, 3) uint8 each, copied one behind the other."""
    flat = np.concatenate([picture.reshape(-1, 3) for picture in pictures])
    counts = [picture.shape[0] * picture.shape[1] for picture in pictures]
    origin = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return packed(to_device(flat, device), origin, np.array([p.shape[1::-1] for p in pictures]))


@dataclass(frozen=True, slots=True)
class Aligned(Sequence[NDArray[np.uint8]]):
    """Aligned faces, (512, 512, 3) uint8 each, in the tensors they were made in.

    Attributes:
        parts: the faces' numbers, and [512 * 512 * n, 3] uint8 on the device, of each tensor.
    """

    parts: tuple[tuple[NDArray[np.int64], OrtValue], ...]

    def __len__(self) -> int:
        return sum(len(faces) for faces, _ in self.parts)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[NDArray[np.uint8]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | Sequence[NDArray[np.uint8]]:
        """A face, copied from the device."""
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        for faces, pixels in self.parts:
            for place in np.flatnonzero(faces == index):
                face: NDArray[np.uint8] = to_host(pixels).reshape(-1, SIZE, SIZE, 3)[place]
                return face
        raise IndexError(index)

    def pictures(self) -> list[tuple[NDArray[np.int64], Pictures]]:
        """Each tensor as pictures, with the faces' numbers."""
        area = SIZE * SIZE
        return [
            (faces, packed(pixels, np.arange(len(faces)) * area, np.full((len(faces), 2), SIZE)))
            for faces, pixels in self.parts
        ]
