"""The face mesh: MediaPipe's 478 landmarks, batched in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from curate.models.pack import find_pack
from curate.models.session import Device, open_session
from curate.scorers.detection import FaceDetector
from curate.scorers.refinement import refine
from curate.scorers.warp import Region, crop

SIZE = 192
MIN_PRESENCE = 0.5
# A face that fills its frame is larger than the detector's largest anchor. These are the margins that
# are tried, in this order, on pictures where nothing was found (docs/mesh.md has the measurements).
ZOOMS = (1.0, 1.5, 2.0)
MAX_FACES = 64
_REGIONS_TOGETHER = 32


class Mesh(Protocol):
    """Finds faces and their landmarks in pictures."""

    def detect(self, pictures: Sequence[NDArray[np.uint8]]) -> list[list[MeshFace]]:
        """The faces of each picture, (H, W, 3) uint8 RGB."""


def open_mesh(kind: Literal["onnx", "mediapipe"], device: Device) -> Mesh:
    """Our own mesh, or the original where the `mediapipe` package is installed (ModelError where it is not)."""
    if kind == "onnx":
        return FaceMesh(device)
    from curate.scorers.mediapipe_mesh import MediaPipeMesh

    return MediaPipeMesh()


@dataclass(frozen=True, slots=True)
class MeshFace:
    """One face of a picture.

    Attributes:
        landmarks: (478, 3) float32; x / width, y / height, z / width; z points away from the viewer.
        presence: the mesh network's own probability that this is a face, in [0, 1].
    """

    landmarks: NDArray[np.float32]
    presence: float


class FaceMesh:
    """`mediapipe.solutions.face_mesh` (static image mode, refined landmarks) for batches of pictures."""

    def __init__(self, device: Device = "cpu") -> None:
        self._detector = FaceDetector(device)
        self._session = open_session(find_pack("face-mesh"), "landmarks", device=device)

    def detect(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        *,
        max_faces: int = MAX_FACES,
        zooms: Sequence[float] = ZOOMS,
    ) -> list[list[MeshFace]]:
        """The faces of each picture, in the detector's order (most certain first).

        Args:
            pictures: (H, W, 3) uint8 RGB each, of any size.
            max_faces: keep at most so many a picture.
            zooms: views to try, in turn, where nothing was found; (1,) is what MediaPipe does.
        """
        faces: list[list[MeshFace]] = [[] for _ in pictures]
        for zoom in zooms:
            missing = [i for i, found in enumerate(faces) if not found]
            if not missing:
                break
            tried = [pictures[i] for i in missing]
            regions = [
                distinct([d.region() for d in detections[:max_faces]])
                for detections in self._detector.detect(tried, zoom)
            ]
            for i, found in zip(missing, self._landmarks(tried, regions), strict=True):
                faces[i] = found
        return faces

    def _landmarks(
        self, pictures: Sequence[NDArray[np.uint8]], regions: Sequence[Sequence[Region]]
    ) -> list[list[MeshFace]]:
        """The faces that the mesh network confirms, region by region, for each picture."""
        jobs = [(i, region) for i, of_picture in enumerate(regions) for region in of_picture]
        found: list[list[MeshFace]] = [[] for _ in pictures]
        # A picture of a crowd must not decide how much memory a batch takes.
        for start in range(0, len(jobs), _REGIONS_TOGETHER):
            self._add_landmarks(pictures, jobs[start : start + _REGIONS_TOGETHER], found)
        return found

    def _add_landmarks(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        jobs: Sequence[tuple[int, Region]],
        found: list[list[MeshFace]],
    ) -> None:
        """Run the mesh network on (number of the picture, region) pairs, and add the faces to their pictures."""
        x = np.empty((len(jobs), 3, SIZE, SIZE), np.float32)
        for slot, (i, region) in zip(x, jobs, strict=True):
            square = crop(pictures[i], region, SIZE, replicate_border=True)
            np.multiply(square.transpose(2, 0, 1), np.float32(1 / 255), out=slot)
        out = self._session.run(x)
        presence = 1 / (1 + np.exp(-out["conv_faceflag"].reshape(len(jobs))))
        meshes = refine({name: values / np.float32(SIZE) for name, values in out.items()})
        sizes = [(pictures[i].shape[1], pictures[i].shape[0]) for i, _ in jobs]
        projected = project(meshes, [region for _, region in jobs], sizes)
        for (i, _), landmarks, probability in zip(jobs, projected, presence, strict=True):
            if probability > MIN_PRESENCE:
                found[i].append(MeshFace(landmarks, float(probability)))


def project(
    meshes: NDArray[np.float32], regions: Sequence[Region], sizes: Sequence[tuple[int, int]]
) -> NDArray[np.float32]:
    """From the unit squares of regions, (N, 478, 3), to normalised coordinates of pictures so wide and high."""
    x0, y0, side, rotation = np.array([(r.x, r.y, r.side, r.rotation) for r in regions], np.float64).T[
        ..., None
    ]
    width, height = np.array(sizes, np.float64).T[..., None]
    cos, sin = np.cos(rotation), np.sin(rotation)
    x, y, z = ((meshes[..., i] - np.float64(middle)) * side for i, middle in enumerate((0.5, 0.5, 0.0)))
    projected = np.empty(meshes.shape, np.float32)
    projected[..., 0] = (x0 + cos * x - sin * y) / width
    projected[..., 1] = (y0 + sin * x + cos * y) / height
    projected[..., 2] = z / width
    return projected


def distinct(regions: Sequence[Region]) -> list[Region]:
    """Of regions that overlap by more than half the later one stays, as MediaPipe's association keeps them."""
    kept: list[Region] = []
    for new in regions:
        kept = [old for old in kept if _overlap(old, new) <= 0.5]
        kept.append(new)
    return kept


def _overlap(a: Region, b: Region) -> float:
    """Intersection over union of two regions, their rotation left out."""
    width = min(a.x + a.side / 2, b.x + b.side / 2) - max(a.x - a.side / 2, b.x - b.side / 2)
    height = min(a.y + a.side / 2, b.y + b.side / 2) - max(a.y - a.side / 2, b.y - b.side / 2)
    common = max(0.0, width) * max(0.0, height)
    return common / (a.side**2 + b.side**2 - common)
