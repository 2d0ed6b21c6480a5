"""Which of the host's pictures lie on the device already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from curate.models.session import Device
from curate.scorers.device.graph import to_device
from curate.scorers.device.pictures import Pictures, packed, upload

if TYPE_CHECKING:
    from onnxruntime import OrtValue


class Store:
    """Pictures on their way through the scorers, each copied to the device once.

    Scorers know pictures as arrays of the host, and where those lie in memory says which they are. What was put
    here last is kept, and replaced by what comes next.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._page: tuple[NDArray[np.uint8], OrtValue] | None = None
        self._loose: tuple[list[NDArray[np.uint8]], dict[int, int], Pictures] | None = None

    def put(self, page: NDArray[np.uint8]) -> None:
        """Copy a page, (P, 3) uint8, whose parts are pictures; it must not change until `clear`."""
        self._page = (page, to_device(page, self._device))

    def clear(self) -> None:
        """Let go of everything."""
        self._page = self._loose = None

    def locate(self, pictures: Sequence[NDArray[np.uint8]]) -> list[tuple[NDArray[np.int64], Pictures]]:
        """Pictures, (H, W, 3) uint8 and C-contiguous, as tensors, with the numbers of those in each.

        Parts of the page lie there; the others are copied unless they were the last time.
        """
        origins = np.array([self._in_page(picture) for picture in pictures], np.int64)
        inside, outside = np.flatnonzero(origins >= 0), np.flatnonzero(origins < 0)
        found = []
        if self._page is not None and len(inside):
            sizes = np.array([pictures[int(i)].shape[1::-1] for i in inside])
            found.append((inside, packed(self._page[1], origins[inside], sizes)))
        if len(outside):
            found.append((outside, self._others([pictures[int(i)] for i in outside])))
        return found

    def _in_page(self, picture: NDArray[np.uint8]) -> int:
        """The number of its first pixel there; -1 where it is not in the page."""
        if self._page is None:
            return -1
        distance = picture.ctypes.data - self._page[0].ctypes.data
        return distance // 3 if 0 <= distance < self._page[0].nbytes else -1

    def _others(self, pictures: list[NDArray[np.uint8]]) -> Pictures:
        if self._loose is not None:
            _, numbers, there = self._loose
            known = [numbers.get(picture.ctypes.data, -1) for picture in pictures]
            if min(known) >= 0:
                return there.take(np.array(known))
        there = upload(pictures, self._device)
        # The arrays are kept, so that nothing else can come to lie at their addresses.
        self._loose = (pictures, {p.ctypes.data: i for i, p in enumerate(pictures)}, there)
        return there
