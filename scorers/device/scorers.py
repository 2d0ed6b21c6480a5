"""The scorers that have networks, with the networks on a device. Their formulas are the scorers' own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from curate.models.pack import find_pack
from curate.models.profile import open_network
from curate.models.session import Device
from curate.scorers.columns import Column
from curate.scorers.crop import CropPlan, plan_crops
from curate.scorers.device.align import DeviceAligner
from curate.scorers.device.graph import Graph, open_graph, to_host
from curate.scorers.device.mesh import DeviceMesh
from curate.scorers.device.networks import DeviceNetworks
from curate.scorers.device.pictures import Aligned, Pictures
from curate.scorers.device.store import Store
from curate.scorers.face import Face
from curate.scorers.libreface import PACK, LibreFace
from curate.scorers.lite import PACK as LITE_PACK
from curate.scorers.lite import ROLE, Lite, mirrored, shapes
from curate.scorers.mesh import MeshFace
from curate.scorers.scorer import Values

if TYPE_CHECKING:
    from onnxruntime import OrtValue


# Faces whose crops are averaged together, times the pixels of a block: what bounds the memory that takes.
_BLOCK_PIXELS = 2304


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

    def __init__(self, scorer: LibreFace, store: Store, mesh: DeviceMesh) -> None:
        # A copy: the given one stays as it was, and can still be sent to other processes.
        self._scorer, self._store, self._mesh = copy(scorer), store, mesh
        self.name, self.version, self.packs = scorer.name, scorer.version, scorer.packs
        self.columns: tuple[Column, ...] = scorer.columns
        self.options: Mapping[str, str] = scorer.options

    def open(self, device: Device) -> None:
        """Load the networks; ModelError where one is missing or damaged."""
        pack = find_pack(PACK)
        roles = self._scorer.roles(pack)
        self._aligner = DeviceAligner(device)
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


class DeviceLite:
    """The scorer `lite`, whose crops are cut on the device and never leave it."""

    needs_mesh = True

    def __init__(self, scorer: Lite, store: Store) -> None:
        self._store = store
        self.name, self.version, self.packs = scorer.name, scorer.version, scorer.packs
        self.columns: tuple[Column, ...] = scorer.columns
        self.options: Mapping[str, str] = scorer.options

    def open(self, device: Device) -> None:
        """Load the network; ModelError where its pack is damaged."""
        pack = find_pack(LITE_PACK)
        self._card = pack.network(ROLE)
        self._glance = open_graph("glance", device)
        self._network = Graph(open_network(pack, ROLE, self.options, device))

    def score(self, faces: Sequence[Face]) -> Values:
        """One value a face for each column."""
        size = self._card.input.size[0]
        landmarks = np.stack([face.mesh for face in faces])
        plans = plan_crops(landmarks, np.array([(face.width, face.height) for face in faces]), size)
        shape = shapes(faces).reshape(len(faces), -1, 3)
        out: dict[str, NDArray[np.float32]] = {}
        for numbers, there in self._store.locate([face.pixels for face in faces]):
            # Faces of like size are averaged over like blocks.
            factors = np.array([plans[i].factor for i in numbers])
            for factor in np.unique(factors):
                alike = np.flatnonzero(factors == factor)
                together = max(_BLOCK_PIXELS // int(factor) ** 2, 1)
                for some in np.split(alike, range(together, len(alike), together)):
                    chosen = numbers[some]
                    pixels = self._cut(there.take(some), [plans[i] for i in chosen])
                    both = np.concatenate([shape[chosen], mirrored(shape[chosen])])
                    inputs = {"pixels": pixels, "shape": both.reshape(2 * len(chosen), -1)}
                    for name, value in self._network(inputs).items():
                        values = to_host(value)
                        whole = out.setdefault(
                            name, np.empty((2 * len(faces), *values.shape[1:]), np.float32)
                        )
                        whole[np.concatenate([chosen, chosen + len(faces)])] = values
        return Lite.read(out, self._card)

    def _cut(self, pictures: Pictures, plans: Sequence[CropPlan]) -> OrtValue:
        factor = plans[0].factor
        part = np.array([plan.part for plan in plans], np.float64)
        origin = pictures.origin + part[:, 1] * pictures.stride + part[:, 0]
        blocks = Pictures(
            pictures.pixels, origin, pictures.stride, np.array([p.smaller for p in plans], np.float64)
        )
        rows, columns = np.divmod(np.arange(factor * factor, dtype=np.float64), factor)
        inputs = blocks.inputs() | {
            "matrix": np.stack([plan.source.ravel() for plan in plans]),
            "block_x": columns,
            "block_y": rows,
            "side": np.array([factor], np.float64),
            "share": np.array([1 / factor**2], np.float32),
            "halves_up": np.array([factor == 2], np.float32),
        }
        return self._glance(inputs)["pictures"]
