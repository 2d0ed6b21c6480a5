"""What is done to every labelled picture, in a worker: read, find the largest face, cut it out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from curate.errors import InputError
from curate.sources.source import Input

if TYPE_CHECKING:
    from curate.scorers.face import Face

CropKind = Literal["lite", "libreface"]

# Raised whenever the same picture may become another crop: enlarging, which face counts.
VERSION = "1"
# Side of the crops in pixels, and of what a network sees of them without augmentation.
SIZES: dict[CropKind, tuple[int, int]] = {"lite": (120, 96), "libreface": (256, 224)}
_LITE_MARGIN = 1.25
# Small pictures are enlarged to this: what the whole pipeline is measured at, and the face mesh likes.
_SHORTER_SIDE = 224
_MAX_PIXELS = 100_000_000
_PIXELS_TOGETHER = 16_000_000


@dataclass(frozen=True, slots=True)
class Pictures:
    """Labelled pictures that are looked at together: their rows in the frame, and where they are read."""

    rows: tuple[int, ...]
    inputs: tuple[Input, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def singles(self) -> Sequence[Pictures]:
        """One picture a batch."""
        return [Pictures((row,), (item,)) for row, item in zip(self.rows, self.inputs, strict=True)]


@dataclass(frozen=True, slots=True)
class Crops:
    """What a worker made of `Pictures`.

    Attributes:
        sha256: of every picture's bytes; None where it could not be read.
        found: which of the pictures have a face, ascending; the arrays have a row for each of these.
        no_face: how many were decoded and have none.
        pixels: (n, S, S, 3) uint8 RGB.
        shapes: (n, 478, 3) float32, the pose-normalised mesh.
    """

    sha256: tuple[str | None, ...]
    found: tuple[int, ...]
    no_face: int
    pixels: NDArray[np.uint8]
    shapes: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Cutting:
    """What is done to every picture. It travels to the workers; `open` happens there."""

    crop: CropKind

    def open(self) -> OpenCutting:
        """Load the face mesh; ModelError where it is missing."""
        import cv2

        cv2.setNumThreads(1)
        return OpenCutting(self.crop)


class OpenCutting:
    """A Cutting with its models loaded."""

    def __init__(self, crop: CropKind) -> None:
        from curate.scorers.mesh import FaceMesh

        self._crop = crop
        self._mesh = FaceMesh()

    def __call__(self, batch: Pictures) -> Crops:
        """The largest face of every picture, cut out."""
        from curate.scorers.crop import face_shape

        side, _ = SIZES[self._crop]
        hashes: list[str | None] = []
        found: list[int] = []
        crops: list[NDArray[np.uint8]] = []
        meshes: list[NDArray[np.float32]] = []
        sizes: list[tuple[int, int]] = []
        no_face = 0
        for group in self._groups(batch.inputs, hashes):
            faces = self._faces([pixels for _, pixels in group])
            for (i, _), face in zip(group, faces, strict=True):
                if face is None:
                    no_face += 1
                    continue
                found.append(i)
                crops.append(self._cut(face))
                meshes.append(face.mesh)
                sizes.append((face.width, face.height))
        if not found:
            none = np.empty((0, side, side, 3), np.uint8), np.empty((0, 478, 3), np.float32)
            return Crops(tuple(hashes), (), no_face, *none)
        shapes = face_shape(np.stack(meshes), np.array(sizes))
        return Crops(tuple(hashes), tuple(found), no_face, np.stack(crops), shapes)

    def _groups(
        self, inputs: Sequence[Input], hashes: list[str | None]
    ) -> Iterator[list[tuple[int, NDArray[np.uint8]]]]:
        """The pictures that can be read, so many at a time that they fit into memory."""
        from curate.scorers.decode import decode

        group: list[tuple[int, NDArray[np.uint8]]] = []
        together = 0
        for i, item in enumerate(inputs):
            hashes.append(None)
            try:
                data = item.read()
                hashes[i] = hashlib.sha256(data).hexdigest()
                pixels = enlarged(decode(data, max_pixels=_MAX_PIXELS).pixels)
            except InputError:
                continue
            group.append((i, pixels))
            together += pixels.size // 3
            if together >= _PIXELS_TOGETHER:
                yield group
                group, together = [], 0
        if group:
            yield group

    def _faces(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Face | None]:
        """The largest face of each picture."""
        from curate.scorers.face import Face

        largest: list[Face | None] = []
        for pixels, meshes in zip(pictures, self._mesh.detect(pictures), strict=True):
            faces = [Face(pixels, mesh.landmarks) for mesh in meshes]
            largest.append(max(faces, key=lambda face: face.box[2] * face.box[3], default=None))
        return largest

    def _cut(self, face: Face) -> NDArray[np.uint8]:
        from PIL import Image

        from curate.scorers.crop import face_crop

        side, _ = SIZES[self._crop]
        if self._crop == "lite":
            return face_crop(face.pixels, face.mesh, side, _LITE_MARGIN)
        return np.asarray(Image.fromarray(face.aligned).resize((side, side), Image.Resampling.LANCZOS))


def enlarged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture whose shorter side is below 224 pixels, enlarged to that (bicubic); any other as it is.

    Args:
        pixels: (H, W, 3) uint8 RGB.
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    scale = _SHORTER_SIDE / min(height, width)
    # A strip of a few pixels would become a giant, and has no face.
    if scale <= 1 or max(height, width) * scale > 16 * _SHORTER_SIDE:
        return pixels
    size = (round(width * scale), round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
