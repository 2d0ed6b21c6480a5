"""Face boxes: MediaPipe's BlazeFace short-range detector, batched in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.models.pack import find_pack
from curate.models.session import Device, open_session
from curate.scorers.warp import Region, crop

SIZE = 128
MIN_SCORE = 0.5
MIN_LOGIT = float(np.log(MIN_SCORE / (1 - MIN_SCORE)))
SUPPRESSION_IOU = 0.3


@dataclass(frozen=True, slots=True)
class Detection:
    """A face as the detector sees it, in pixels of the picture.

    Attributes:
        score: probability in [0, 1].
        box: (x0, y0, x1, y1), may reach over the edge.
        right_eye, left_eye: (x, y); the person's own right and left.
    """

    score: float
    box: tuple[float, float, float, float]
    right_eye: tuple[float, float]
    left_eye: tuple[float, float]

    def region(self) -> Region:
        """The square the mesh network looks at: 1.5 times the box, turned so that the eyes are level."""
        x0, y0, x1, y1 = self.box
        rotation = np.arctan2(self.left_eye[1] - self.right_eye[1], self.left_eye[0] - self.right_eye[0])
        return Region((x0 + x1) / 2, (y0 + y1) / 2, 1.5 * max(x1 - x0, y1 - y0), float(rotation))


class FaceDetector:
    """Finds faces in pictures of any size; `zoom` > 1 looks at the picture as if it had a black margin."""

    def __init__(self, device: Device = "cpu") -> None:
        self._session = open_session(find_pack("face-mesh"), "detector", device=device)
        self._anchors = anchors()

    def detect(self, pictures: Sequence[NDArray[np.uint8]], zoom: float = 1.0) -> list[list[Detection]]:
        """Detections of each picture, best first.

        Args:
            pictures: (H, W, 3) uint8 RGB each.
            zoom: side of the square that is looked at, in units of the picture's long side. A face
                that fills its frame is too big for the anchors at 1; a wider view makes it smaller.
        """
        views = [whole_view(p.shape[1], p.shape[0], zoom) for p in pictures]
        x = np.empty((len(pictures), 3, SIZE, SIZE), np.float32)
        for slot, pixels, view in zip(x, pictures, views, strict=True):
            square = crop(pixels, view, SIZE, replicate_border=False)
            np.multiply(square.transpose(2, 0, 1), np.float32(2 / 255), out=slot)
        x -= 1
        out = self._session.run(x)
        boxes, logits = out["regressors"], out["classificators"][..., 0]
        picture, candidate = np.nonzero(logits >= MIN_LOGIT)
        return merge_all(
            boxes[picture, candidate], logits[picture, candidate], self._anchors[candidate], picture, views
        )


def whole_view(width: float, height: float, zoom: float) -> Region:
    """The square around a picture's centre, `zoom` times as wide as its long side."""
    return Region(width / 2, height / 2, zoom * max(height, width))


def merge_all(
    raw: NDArray[np.float32],
    logits: NDArray[np.float32],
    anchor: NDArray[np.float32],
    picture: NDArray[np.int64],
    views: Sequence[Region],
) -> list[list[Detection]]:
    """Weighted non-maximum suppression of the candidates of many pictures, one round of all of them at a time.

    Args:
        raw: (K, 16) boxes and points from their anchors, pixels of the network's input.
        logits: (K,), each at least `MIN_LOGIT`; of each picture in the order of the anchors, which decides ties.
        anchor: (K, 2) in [0, 1].
        picture: (K,) the number of each candidate's view, ascending.
        views: what the network looked at.

    Returns:
        The detections of each picture in its pixels, the surest first.
    """
    found: list[list[Detection]] = [[] for _ in views]
    score = 1 / (1 + np.exp(-np.clip(logits, -100, 100)))
    raw = raw / np.float32(SIZE)
    centre, half = raw[:, :2] + anchor, raw[:, 2:4] / 2
    eyes = raw[:, 4:8] + np.tile(anchor, 2)
    points = np.concatenate([centre - half, centre + half, eyes], axis=1)
    side = np.array([view.side for view in views], np.float32)
    corner = np.array([(view.x - view.side / 2, view.y - view.side / 2) for view in views])

    rest = np.lexsort((-score, picture))
    while len(rest):
        first = np.flatnonzero(np.diff(picture[rest], prepend=-1))
        best = rest[first]
        each = np.repeat(best, np.diff(first, append=len(rest)))
        overlaps = _iou(points[each, :4], points[rest, :4]) > SUPPRESSION_IOU
        overlaps[first] = True
        chosen = rest[overlaps]
        weight = score[chosen]
        weighted = points[chosen] * weight[:, None]
        ends = np.cumsum(np.add.reduceat(overlaps.astype(np.int64), first)).tolist()
        # NumPy's own sum, picture by picture: its order of adding depends on how many there are.
        merged = np.stack(
            [weighted[i:j].sum(0) / weight[i:j].sum() for i, j in zip([0, *ends], ends, strict=False)]
        )
        of = picture[best]
        where = merged.reshape(-1, 4, 2) * side[of, None, None] + corner[of, None]
        for number, sure, (low, high, right, left) in zip(
            of.tolist(), score[best].tolist(), where.tolist(), strict=True
        ):
            found[number].append(
                Detection(sure, (low[0], low[1], high[0], high[1]), (right[0], right[1]), (left[0], left[1]))
            )
        rest = rest[~overlaps]
    return found


def anchors() -> NDArray[np.float32]:
    """896 anchor centres in [0, 1]: 2 a cell on the 16 x 16 map, 6 a cell on the 8 x 8 map."""
    maps = []
    for cells, per_cell in ((16, 2), (8, 6)):
        steps = (np.arange(cells) + 0.5) / cells
        rows, columns = np.meshgrid(steps, steps, indexing="ij")
        maps.append(np.stack([columns, rows], axis=-1).reshape(-1, 2).repeat(per_cell, axis=0))
    return np.concatenate(maps).astype(np.float32)


def _iou(box: NDArray[np.floating], boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    """Intersection over union of (N, 4) boxes with others, one to one; corners x0 y0 x1 y1."""
    overlap = np.minimum(boxes[:, 2:], box[:, 2:]) - np.maximum(boxes[:, :2], box[:, :2])
    common = np.clip(overlap, 0, None).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    union = areas + (box[:, 2:] - box[:, :2]).prod(axis=1) - common
    return np.where(union > 0, common / np.maximum(union, 1e-12), 0)
