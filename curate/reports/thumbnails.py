"""Small square pictures of faces, cut from the pictures behind a score set's rows."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from curate.errors import InputError
from curate.pictures import Picture, read_pictures
from curate.scorers.decode import MAX_PIXELS, decode

if TYPE_CHECKING:
    import polars as pl

    from curate.scoreset import ScoreSet

_BOX = ("box_x", "box_y", "box_w", "box_h")
MARGIN = 0.25
_THREADS = 2
_AHEAD = 8

Box = tuple[float, float, float, float]
Key = tuple[str, int]


def thumbnails(
    scores: ScoreSet, rows: pl.DataFrame, side: int, *, margin: float = MARGIN
) -> dict[Key, Image.Image]:
    """Square crops around faces, upright.

    Args:
        scores: the set that the rows are of.
        rows: its rows: `image`, and `sha256`, `face` and the four `box_*` where it has them. Without a box the
            middle of the picture is taken.
        side: of a crop, in pixels.
        margin: around the box on each side, as a share of the box's longer side.

    Returns:
        RGB pictures of `side` x `side` by (`image`, `face`); a row without a number of a face counts as face 0.
        Rows whose picture is missing, has changed since it was scored, or cannot be decoded are left out, and so
        are all rows of a dataset that cannot be opened any more. Nothing is raised.
    """
    wanted: dict[str, str | None] = {}
    faces: dict[str, list[tuple[int, Box | None]]] = {}
    for row in rows.select([c for c in ("image", "sha256", "face", *_BOX) if c in rows.columns]).to_dicts():
        wanted[row["image"]] = row.get("sha256")
        x, y, w, h = (row.get(name) for name in _BOX)
        box = None if x is None or y is None or w is None or h is None else (x, y, w, h)
        faces.setdefault(row["image"], []).append((row.get("face") or 0, box))
    made: dict[Key, Image.Image] = {}
    # Pillow warns of odd metadata and of large pictures. Filters belong to the process, so they are set around all
    # threads.
    with (
        warnings.catch_warnings(),
        contextlib.suppress(InputError),
    ):  # raised where the dataset itself is gone
        warnings.simplefilter("ignore")
        for image, crops in _cropped(read_pictures(scores.manifest.source, wanted), faces, side, margin):
            for (number, _), crop in zip(faces[image], crops, strict=False):
                made[image, number] = crop
    return made


def _cropped(
    pictures: Iterable[Picture],
    faces: Mapping[str, Sequence[tuple[int, Box | None]]],
    side: int,
    margin: float,
) -> Iterator[tuple[str, list[Image.Image]]]:
    """The crops of each picture, in order; made by threads, as decoding lets others run."""

    def one(picture: Picture) -> tuple[str, list[Image.Image]]:
        boxes = [box for _, box in faces[picture.image]]
        return picture.image, ([] if picture.problem else _crops(picture.data, boxes, side, margin))

    todo = iter(pictures)
    with ThreadPoolExecutor(_THREADS) as threads:
        ahead = [threads.submit(one, picture) for picture in islice(todo, _AHEAD)]
        while ahead:
            yield ahead.pop(0).result()
            ahead += [threads.submit(one, picture) for picture in islice(todo, 1)]


def _crops(data: bytes, boxes: Sequence[Box | None], side: int, margin: float) -> list[Image.Image]:
    """The crops of one encoded picture; none where it cannot be decoded, is a bomb or has no pixels."""
    try:
        image = _drafted(data, boxes, side, margin)
        if image is None:
            image = Image.fromarray(decode(data).pixels)
        return [_crop(image, box, side, margin) for box in boxes]
    except Exception:  # damaged files let all kinds escape, and a report goes on without the picture
        return []


def _drafted(data: bytes, boxes: Sequence[Box | None], side: int, margin: float) -> Image.Image | None:
    """A baseline JPEG decoded no larger than its crops need, several times as fast; None for anything else."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    image = Image.open(io.BytesIO(data), formats=("JPEG",))
    width, height = image.size
    # Of what can be made to decode for minutes, `decode` knows more.
    if width * height > MAX_PIXELS or image.info.get("progressive"):
        return None
    orientation = image.getexif().get(0x0112, 1)
    turned = orientation in (5, 6, 7, 8)
    upright = (height, width) if turned else (width, height)
    least = min(right - left for left, _, right, _ in (_square(upright, box, margin) for box in boxes))
    scale = min(1.0, side / max(least, 1.0))
    image.draft(None, (max(1, int(width * scale)), max(1, int(height * scale))))
    return ImageOps.exif_transpose(image if image.mode == "RGB" else image.convert("RGB"))


def _crop(image: Image.Image, box: Box | None, side: int, margin: float) -> Image.Image:
    square = _square(image.size, box, margin)
    return image.resize((side, side), Image.Resampling.LANCZOS, box=square, reducing_gap=2.0)


def _square(size: tuple[int, int], box: Box | None, margin: float) -> Box:
    """Left, top, right, bottom in pixels: a square within the picture, moved inwards where it would stand out."""
    width, height = size
    x, y, w, h = box or (0.0, 0.0, 1.0, 1.0)
    edge = min(max(w * width, h * height, 1.0) * (1 + 2 * margin), width, height)
    left = min(max((x + w / 2) * width - edge / 2, 0.0), width - edge)
    top = min(max((y + h / 2) * height - edge / 2, 0.0), height - edge)
    return left, top, left + edge, top + edge
