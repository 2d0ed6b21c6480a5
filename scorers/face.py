"""A face on its way through the scorers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from curate.scorers.align import align
from curate.scorers.said import Said


@dataclass(frozen=True)
class Face:
    """One face of one picture.

    Attributes:
        pixels: the whole picture, (H, W, 3) uint8 RGB.
        landmarks: (478, 3) float32, x / width, y / height, z / width; None where no mesh was asked for,
            and then the picture itself stands for the face.
        said: what is said of the picture, the surest first.
    """

    pixels: NDArray[np.uint8]
    landmarks: NDArray[np.float32] | None = None
    said: tuple[Said, ...] = ()

    @property
    def width(self) -> int:
        """Of the picture, in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Of the picture, in pixels."""
        return int(self.pixels.shape[0])

    @property
    def mesh(self) -> NDArray[np.float32]:
        """The landmarks; ValueError for a face without."""
        if self.landmarks is None:
            raise ValueError("this face has no mesh: its scorer has to say needs_mesh = True")
        return self.landmarks

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """x, y, width, height of the landmarks' bounding box, as shares of the picture; all of it without mesh."""
        if self.landmarks is None:
            return 0.0, 0.0, 1.0, 1.0
        low, high = self.landmarks[:, :2].min(axis=0), self.landmarks[:, :2].max(axis=0)
        return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])

    @cached_property
    def aligned(self) -> NDArray[np.uint8]:
        """LibreFace's aligned picture of the face, (512, 512, 3) uint8."""
        return align(self.pixels, self.mesh)
