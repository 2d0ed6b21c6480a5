"""Where a face is and where it turns to: box, eye distance, pose, asymmetry, and the mesh itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from curate.models.session import Device
from curate.scorers.align import EYE_33, EYE_263
from curate.scorers.asymmetry import asymmetry
from curate.scorers.columns import FACE, LANDMARKS, Column, landmarks_column
from curate.scorers.face import Face
from curate.scorers.pose import head_pose
from curate.scorers.scorer import MESH_PACK, Values


class Geometry:
    """The scorer `mesh`: columns that follow from the landmarks."""

    name = "mesh"
    version = "2"
    needs_mesh = True
    packs: tuple[str, ...] = (MESH_PACK,)

    def __init__(self, landmarks: bool = False) -> None:
        """`landmarks`: fill the column with all 478 points, too."""
        self.columns: tuple[Column, ...] = (*FACE, landmarks_column()) if landmarks else FACE
        self.options: Mapping[str, str] = {"landmarks": "yes"} if landmarks else {}

    def open(self, device: Device) -> None:
        """Nothing to load: the faces come with their mesh."""

    def score(self, faces: Sequence[Face]) -> Values:
        """One value a face for each column."""
        boxes = np.array([face.box for face in faces], np.float32).reshape(-1, 4)
        values = dict(zip(("box_x", "box_y", "box_w", "box_h"), boxes.T, strict=True))
        points = [face.mesh * (face.width, face.height, face.width) for face in faces]
        values["eye_distance"] = np.array(
            [np.linalg.norm(p[EYE_263, :2].mean(axis=0) - p[EYE_33, :2].mean(axis=0)) for p in points],
            np.float32,
        )
        stacked = np.stack(points) if points else np.empty((0, LANDMARKS, 3))
        angles = head_pose(stacked).astype(np.float32)
        values.update(zip(("yaw", "pitch", "roll"), angles.T, strict=True))
        values["asymmetry"] = asymmetry(stacked, angles[:, 0])
        if "landmarks" in (column.name for column in self.columns):
            values["landmarks"] = np.stack([face.mesh for face in faces])
        return values
