"""Crops of faces from the pictures behind a set."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scoresets import write_set

from curate.reports.thumbnails import thumbnails
from curate.scoreset import ScoreSet, open_scores

RED, BLUE = (230, 20, 20), (20, 20, 230)


@pytest.fixture
def faces(tmp_path: Path) -> ScoreSet:
    return open_scores(write_set(tmp_path / "f.scores", ["a"], {}))


def halves(path: Path, *, orientation: int = 1, **options: object) -> None:
    """A picture of 400 x 200 as stored: its left half red, its right half blue."""
    pixels = np.zeros((200, 400, 3), np.uint8)
    pixels[:, :200], pixels[:, 200:] = RED, BLUE
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif, **options)  # type: ignore[arg-type]


def row(path: Path, box: tuple[float, float, float, float] | None, face: int | None = 0) -> dict[str, object]:
    x, y, w, h = box or (None,) * 4
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
    return {
        "image": str(path),
        "sha256": sha256,
        "face": face,
        "box_x": x,
        "box_y": y,
        "box_w": w,
        "box_h": h,
    }


def colour(picture: Image.Image) -> tuple[int, ...]:
    return tuple(np.asarray(picture).reshape(-1, 3).mean(axis=0).round().astype(int))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "progressive.jpg"])
def test_a_crop_is_of_the_face_and_square(faces: ScoreSet, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    halves(path, **({"progressive": True} if name == "progressive.jpg" else {}))
    rows = pl.DataFrame([row(path, (0.1, 0.3, 0.2, 0.4), 0), row(path, (0.7, 0.3, 0.2, 0.4), 1)])
    made = thumbnails(faces, rows, 32, margin=0.2)
    assert list(made) == [(str(path), 0), (str(path), 1)]
    assert {crop.size for crop in made.values()} == {(32, 32)}
    for crop, wanted in zip(made.values(), (RED, BLUE), strict=True):
        assert np.abs(np.subtract(colour(crop), wanted)).max() < 8


def test_the_margin_shows_what_is_around_the_box(faces: ScoreSet, tmp_path: Path) -> None:
    halves(tmp_path / "a.png")
    rows = pl.DataFrame([row(tmp_path / "a.png", (0.3, 0.4, 0.2, 0.4))])  # ends at the middle
    tight, wide = (thumbnails(faces, rows, 32, margin=m)[str(tmp_path / "a.png"), 0] for m in (0.0, 0.5))
    assert colour(tight)[2] < 25
    assert colour(wide)[2] > 60


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_the_box_is_of_the_upright_picture(faces: ScoreSet, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    halves(path, orientation=6)  # turned by 90 degrees: red is above blue
    below = thumbnails(faces, pl.DataFrame([row(path, (0.1, 0.6, 0.8, 0.3))]), 24, margin=0.0)[str(path), 0]
    assert np.abs(np.subtract(colour(below), BLUE)).max() < 8


def test_a_box_that_stands_out_of_the_picture_is_moved_into_it(faces: ScoreSet, tmp_path: Path) -> None:
    halves(tmp_path / "a.png")
    rows = pl.DataFrame([row(tmp_path / "a.png", (0.8, -0.2, 0.4, 1.6))])
    (crop,) = thumbnails(faces, rows, 16).values()
    assert np.abs(np.subtract(colour(crop), BLUE)).max() < 8


def test_without_a_box_the_middle_is_taken(faces: ScoreSet, tmp_path: Path) -> None:
    halves(tmp_path / "a.png")
    made = thumbnails(faces, pl.DataFrame([row(tmp_path / "a.png", None, None)]), 16)
    left, right = (np.asarray(made[str(tmp_path / "a.png"), 0])[8, x] for x in (1, 14))
    assert left[0] > 200
    assert right[2] > 200


def bomb() -> bytes:
    """A PNG of a few bytes that says it has 60,000 x 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + end


def jpeg(size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, RED).save(file, "jpeg")
    return file.getvalue()


def huge_jpeg() -> bytes:
    """A JPEG whose header says 65,000 x 65,000."""
    data = jpeg((64, 64))
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", 65_000, 65_000) + data[at + 4 :]


def test_what_cannot_be_had_is_left_out_and_nothing_is_raised(faces: ScoreSet, tmp_path: Path) -> None:
    broken = {
        "text.png": b"no picture",
        "empty.jpg": b"",
        "bomb.png": bomb(),
        "huge.jpg": huge_jpeg(),
        "short.jpg": jpeg((900, 900))[:600],
    }
    rows = []
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        rows.append(row(tmp_path / name, (0.2, 0.2, 0.5, 0.5)))
    rows.append(row(tmp_path / "gone.png", (0.2, 0.2, 0.5, 0.5)))
    halves(tmp_path / "changed.png")
    rows.append(row(tmp_path / "changed.png", (0.2, 0.2, 0.5, 0.5)) | {"sha256": "0" * 64})
    halves(tmp_path / "good.png")
    rows.append(row(tmp_path / "good.png", (0.2, 0.2, 0.5, 0.5)))
    assert list(thumbnails(faces, pl.DataFrame(rows), 16)) == [(str(tmp_path / "good.png"), 0)]


def test_a_dataset_that_is_gone_has_no_thumbnails(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    name = f"{gone}#train/0"
    opened = open_scores(write_set(tmp_path / "d.scores", [name], {}, kind="dataset", source=gone))
    rows = pl.DataFrame([{"image": name, "sha256": None, "face": 0}], schema_overrides={"sha256": pl.String})
    assert thumbnails(opened, rows, 16) == {}


def test_rows_of_a_dataset_have_thumbnails(tmp_path: Path) -> None:
    import datasets

    folder = tmp_path / "set"
    halves(tmp_path / "a.png")
    picture = {"bytes": (tmp_path / "a.png").read_bytes(), "path": None}
    features = datasets.Features({"image": datasets.Image()})
    datasets.DatasetDict(
        {"train": datasets.Dataset.from_dict({"image": [picture] * 3}, features=features)}
    ).save_to_disk(str(folder))
    from curate.sources import open_source

    names = [item.image for item in open_source(str(folder), split="train")]
    opened = open_scores(write_set(tmp_path / "d.scores", names, {}, kind="dataset", source=str(folder)))
    rows = pl.DataFrame(
        [row(tmp_path / "a.png", (0.6, 0.2, 0.4, 0.6)) | {"image": name} for name in names[1:]]
    )
    made = thumbnails(opened, rows, 16, margin=0.0)
    assert set(made) == {(name, 0) for name in names[1:]}
    assert all(np.abs(np.subtract(colour(crop), BLUE)).max() < 8 for crop in made.values())
