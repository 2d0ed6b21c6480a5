"""LibreFace under `--profile fast`: its networks in OpenVINO, fed with faces instead of aligned pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from curate.models.pack import Input, ModelPack
from curate.models.profile import open_network
from curate.scorers.face import Face
from curate.scorers.fast_align import SmallPictures, carried_landmarks
from curate.scorers.mesh import FaceMesh, MeshFace
from curate.scorers.networks import Networks
from curate.scorers.preprocess import resize_and_crop


class FastNetworks(Networks):
    """Networks that are handed `Face`s; each normalises its own uint8 pictures."""

    def __init__(self, pack: ModelPack, roles: Sequence[str], options: Mapping[str, str]) -> None:
        """As `Networks`, on the CPU."""
        self._pack = pack
        self._pictures = _ExactPictures if options.get("alignment") == "exact" else SmallPictures
        self._sessions = {
            role: open_network(pack, role, options, "cpu", pictures=pack.network(role).input.layout == "NCHW")
            for role in roles
        }

    def on_pictures(self, roles: Sequence[str], aligned: Sequence[object]) -> dict[str, NDArray[np.float32]]:
        """As `Networks.on_pictures`, for faces that nobody has aligned yet."""
        faces = [face for face in aligned if isinstance(face, Face)]
        pictures = self._pictures(faces)
        prepared: dict[Input, NDArray[np.uint8]] = {}
        outputs: dict[str, NDArray[np.float32]] = {}
        for role in roles:
            card = self._pack.network(role).input
            if card not in prepared:
                prepared[card] = pictures(card)
            outputs.update(self.on_features(role, prepared[card]))
        return outputs


class CarriedMesh:
    """Where the mesh of each face lies in its aligned picture, without looking for it again."""

    def detect(
        self, pictures: Sequence[object], *, max_faces: int, zooms: Sequence[float]
    ) -> list[list[MeshFace]]:
        """As `FaceMesh.detect` on the aligned pictures of these faces: always one each."""
        return [[MeshFace(carried_landmarks(face), 1.0)] for face in pictures if isinstance(face, Face)]


class FoundMesh:
    """The mesh of each face looked for in its aligned picture, as `exact` does."""

    def __init__(self) -> None:
        self._mesh = FaceMesh("cpu")

    def detect(
        self, pictures: Sequence[object], *, max_faces: int, zooms: Sequence[float]
    ) -> list[list[MeshFace]]:
        """As `FaceMesh.detect` on the aligned pictures of these faces."""
        aligned = [face.aligned for face in pictures if isinstance(face, Face)]
        return self._mesh.detect(aligned, max_faces=max_faces, zooms=zooms)


class _ExactPictures:
    """As `SmallPictures`, with the alignment of `exact`."""

    def __init__(self, faces: Sequence[Face]) -> None:
        self._faces = faces

    def __call__(self, card: Input) -> NDArray[np.uint8]:
        if card.resize is None or card.resample is None:
            raise ValueError("the card of this network does not say how to prepare a picture")
        return np.stack(
            [resize_and_crop(face.aligned, card.resize, card.crop, card.resample) for face in self._faces]
        )
