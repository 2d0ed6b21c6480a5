"""`--to coco`, read back by pycocotools and by FiftyOne's importer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oddities import write_odd
from PIL import Image
from scoresets import write_set

from curate import score
from curate.browsing.mesh import PARTS
from curate.errors import ExportError
from curate.exports.coco import FILE, annotation, category
from curate.exports.export import export
from curate.scoreset import open_scores

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "faces"


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    return write_odd(tmp_path / "odd.scores", tmp_path / "pictures", landmarks=True)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight of the example faces, really scored, with landmarks."""
    folder = tmp_path_factory.mktemp("examples")
    pictures = folder / "pictures"
    pictures.mkdir()
    for path in sorted(EXAMPLES.iterdir())[:8]:
        (pictures / path.name).write_bytes(path.read_bytes())
    score(str(pictures), folder / "a.scores", landmarks=True, workers=1)
    return folder / "a.scores"


def loaded(folder: Path) -> Any:
    from pycocotools.coco import COCO

    return COCO(str(folder / FILE))


def test_pycocotools_reads_pictures_faces_and_points(odd: Path, tmp_path: Path) -> None:
    done = export(odd, tmp_path / "out", to="coco")
    coco = loaded(tmp_path / "out")
    assert len(coco.imgs) == done.pictures == 7
    assert len(coco.anns) == done.rows == 8
    (face,) = coco.loadCats(coco.getCatIds(catNms=["face"]))
    for image in coco.imgs.values():
        with Image.open(tmp_path / "out" / "data" / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"])
        for one in coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]])):
            x, y, w, h = one["bbox"]
            assert 0 <= x <= x + w <= image["width"]
            assert 0 <= y <= y + h <= image["height"]
            assert one["area"] == pytest.approx(w * h, abs=0.01)
            points = np.asarray(one["keypoints"]).reshape(-1, 3)
            assert len(points) == len(face["keypoints"]) == 68
            assert one["num_keypoints"] == (points[:, 2] > 0).sum()
            assert (points[points[:, 2] == 0] == 0).all()
    two = next(image["id"] for image in coco.imgs.values() if image["file_name"] == "two.jpg")
    assert [one["attributes"]["face"] for one in coco.loadAnns(coco.getAnnIds(imgIds=[two]))] == [0, 1]


def test_attributes_are_the_columns(odd: Path, tmp_path: Path) -> None:
    export(odd, tmp_path / "out", to="coco")
    told = json.loads((tmp_path / "out" / FILE).read_text("utf-8"))
    rows = {(row["image"], row["face"]): row for row in open_scores(odd).read().iter_rows(named=True)}
    names = {image["id"]: image["file_name"] for image in told["images"]}
    by_name = {(Path(image).name, face): row for (image, face), row in rows.items()}
    plain = next(one for one in told["annotations"] if names[one["image_id"]] == "plain.png")
    row = by_name["plain.png", 0]
    assert plain["attributes"]["expression"] == row["expression"]
    assert plain["attributes"]["prompt"] == "'quoted"
    assert np.float32(plain["attributes"]["au12"]) == pytest.approx(row["au12"], rel=1e-6)
    assert "null" not in (tmp_path / "out" / FILE).read_text("utf-8")
    assert "NaN" not in (tmp_path / "out" / FILE).read_text("utf-8")


def test_points_lie_on_real_faces(examples: Path, tmp_path: Path) -> None:
    export(examples, tmp_path / "out", to="coco", mode="hardlink")
    coco = loaded(tmp_path / "out")
    assert len(coco.anns) == 8
    names = coco.cats[1]["keypoints"]
    for one in coco.anns.values():
        x, y, w, h = one["bbox"]
        points = dict(zip(names, np.asarray(one["keypoints"]).reshape(-1, 3)[:, :2], strict=True))
        inside = np.asarray([*points.values()])
        assert (inside >= [x - 0.01, y - 0.01]).all()
        assert (inside <= [x + w + 0.01, y + h + 0.01]).all()
        eyes, mouth = (points["eye left 1"] + points["eye right 4"]) / 2, points["lips inner 3"]
        assert eyes[1] < mouth[1]


