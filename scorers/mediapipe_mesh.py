"""The original face mesh, for comparison: `--mesh mediapipe`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from curate.errors import ModelError
from curate.scorers.mesh import MAX_FACES, MeshFace


class MediaPipeMesh:
    """`mediapipe.solutions.face_mesh`: static image mode, refined landmarks, one picture at a time."""

    def __init__(self) -> None:
        """ModelError where the legacy package is not installed."""
        try:
            from mediapipe.python.solutions.face_mesh import FaceMesh
        except ImportError as missing:
            raise ModelError(
                "the package mediapipe 0.10.21 is not installed here; it needs numpy < 2",
                where="--mesh mediapipe",
                hint="in an environment of its own: pip install 'curate-faces[mediapipe]'",
            ) from missing
        self._mesh = FaceMesh(
            static_image_mode=True,
            refine_landmarks=True,
            max_num_faces=MAX_FACES,
            min_detection_confidence=0.5,
        )

    def detect(self, pictures: Sequence[NDArray[np.uint8]]) -> list[list[MeshFace]]:
        """The faces of each picture, (H, W, 3) uint8 RGB. The original does not tell how sure it is: presence is 1."""
        return [self._one(np.ascontiguousarray(pixels)) for pixels in pictures]

    def _one(self, pixels: NDArray[np.uint8]) -> list[MeshFace]:
        faces = self._mesh.process(pixels).multi_face_landmarks or []
        points = [np.array([(p.x, p.y, p.z) for p in face.landmark], np.float32) for face in faces]
        return [MeshFace(landmarks, 1.0) for landmarks in points]
