"""The scorers that have networks, with the networks on a device. Their formulas are the scorers' own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from curate.models.pack import find_pack
from curate.models.session import Device
from curate.scorers.columns import Column
from curate.scorers.device.align import DeviceAligner
from curate.scorers.device.mesh import DeviceMesh
from curate.scorers.device.networks import DeviceNetworks
from curate.scorers.device.pictures import Aligned
from curate.scorers.device.store import Store
from curate.scorers.face import Face
from curate.scorers.libreface import PACK, LibreFace
from curate.scorers.mesh import MeshFace
from curate.scorers.scorer import Values


class StoredMesh:
    """The face mesh of pictures of the host, which it copies to the device where they are not there yet."""

    def __init__(self, store: Store, mesh: DeviceMesh) -> None:
        self._store, self._mesh = store, mesh

    def detect(self, pictures: Sequence[NDArray[np.uint8]]) -> list[list[MeshFace]]:
        """As `FaceMesh.detect`."""
        faces: list[list[MeshFace]] = [[] for _ in pictures]
        for numbers, there in self._store.locate(pictures):
            for number, found in zip(numbers, self._mesh.detect(there), strict=True):
                faces[number] = found
        return faces


class DeviceLibreFace:
    """A LibreFace scorer whose faces are aligned on the device and never leave it."""

    needs_mesh = True

    def __init__(self, scorer: LibreFace, store: Store, mesh: DeviceMesh, together: int) -> None:
        self._scorer, self._store, self._mesh, self._together = scorer, store, mesh, together
        self.name, self.version, self.packs = scorer.name, scorer.version, scorer.packs
        self.columns: tuple[Column, ...] = scorer.columns
        self.options: Mapping[str, str] = scorer.options

    def open(self, device: Device) -> None:
        """Load the networks; ModelError where one is missing or damaged."""
        pack = find_pack(PACK)
        roles = self._scorer.roles(pack)
        self._aligner = DeviceAligner(device, self._together)
        networks = DeviceNetworks(pack, roles, device, self.options)
        self._scorer.use(pack, networks, self._mesh if "gaze" in roles else None)

    def score(self, faces: Sequence[Face]) -> Values:
        """One value a face for each column."""
        parts = []
        for numbers, there in self._store.locate([face.pixels for face in faces]):
            some = [faces[i] for i in numbers]
            aligned = self._aligner.align(there, [face.mesh for face in some], [face.pixels for face in some])
            parts += [(numbers[which], pixels) for which, pixels in aligned.parts]
        return self._scorer.read(Aligned(tuple(parts)))
