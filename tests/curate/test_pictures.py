"""Pictures of a score set, read again."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import datasets
import pytest
from PIL import Image

from curate.manifest import SourceRecord
from curate.pictures import CHANGED, file_of, read_pictures
from curate.sources.source import as_text

FOLDER = SourceRecord(kind="folder", location="/anywhere")


def png(red: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (red, 0, 0)).save(file, "png")
    return file.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_files_come_in_order_and_say_what_became_of_them(tmp_path: Path) -> None:
    wanted: dict[str, str | None] = {}
    for i in range(100):
        path = tmp_path / f"{i}.png"
        path.write_bytes(png(i))
        wanted[str(path)] = sha256(png(i))
    (tmp_path / "3.png").unlink()
    (tmp_path / "5.png").write_bytes(png(250))
    pictures = list(read_pictures(FOLDER, wanted))
    assert [p.image for p in pictures] == list(wanted)
    problems = {Path(p.image).stem: p.problem for p in pictures if p.problem}
    assert problems == {"3": "no such file", "5": CHANGED}
    assert all(sha256(p.data) == wanted[p.image] for p in pictures if not p.problem)


def test_a_file_without_a_known_content_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"no picture")
    (picture,) = read_pictures(FOLDER, {str(path): None})
    assert (picture.data, picture.problem) == (b"no picture", None)


def test_a_file_whose_name_is_no_unicode_is_found_again(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    Path(path).write_bytes(png(1))
    assert file_of(as_text(path)) == path
    (picture,) = read_pictures(FOLDER, {as_text(path): sha256(png(1))})
    assert picture.problem is None


@pytest.fixture
def saved(tmp_path: Path) -> SourceRecord:
    rows = {"image": [{"bytes": png(i), "path": None} for i in range(20)]}
    features = datasets.Features({"image": datasets.Image()})
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "set"))
    return SourceRecord(kind="dataset", location=str(tmp_path / "set"))


def test_rows_of_a_dataset_are_read_by_name(saved: SourceRecord) -> None:
    wanted = {f"{saved.location}#train/{i}": sha256(png(i)) for i in (7, 2, 19)}
    pictures = list(read_pictures(saved, wanted))
    assert {p.image: sha256(p.data) for p in pictures} == wanted


def test_rows_that_have_moved_are_found_by_their_content(saved: SourceRecord) -> None:
    wanted = {f"{saved.location}#train/{i}": sha256(png(i + 1)) for i in range(5)}
    wanted[f"{saved.location}#train/90"] = sha256(b"gone")
    pictures = list(read_pictures(saved, wanted))
    assert {p.image: sha256(p.data) for p in pictures if not p.problem} == dict(list(wanted.items())[:5])
    assert [p.problem for p in pictures if p.problem] == ["the dataset has no such picture any more"]
