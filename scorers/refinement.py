"""Putting the attention network's six outputs together into one mesh."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

# Where the refined points go among the 478, in the order in which the network writes them. From MediaPipe's
# face_landmark_with_attention graph (LandmarksRefinementCalculator options; Apache-2.0).
# 80 points of the lips.
LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409, 78, 95,
    88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415, 76, 77, 90, 180,
    85, 16, 315, 404, 320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408, 62, 96, 89, 179, 86, 15,
    316, 403, 319, 325, 292, 183, 42, 41, 38, 12, 268, 271, 272, 407,
)  # fmt: skip
# 71 points of the eye at the picture's left (MediaPipe calls it left); its contour comes first.
LEFT_EYE = (
    33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173, 130, 25, 110, 24, 23,
    22, 26, 112, 243, 247, 30, 29, 27, 28, 56, 190, 226, 31, 228, 229, 230, 231, 232, 233, 244, 113,
    225, 224, 223, 222, 221, 189, 35, 124, 46, 53, 52, 65, 143, 111, 117, 118, 119, 120, 121, 128, 245,
    156, 70, 63, 105, 66, 107, 55, 193,
)  # fmt: skip
# 71 points of the eye at the picture's right.
RIGHT_EYE = (
    263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398, 359, 255, 339, 254,
    253, 252, 256, 341, 463, 467, 260, 259, 257, 258, 286, 414, 446, 261, 448, 449, 450, 451, 452, 453,
    464, 342, 445, 444, 443, 442, 441, 413, 265, 353, 276, 283, 282, 295, 372, 340, 346, 347, 348, 349,
    350, 357, 465, 383, 300, 293, 334, 296, 336, 285, 417,
)  # fmt: skip
EYE_CONTOUR = 16
LEFT_IRIS = slice(468, 473)
RIGHT_IRIS = slice(473, 478)


def refine(outputs: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Merge the coarse mesh with the refined lips, eyes and irises.

    Args:
        outputs: the network's tensors for N faces, in units of its input square.

    Returns:
        (N, 478, 3) float32. Refined points have their own x, y and the coarse z; an iris lies at the mean
        depth of its eye's contour.
    """
    coarse = outputs["output_mesh_identity"]
    n = len(coarse)
    mesh = np.empty((n, 478, 3), np.float32)
    mesh[:, :468] = coarse.reshape(n, 468, 3)
    mesh[:, LIPS, :2] = outputs["output_lips"].reshape(n, 80, 2)
    mesh[:, LEFT_EYE, :2] = outputs["output_left_eye"].reshape(n, 71, 2)
    mesh[:, RIGHT_EYE, :2] = outputs["output_right_eye"].reshape(n, 71, 2)
    for iris, eye, name in (
        (LEFT_IRIS, LEFT_EYE, "output_left_iris"),
        (RIGHT_IRIS, RIGHT_EYE, "output_right_iris"),
    ):
        mesh[:, iris, :2] = outputs[name].reshape(n, 5, 2)
        # Point after point: the order of NumPy's own sum depends on how many faces there are.
        depth = sum((mesh[:, point, 2] for point in eye[:EYE_CONTOUR]), np.zeros(n, np.float32))
        mesh[:, iris, 2] = (depth / np.float32(EYE_CONTOUR))[:, None]
    return mesh
