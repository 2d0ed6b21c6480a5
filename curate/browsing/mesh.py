"""The landmarks of a face as the app draws them: the part of the 478 points that a person can read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Numbers of MediaPipe's mesh that stand for the 68 points that face annotation has used since 300-W
# (Sagonas et al. 2013), in its order. Sides are those of the picture.
PARTS: dict[str, tuple[int, ...]] = {
    "jaw": (127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356),
    "brow left": (70, 63, 105, 66, 107),
    "brow right": (336, 296, 334, 293, 300),
    "nose": (168, 197, 5, 4, 75, 97, 2, 326, 305),
    "eye left": (33, 160, 158, 133, 153, 144),
    "eye right": (362, 385, 387, 263, 373, 380),
    "lips outer": (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    "lips inner": (78, 82, 13, 312, 308, 317, 14, 87),
}


def readable(mesh: NDArray[np.float32]) -> dict[str, list[list[float]]]:
    """Part of the face -> its points.

    Args:
        mesh: (478, 3) float32, x / width, y / height, z / width.

    Returns:
        For each of `PARTS` a list of [x / width, y / height].
    """
    return {name: mesh[list(points), :2].astype(float).tolist() for name, points in PARTS.items()}