def test_fiftyone_reads_it(odd: Path, tmp_path: Path, fo: Any) -> None:
    export(odd, tmp_path / "out", to="coco")
    dataset = fo.Dataset.from_dir(
        dataset_dir=str(tmp_path / "out"),
        dataset_type=fo.types.COCODetectionDataset,
        label_types=["detections", "keypoints"],
        extra_attrs=True,
        progress=False,
    )
    try:
        assert len(dataset) == 7
        assert dataset.count("detections.detections") == 8
        assert set(dataset.distinct("detections.detections.label")) == {"face"}
        sample = dataset.match(fo.ViewField("filepath").ends_with("plain.png")).first()
        assert sample.detections.detections[0].bounding_box == pytest.approx([0.2, 0.3, 0.4, 0.7], abs=1e-4)
        assert len(sample.keypoints.keypoints[0].points) == 68
        assert Path(sample.filepath).is_file()
    finally:
        dataset.delete()


def test_pictures_may_stay_where_they_are(odd: Path, tmp_path: Path) -> None:
    done = export(odd, tmp_path / "out", to="coco", mode="reference")
    assert done.files == 1
    assert all(Path(image["file_name"]).is_file() for image in loaded(tmp_path / "out").imgs.values())
    assert not (tmp_path / "out" / "data").exists()


def test_a_picture_that_has_changed_is_in_none_of_the_lists(odd: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures" / "two.jpg").write_bytes(b"another")
    done = export(odd, tmp_path / "out", to="coco", mode="reference")
    coco = loaded(tmp_path / "out")
    assert [*done.left_out.values()] == ["the picture has changed since it was scored"]
    assert (len(coco.imgs), len(coco.anns)) == (6, 6)


def test_names_that_differ_in_case_alone_are_two_files(odd: Path, tmp_path: Path) -> None:
    export(odd, tmp_path / "out", to="coco")
    names = [image["file_name"].casefold() for image in loaded(tmp_path / "out").imgs.values()]
    assert len(set(names)) == len(names) == 7


def test_without_landmarks_there_are_no_points(tmp_path: Path) -> None:
    odd = write_odd(tmp_path / "odd.scores", tmp_path / "pictures")
    export(odd, tmp_path / "out", to="coco", mode="symlink")
    coco = loaded(tmp_path / "out")
    assert "keypoints" not in coco.cats[1]
    assert not any("keypoints" in one for one in coco.anns.values())


def test_a_set_without_boxes_is_refused(scored: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no boxes of faces"):
        export(scored, tmp_path / "out", to="coco")


def test_a_face_without_a_box_beside_others_is_refused_with_the_query_that_helps(tmp_path: Path) -> None:
    boxes = {name: [0.1, None] for name in ("box_x", "box_y", "box_w", "box_h")}
    folder = write_set(
        tmp_path / "a.scores",
        ["a.png", "b.png"],
        boxes | {"width": [20, 20], "height": [10, 10]},
        source=str(tmp_path / "p"),
    )
    (tmp_path / "p").mkdir()
    (tmp_path / "p/a.png").write_bytes(b"a.png")
    with pytest.raises(ExportError, match="faces without a box: 1 of 2") as refused:
        export(folder, tmp_path / "out", to="coco")
    assert "box_w >= 0" in (refused.value.hint or "")
    done = export(folder, tmp_path / "out", to="coco", where="box_w >= 0", dry_run=True)
    assert done.rows == 1


def test_a_column_that_is_called_as_a_field_of_an_annotation_is_called_otherwise() -> None:
    row = dict.fromkeys(("box_x", "box_y", "box_w", "box_h"), 0.1) | {"width": 20, "height": 10, "label": "x"}
    assert annotation(row)["attributes"] == {"label_": "x"}


def test_lines_join_points_of_one_part() -> None:
    face = category(points=True)
    names = face["keypoints"]
    assert len(names) == len(set(names)) == sum(map(len, PARTS.values()))
    for a, b in face["skeleton"]:
        assert names[a - 1].rsplit(" ", 1)[0] == names[b - 1].rsplit(" ", 1)[0]


@given(*[st.floats(-0.5, 1.5)] * 2, *[st.floats(0, 1.5)] * 2)
def test_boxes_are_cut_at_the_edges(x: float, y: float, w: float, h: float) -> None:
    row = {"box_x": x, "box_y": y, "box_w": w, "box_h": h, "width": 200, "height": 100, "image": "a"}
    left, top, width, height = annotation(row)["bbox"]
    assert 0 <= left <= 200
    assert 0 <= top <= 100
    assert width >= 0
    assert height >= 0
    assert left + width <= 200.01
    assert top + height <= 100.01
