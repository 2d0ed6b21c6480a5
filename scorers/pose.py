"""Head pose: the rotation that lays a canonical face over the mesh."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Points that neither speech nor expression moves much: the bridge and sides of the nose, forehead, temples,
# the corners of the eyes and the upper outline of the face.
RIGID = (
    6, 168, 197, 195, 5, 4, 1, 9, 8, 10, 151, 108, 337, 69, 299, 104, 333, 54, 284, 103, 332, 67, 297, 109, 338,
    21, 251, 162, 389, 127, 356, 234, 454, 93, 323, 33, 133, 263, 362, 122, 351, 193, 417, 245, 465, 48, 278, 115,
    344, 131, 360, 198, 420,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RigidFit:
    """How canonical faces lie over N meshes: seen = scale * rotation @ canonical + shift, y up, z to the viewer.

    Attributes:
        scale: (N,) float64, pixels an eye distance.
        rotation: (N, 3, 3) float64.
        shift: (N, 3) float64, pixels.
    """

    scale: NDArray[np.float64]
    rotation: NDArray[np.float64]
    shift: NDArray[np.float64]


def rigid_fit(points: NDArray[np.floating]) -> RigidFit:
    """The similarity (Umeyama 1991) that lays the rigid points of the canonical face over each mesh.

    Args:
        points: (N, 478, 3) mesh in pixels: x, y down, z away from the viewer in the scale of x.
    """
    seen = points[:, RIGID, :].astype(np.float64) * (1, -1, -1)
    model = canonical_face()[list(RIGID)]
    seen_mean, model_mean = seen.mean(axis=1, keepdims=True), model.mean(axis=0)
    seen -= seen_mean
    model = model - model_mean
    u, size, vt = np.linalg.svd(np.einsum("nki,kj->nij", seen, model))
    mirror = np.ones((len(points), 3))
    mirror[:, 2] = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    rotation = np.einsum("nij,nj,njk->nik", u, mirror, vt)
    scale = (size * mirror).sum(axis=1) / (model**2).sum()
    shift = seen_mean[:, 0] - scale[:, None] * (rotation @ model_mean)
    return RigidFit(scale, rotation, shift)


def head_pose(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Yaw, pitch and roll of N faces.

    The rotation of `rigid_fit`, read as
    R = Rz(roll) Ry(yaw) Rx(-pitch) with x to the right, y up and z towards the viewer: a picture turned in
    its plane changes roll alone.

    Args:
        points: (N, 478, 3) mesh in pixels: x, y down, z away from the viewer in the scale of x.

    Returns:
        (N, 3) float64 degrees: yaw positive towards the picture's right, pitch positive upwards, roll positive
        counter-clockwise as seen.
    """
    rotation = rigid_fit(points).rotation
    yaw = np.arcsin(np.clip(-rotation[:, 2, 0], -1, 1))
    pitch = -np.arctan2(rotation[:, 2, 1], rotation[:, 2, 2])
    roll = np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])
    angles: NDArray[np.float64] = np.degrees(np.stack([yaw, pitch, roll], axis=1))
    return angles


@cache
def canonical_face() -> NDArray[np.float64]:
    """(478, 3) points of an upright, symmetric, average face; x right, y up, z towards the viewer, unit: eye distance.

    Ours: the mesh of 100 rendered neutral heads, averaged (examples/canonical_face.py).
    """
    stored = np.load(Path(__file__).with_name("canonical_face.npy"), allow_pickle=False)
    return np.asarray(stored, np.float64)
