"""The LibreFace networks: action units, expression, gaze."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from curate.errors import ModelError
from curate.models.pack import ModelPack, find_pack
from curate.models.profile import Record, fast_options, read_record
from curate.models.session import Device, Profile
from curate.scorers.align import SIZE
from curate.scorers.answers import Answers, action_units, expressions
from curate.scorers.columns import Column, expression_columns, gaze_columns
from curate.scorers.face import Face
from curate.scorers.fast import CarriedMesh, FastNetworks, FoundMesh
from curate.scorers.fast_align import VERSION
from curate.scorers.mesh import FaceMesh, MeshFace
from curate.scorers.networks import Networks
from curate.scorers.scorer import MESH_PACK, Values

PACK = "libreface"
_GAZE_POINTS = 468  # the network was trained without the irises
_CERTAIN = 1e-7  # a float32 sigmoid saturates about here


class AlignedMesh(Protocol):
    """Finds the one face of each aligned picture."""

    def detect(
        self, pictures: Sequence[Any], *, max_faces: int, zooms: Sequence[float]
    ) -> list[list[MeshFace]]:
        """As `FaceMesh.detect`."""


class LibreFace:
    """One action-unit encoder with two heads, expression, gaze: what libreface runs unless told otherwise."""

    name = "libreface"
    version = "1"
    needs_mesh = True
    packs: tuple[str, ...] = (PACK, MESH_PACK)

    def __init__(self, profile: Profile = "exact", device: Device = "cpu") -> None:
        """`device` is where it will be opened; see `curate.models.profile` for what `fast` takes there."""
        self.options: Mapping[str, str] = {}
        if profile == "fast":
            pack = find_pack(PACK)
            self.options = fast_options(pack, self.roles(pack), device) | _alignment(
                read_record(pack, device), self.name
            )

    # The forms a pack may have: networks that see the picture, and heads that see their feature.
    _forms: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
        (("au",), ()),
        (("au_encoder",), ("au_intensity_head", "au_presence_head")),
    )

    @property
    def columns(self) -> tuple[Column, ...]:
        """Action units and expression; gaze where the pack has a network for it."""
        gaze = gaze_columns(self.name) if "gaze" in find_pack(PACK).networks else ()
        return (*expression_columns(self.name), *gaze)

    def open(self, device: Device) -> None:
        """Load the pack's networks; ModelError where one is missing or damaged."""
        pack = find_pack(PACK)
        roles = self.roles(pack)
        if device == "cpu" and self.options.get("profile") == "fast":
            mesh = FoundMesh() if self.options.get("gaze_mesh") == "exact" else CarriedMesh()
            self.use(pack, FastNetworks(pack, roles, self.options), mesh if "gaze" in roles else None)
            return
        networks = Networks(pack, roles, device, self.options)
        self.use(pack, networks, FaceMesh(device) if "gaze" in roles else None)

    def use(self, pack: ModelPack, networks: Networks, mesh: AlignedMesh | None) -> None:
        """Open with networks and a mesh that are there already; `read` hands them the aligned faces as they are."""
        encoders, self._heads = self._form(pack)
        self._on_pictures = (*encoders, "expression")
        self._networks, self._mesh = networks, mesh

    def roles(self, pack: ModelPack) -> tuple[str, ...]:
        """The networks of a pack that this scorer runs; ModelError where it has not all of them."""
        encoders, heads = self._form(pack)
        return (*encoders, "expression", *heads, *(("gaze",) if "gaze" in pack.networks else ()))

    @classmethod
    def runs_on(cls, pack: ModelPack) -> bool:
        """Whether the pack has the networks of this scorer."""
        return any({*encoders, *heads} <= pack.networks.keys() for encoders, heads in cls._forms)

    def _form(self, pack: ModelPack) -> tuple[tuple[str, ...], tuple[str, ...]]:
        for encoders, heads in self._forms:
            if {*encoders, *heads} <= pack.networks.keys():
                return encoders, heads
        raise ModelError(
            f"the pack has no networks for the scorer `{self.name}`, only {', '.join(sorted(pack.networks))}",
            where=str(pack.folder),
            hint="curate models pull libreface",
        )

    def score(self, faces: Sequence[Face]) -> Values:
        """One value a face for each column."""
        if isinstance(self._networks, FastNetworks):
            return self.read(faces)
        return self.read([face.aligned for face in faces])

    def read(self, aligned: Sequence[Any]) -> Values:
        """The same of aligned faces, (512, 512, 3) uint8 each; or of what the networks and the mesh take instead."""
        out = self._networks.on_pictures(self._on_pictures, aligned)
        for head in self._heads:
            # Some exports leave the pooling's two empty axes in place.
            out |= self._networks.on_features(head, out["feature"].reshape(len(aligned), -1))
        values = action_units(
            5 * _either(out, "intensity", "au_intensity"), _either(out, "presence", "au_presence")
        )
        values.update(expression_values(_either(out, "expression", "FEs")))
        if self._mesh is not None:
            values.update(self._gaze(aligned, self._mesh))
        return values

    def _gaze(self, aligned: Sequence[Any], mesh: AlignedMesh) -> Values:
        """Degrees; NaN where the aligned picture shows no face (libreface then answers for all zeros)."""
        found = mesh.detect(aligned, max_faces=1, zooms=(1,))
        seen = [i for i, faces in enumerate(found) if faces]
        angles = np.full((len(aligned), 2), np.nan, np.float32)
        if seen:
            features = np.stack([gaze_features(found[i][0].landmarks, SIZE) for i in seen])
            angles[seen] = self._networks.on_features("gaze", features)["gaze"]
        return {"gaze_yaw": angles[:, 0], "gaze_pitch": angles[:, 1]}


class LibreFaceSeparate(LibreFace):
    """The same with one network for intensity and one for presence (`separate_prediction_heads`)."""

    name = "libreface-separate"
    _forms = ((("au_intensity", "au_presence"), ()),)


def _alignment(record: Record | None, scorer: str) -> dict[str, str]:
    """How the faces are aligned, and which mesh gaze reads; fast in both where nobody measured."""
    measured = record.alignment.get(scorer) if record else None
    if measured is None:
        return {"alignment": VERSION}
    options = {"alignment": VERSION if measured.fast else "exact"}
    return options if measured.carried else options | {"gaze_mesh": "exact"}


def expression_values(scores: NDArray[np.float32]) -> Answers:
    """Eight probabilities, the best of them and its name.

    The network was trained with a softmax over its sigmoids, and such a softmax is nearly flat whatever the
    face shows. The softmax over what went *into* the sigmoids ranks the same and has a spread that says
    something: p_k is proportional to s_k / (1 - s_k).

    Args:
        scores: (N, 8) sigmoids.
    """
    s = np.clip(scores.astype(np.float64), _CERTAIN, 1 - _CERTAIN)
    odds = s / (1 - s)
    p = odds / odds.sum(axis=1, keepdims=True)
    # The label is the network's own argmax: odds that saturate alike must not change it.
    best = scores.argmax(axis=1)
    return expressions(p, best)


def gaze_features(landmarks: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """(1404,) float32: x, y, z of 468 points in pixels of the aligned picture."""
    return (landmarks[:_GAZE_POINTS] * np.float32(side)).ravel()


def _either(outputs: Mapping[str, NDArray[np.float32]], ours: str, theirs: str) -> NDArray[np.float32]:
    """An output by the name in our conversion or in the official ONNX files."""
    return outputs[ours] if ours in outputs else outputs[theirs]
