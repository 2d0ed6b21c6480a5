"""The scorer `lite`: action units and expression by our own small network, which comes with the package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from curate.models.pack import Network, find_pack
from curate.models.profile import fast_options, open_network
from curate.models.session import Device, Profile
from curate.scorers.answers import action_units, expressions
from curate.scorers.columns import Column, expression_columns
from curate.scorers.crop import face_crop, face_shape, mirror_points
from curate.scorers.face import Face
from curate.scorers.pose import canonical_face
from curate.scorers.scorer import MESH_PACK, Values

PACK = "lite"
ROLE = "face"


class Lite:
    """Reads the face's own pixels and its mesh, and those of its mirror image; no gaze."""

    name = "lite"
    version = "1"
    needs_mesh = True
    packs: tuple[str, ...] = (PACK, MESH_PACK)
    columns: tuple[Column, ...] = expression_columns("lite")

    def __init__(self, profile: Profile = "exact", device: Device = "cpu") -> None:
        """`device` is where it will be opened; see `curate.models.profile` for what `fast` takes there."""
        self.options: Mapping[str, str] = {}
        if profile == "fast":
            self.options = fast_options(find_pack(PACK), (ROLE,), device)

    def open(self, device: Device) -> None:
        """Load the network; ModelError where its pack is damaged."""
        pack = find_pack(PACK)
        self._card = pack.network(ROLE)
        self._session = open_network(pack, ROLE, self.options, device)

    def score(self, faces: Sequence[Face]) -> Values:
        """One value a face for each column: the mean of the answers to the face and to its mirror image."""
        x = network_inputs(faces, self._card.input.size[0])
        shape = x["shape"].reshape(len(faces), -1, 3)
        both = {
            "pixels": np.concatenate([x["pixels"], x["pixels"][..., ::-1]]),
            "shape": np.concatenate([shape, mirrored(shape)]).reshape(2 * len(faces), -1),
        }
        return self.read(self._session.run(both), self._card)

    @staticmethod
    def read(out: Mapping[str, NDArray[np.float32]], card: Network) -> Values:
        """The columns, from the network's answers to N faces and, behind them, to their mirror images."""
        mean = {name: answers.reshape(2, len(answers) // 2, -1).mean(axis=0) for name, answers in out.items()}
        p = mean["expression"].astype(np.float64)
        p /= p.sum(axis=1, keepdims=True)
        factor = card.outputs["intensity"].factor
        return action_units(factor * mean["intensity"], mean["presence"]) | expressions(p, p.argmax(axis=1))


def network_inputs(faces: Sequence[Face], side: int) -> dict[str, NDArray[np.float32]]:
    """`pixels` (N, 1, side, side), grey from 0 to 1, and `shape` (N, 1434), less the canonical face; float32."""
    import cv2

    pixels = np.empty((len(faces), 1, side, side), np.float32)
    for slot, face in zip(pixels, faces, strict=True):
        crop = face_crop(face.pixels, face.mesh, side)
        np.multiply(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), np.float32(1 / 255), out=slot[0])
    return {"pixels": pixels, "shape": shapes(faces)}


def shapes(faces: Sequence[Face]) -> NDArray[np.float32]:
    """(N, 1434): the meshes without pose, less the canonical face."""
    landmarks = np.stack([face.mesh for face in faces])
    sizes = np.array([(face.width, face.height) for face in faces])
    shape = face_shape(landmarks, sizes) - canonical_face().astype(np.float32)
    return shape.reshape(len(faces), -1)


def mirrored(shape: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 478, 3) differences from the canonical face, of the mirror image."""
    canonical = canonical_face().astype(np.float32)
    flipped = (shape + canonical) * np.array((-1, 1, 1), np.float32)
    mirror: NDArray[np.float32] = flipped[:, mirror_points()] - canonical
    return mirror
