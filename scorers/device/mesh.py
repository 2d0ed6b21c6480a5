"""The face mesh of `curate.scorers.mesh`, its crops and networks on a device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from curate.models.pack import find_pack
from curate.models.session import Device, open_session
from curate.scorers import detection
from curate.scorers.device.graph import Graph, open_graph, to_host
from curate.scorers.device.pictures import Aligned, Pictures
from curate.scorers.mesh import MAX_FACES, MIN_PRESENCE, SIZE, ZOOMS, MeshFace, distinct, project
from curate.scorers.refinement import refine
from curate.scorers.warp import Region, region_matrix


class DeviceMesh:
    """Finds the faces of pictures that lie on the device.

    The few candidates of a picture are merged on the host, by the detector's own code: it is a loop whose length
    depends on what it finds.

    Args:
        device: where the networks and crops run.
        together: pictures, or faces, that a network sees at once.
    """

    def __init__(self, device: Device, together: int) -> None:
        self._together = together
        pack = find_pack("face-mesh")
        self._look, self._candidates = open_graph("look", device), open_graph("candidates", device)
        self._face = open_graph("face", device)
        self._detector = Graph(open_session(pack, "detector", device=device))
        self._landmarks = Graph(open_session(pack, "landmarks", device=device))
        self._anchors = detection.anchors()

    def detect(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        *,
        max_faces: int = MAX_FACES,
        zooms: Sequence[float] = ZOOMS,
    ) -> list[list[MeshFace]]:
        """As `FaceMesh.detect`, for `Pictures` or `Aligned` (TypeError for others)."""
        faces: list[list[MeshFace]] = [[] for _ in range(len(pictures))]  # to iterate would be to copy
        if isinstance(pictures, Aligned):
            for numbers, part in pictures.pictures():
                for number, found in zip(
                    numbers, self.detect(part, max_faces=max_faces, zooms=zooms), strict=True
                ):
                    faces[number] = found
            return faces
        if not isinstance(pictures, Pictures):
            raise TypeError("these pictures are not on the device")
        for zoom in zooms:
            missing = np.flatnonzero([not found for found in faces])
            for start in range(0, len(missing), self._together):
                tried = missing[start : start + self._together]
                self._add(pictures, tried, zoom, max_faces, faces)
        return faces

    def _add(
        self,
        pictures: Pictures,
        tried: NDArray[np.int64],
        zoom: float,
        max_faces: int,
        faces: list[list[MeshFace]],
    ) -> None:
        """Look at some of the pictures, and add what the mesh network confirms."""
        regions = [
            distinct([d.region() for d in found[:max_faces]])
            for found in self._detections(pictures.take(tried), zoom)
        ]
        jobs = [(i, region) for i, of_picture in zip(tried, regions, strict=True) for region in of_picture]
        # A picture of a crowd must not decide how much memory a batch takes.
        for start in range(0, len(jobs), self._together):
            self._confirm(pictures, jobs[start : start + self._together], faces)

    def _detections(self, pictures: Pictures, zoom: float) -> list[list[detection.Detection]]:
        # Python's numbers, as a picture's shape has them: NumPy's own would make float64 of what is float32.
        views = [
            detection.whole_view(width, height, zoom) for width, height in pictures.size.astype(int).tolist()
        ]
        x = self._look(pictures.inputs() | {"matrix": _inverse(views, detection.SIZE)})["pictures"]
        raw = self._detector({"input": x})
        best = {name: to_host(value) for name, value in self._candidates(raw).items()}
        logits, which, boxes = best["score"], best["anchor"], best["box"]
        if (logits[:, -1] >= detection.MIN_LOGIT).any():  # a crowd: there may be more than were asked for
            logits, boxes = to_host(raw["classificators"])[..., 0], to_host(raw["regressors"])
            which = np.broadcast_to(np.arange(logits.shape[1]), logits.shape)
        picture, place = np.nonzero(logits >= detection.MIN_LOGIT)
        order = np.lexsort((which[picture, place], picture))
        picture, place = picture[order], place[order]
        anchor = self._anchors[which[picture, place]]
        return detection.merge_all(boxes[picture, place], logits[picture, place], anchor, picture, views)

    def _confirm(
        self, pictures: Pictures, jobs: Sequence[tuple[int, Region]], faces: list[list[MeshFace]]
    ) -> None:
        """Run the mesh network on (number of the picture, region) pairs."""
        numbers, regions = np.array([i for i, _ in jobs]), [region for _, region in jobs]
        x = self._face(pictures.take(numbers).inputs() | {"matrix": _inverse(regions, SIZE)})["pictures"]
        out: dict[str, NDArray[np.float32]]
        out = {name: to_host(value) for name, value in self._landmarks({"input": x}).items()}
        presence = 1 / (1 + np.exp(-out["conv_faceflag"].reshape(len(jobs))))
        meshes = refine({name: values / np.float32(SIZE) for name, values in out.items()})
        sizes = [(int(width), int(height)) for width, height in pictures.size[numbers]]
        projected = project(meshes, regions, sizes)
        for i, landmarks, probability in zip(numbers, projected, presence, strict=True):
            if probability > MIN_PRESENCE:
                faces[i].append(MeshFace(landmarks, float(probability)))


def _inverse(regions: Sequence[Region], size: int) -> NDArray[np.float64]:
    """(n, 9): from pixels of the crops to those of the pictures, inverted as `cv2.warpPerspective` does."""
    import cv2

    return np.stack([np.ravel(cv2.invert(region_matrix(region, size))[1]) for region in regions])
