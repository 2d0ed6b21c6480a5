"""Small trees in the layouts of the data sets' owners, whole and broken."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from curate.errors import InputError
from curate.models.datasets.labelled import EXPRESSIONS, INTENSITIES, LABELS, PRESENCES
from curate.models.datasets.reading import READERS, read

VOTES = [
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
]


def picture(path: Path, side: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side)).save(path)
    return path


def encoded() -> bytes:
    file = io.BytesIO()
    Image.new("L", (48, 48), 90).save(file, "PNG")
    return file.getvalue()


def text(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def disfa(root: Path) -> Path:
    for subject in ("SN001", "SN002"):
        for name in INTENSITIES:
            unit = int(name[2:])
            lines = [f"{frame},{(unit + frame) % 6}" for frame in (1, 2, 3)]
            text(root / "ActionUnit_Labels" / subject / f"{subject}_au{unit}.txt", *lines)
        for frame in (1, 2, 3, 4):
            picture(root / "Frames_LeftCamera" / subject / f"{frame:05}.jpg")
        picture(root / "Frames_RightCamera" / subject / "RightVideo_00002.png")
    return root


def bp4d(root: Path) -> Path:
    text(root / "AUCoding" / "F001_T1.csv", "0,1,2,4,5,12", "10,0,1,9,1,0", "11,1,1,0,0,1", "12,9,9,9,9,9")
    text(root / "AUCoding" / "M002_T8.csv", "0,1,2,4,5,12", "7,0,0,0,0,1")
    text(root / "AU-Intensity-Codes3.0" / "AU12" / "F001_T1_AU12.csv", "10,9", "11,3", "12,0")
    for frame in (9, 10, 11, 12):
        picture(root / "2D+3D" / "F001" / "T1" / f"{frame:04}.jpg")
    picture(root / "2D+3D" / "M002" / "T8" / "007.jpg")
    return root


def affectnet(root: Path) -> Path:
    for name, labels in (("train_set", "0187"), ("val_set", "6")):
        for i, label in enumerate(labels):
            picture(root / name / "images" / f"{i}.jpg")
            folder = root / name / "annotations"
            folder.mkdir(exist_ok=True)
            np.save(folder / f"{i}_exp.npy", label if i % 2 else np.int64(label))
    return root


def affectnet_lists(root: Path) -> Path:
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    row = "{},0,0,4,4,1.0;2.0,{},-0.2,0.1".format
    text(root / "training.csv", header, row("1/a.jpg", 1), row("1/b.jpg", 10), row("2/c.png", 7))
    text(root / "validation.csv", header, row("2/d.jpg", 5))
    for name in ("1/a.jpg", "1/b.jpg", "2/c.png", "2/d.jpg"):
        picture(root / "Manually_Annotated_Images" / name)
    return root


def rafdb(root: Path) -> Path:
    names = [f"train_{i:05}" for i in range(1, 8)] + ["test_0001"]
    lines = [f"{name}.jpg {i % 7 + 1}" for i, name in enumerate(names)]
    text(root / "basic" / "EmoLabel" / "list_patition_label.txt", *lines)
    for name in names:
        picture(root / "basic" / "Image" / "aligned" / f"{name}_aligned.jpg")
    return root


def ferplus_csv(root: Path) -> Path:
    text(
        root / "fer2013new.csv",
        f"Usage,Image name,{','.join(VOTES)}",
        "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0",
        "Training,,0,0,0,0,0,0,0,0,0,10",
        "PublicTest,fer0000002.png,3,0,0,0,0,0,0,0,7,0",
        "PrivateTest,fer0000003.png,0,0,0,0,0,0,0,8,2,0",
    )
    pixels = " ".join(["90"] * 48 * 48)
    usages = ("Training", "Training", "PublicTest", "PrivateTest")
    text(root / "fer2013.csv", "emotion,pixels,Usage", *(f"0,{pixels},{usage}" for usage in usages))
    return root


def ferplus_generated(root: Path) -> Path:
    for name, votes in (
        ("Train", "4,0,0,1,3,2,0,0,0,0"),
        ("Valid", "3,0,0,0,0,0,0,0,7,0"),
        ("Test", "0,0,0,0,0,0,0,8,2,0"),
    ):
        folder = root / "data" / f"FER2013{name}"
        text(folder / "label.csv", f'fer1.png,"(0, 0, 48, 48)",{votes}')
        picture(folder / "fer1.png")
    return root


def ferplus_parquet(root: Path) -> Path:
    votes = [(4, 0, 0, 1, 3, 2, 0, 0, 0, 0), (3, 0, 0, 0, 0, 0, 0, 0, 7, 0), (0, 0, 0, 0, 0, 0, 0, 8, 2, 0)]
    frame = pl.DataFrame(votes, schema=VOTES, orient="row").with_columns(
        name=pl.Series(["a", "b", "c"]),
        split=pl.Series(["train", "valid", "test"]),
        image=pl.Series([encoded()] * 3),
    )
    frame.write_parquet(root / "ferplus.parquet")
    return root / "ferplus.parquet"


def folder(root: Path) -> Path:
    for split in ("train", "val"):
        for label in ("happy", "Anger", "neutral"):
            picture(root / split / label / "1.png")
    return root


def table(root: Path) -> Path:
    picture(root / "pictures" / "a.png")
    return text(
        root / "labels.csv",
        "image,au12,au06_p,subject,split,remark",
        "pictures/a.png,2.5,,7,train,x",
        "pictures/a.png,0,1,8,validation,y",
    )


TREES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "disfa": ("disfa", disfa),
    "bp4d": ("bp4d", bp4d),
    "affectnet": ("affectnet", affectnet),
    "affectnet, lists": ("affectnet", affectnet_lists),
    "rafdb": ("rafdb", rafdb),
    "ferplus, csv": ("ferplus", ferplus_csv),
    "ferplus, generated": ("ferplus", ferplus_generated),
    "ferplus, parquet": ("ferplus", ferplus_parquet),
    "folder": ("folder", folder),
    "table": ("table", table),
}


@pytest.mark.parametrize("layout", TREES)
def test_every_row_has_a_picture_that_is_there_and_labels_within_their_ranges(
    layout: str, tmp_path: Path
) -> None:
    name, tree = TREES[layout]
    frame = read(name, tree(tmp_path))
    assert frame.height > 0
    if "pixels" in frame.columns:
        assert all(Image.open(io.BytesIO(data)).size == (48, 48) for data in frame["pixels"])
    else:
        assert all(Path(image).is_absolute() and Path(image).is_file() for image in frame["image"])
    assert set(frame.columns) <= {
        "image", "pixels", "subject", "split", "expression", "majority", *LABELS
    }  # fmt: skip
    assert set(frame.get_column("split", default=pl.Series(dtype=pl.String))) <= {"train", "valid", "test"}
    for label in set(frame.columns) & set(LABELS):
        assert frame[label].dtype == pl.Float32
        assert frame[label].is_between(0, 5 if label in INTENSITIES else 1).drop_nulls().all()


@pytest.mark.parametrize("name", READERS)
def test_a_place_with_something_else_is_an_error_that_names_it_and_the_layout(
    name: str, tmp_path: Path
) -> None:
    text(tmp_path / "other" / "readme.txt", "nothing")
    for path in (tmp_path / "nowhere", tmp_path / "other"):
        with pytest.raises(InputError) as raised:
            read(name, path)
        assert str(path) in raised.value.where
        assert READERS[name].layout in raised.value.hint


def test_an_unknown_reader_is_told_which_was_meant(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean `ferplus`"):
        read("ferpluss", tmp_path)


def test_disfa_joins_the_twelve_label_files_to_the_frames_of_both_cameras(tmp_path: Path) -> None:
    frame = read("disfa", disfa(tmp_path))
    assert frame.height == 2 * (3 + 1)  # the fourth frame has no label
    row = frame.row(by_predicate=pl.col("image").str.ends_with("LeftCamera/SN002/00003.jpg"), named=True)
    assert row["subject"] == "SN002"
    assert [row[name] for name in INTENSITIES] == [(int(name[2:]) + 3) % 6 for name in INTENSITIES]


def test_disfa_videos_alone_give_the_ffmpeg_command(tmp_path: Path) -> None:
    disfa(tmp_path)
    for camera in ("Left", "Right"):
        for frame in (tmp_path / f"Frames_{camera}Camera").rglob("*.*"):
            frame.unlink()
        (tmp_path / f"Videos_{camera}Camera").mkdir()
        (tmp_path / f"Videos_{camera}Camera" / f"{camera}VideoSN001_comp.avi").touch()
    with pytest.raises(InputError, match="SN001, SN002") as raised:
        read("disfa", tmp_path)
    assert "ffmpeg -i" in raised.value.hint
    assert "Frames_LeftCamera/SN001" in raised.value.hint


def test_bp4d_leaves_unknown_codes_empty_and_adds_intensities(tmp_path: Path) -> None:
    frame = read("bp4d", bp4d(tmp_path))
    assert frame["subject"].to_list() == ["F001", "F001", "F001", "M002"]
    assert frame["au04_p"].to_list() == [None, 0, None, 0]
    assert frame["au12_p"].to_list() == [0, 1, None, 1]
    assert frame["au12"].to_list() == [None, 3, 0, None]
    assert "au05_p" not in frame.columns  # coded, but not one of ours


@pytest.mark.parametrize("tree", [affectnet, affectnet_lists])
def test_affectnet_s_order_of_classes_becomes_ours_and_no_expression_no_row(
    tree: Callable[[Path], Path], tmp_path: Path
) -> None:
    frame = read("affectnet", tree(tmp_path))
    expected = {
        affectnet: ["neutral", "happiness", "contempt", "anger"],
        affectnet_lists: ["happiness", "contempt", "disgust"],
    }
    assert frame["expression"].to_list() == expected[tree]
    assert frame["split"].to_list()[-2:] == ["train", "valid"]


def test_affectnet_labels_are_never_unpickled(tmp_path: Path) -> None:
    affectnet(tmp_path)
    path = tmp_path / "train_set" / "annotations" / "0_exp.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="not the number of an expression") as raised:
        read("affectnet", tmp_path)
    assert raised.value.where == str(path)


def test_rafdb_numbers_become_names_and_names_of_pictures_the_split(tmp_path: Path) -> None:
    frame = read("rafdb", rafdb(tmp_path))
    words = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral", "surprise"]
    assert frame["expression"].to_list() == words
    assert frame["split"].to_list() == ["train"] * 7 + ["test"]


@pytest.mark.parametrize("tree", [ferplus_csv, ferplus_generated, ferplus_parquet])
def test_ferplus_votes_become_shares_and_no_face_no_row(tree: Callable[[Path], Path], tmp_path: Path) -> None:
    frame = read("ferplus", tree(tmp_path))
    assert frame["split"].to_list() == ["train", "valid", "test"]
    assert frame.select(EXPRESSIONS).row(0) == pytest.approx((0.4, 0, 0.1, 0, 0, 0.2, 0.3, 0))
    assert frame["contempt"].to_list() == [0, 0, 1]
    assert frame["majority"].to_list() == [True, False, True]


def test_a_parquet_table_may_hold_the_pictures_themselves(tmp_path: Path) -> None:
    data = encoded()
    for image in (data, {"bytes": data, "path": "x.png"}):
        path = tmp_path / "labels.parquet"
        pl.DataFrame({"image": [image], "expression": ["Happy"]}).write_parquet(path)
        frame = read("table", path)
        assert frame["pixels"].to_list() == [data]
        assert frame.select("image", "expression").row(0) == ("labels.parquet/0", "happiness")


def test_expressions_that_a_table_lacks_count_as_none(tmp_path: Path) -> None:
    path = text(tmp_path / "t.csv", "image,happiness,anger,au01", "a.png,0.75,0.25,", "b.png,,,3")
    frame = read("table", path)
    assert frame["image"].to_list() == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert frame["neutral"].to_list() == [0, None]
    assert frame["happiness"].to_list() == [0.75, None]


@pytest.mark.parametrize(
    ("layout", "file", "old", "new", "said"),
    [
        ("disfa", "ActionUnit_Labels/SN001/SN001_au12.txt", "2,2", "2,6", "line 2"),
        ("disfa", "ActionUnit_Labels/SN002/SN002_au4.txt", "1,5", "1;5", "line 1"),
        ("bp4d", "AUCoding/F001_T1.csv", "11,1,1", "11,1,7", "line 3: au02 is 7"),
        ("bp4d", "AUCoding/F001_T1.csv", "11,1,1,0,0,1", "11,1,1", "line 3: 2 codes, 5"),
        ("bp4d", "AU-Intensity-Codes3.0/AU12/F001_T1_AU12.csv", "11,3", "11,6", "line 2: intensity 6"),
        ("affectnet, lists", "training.csv", "2.0,10", "2.0,11", "line 3: expression 11"),
        ("rafdb", "basic/EmoLabel/list_patition_label.txt", "test_0001.jpg 1", "test_0001.jpg 8", "line 8"),
        ("ferplus, csv", "fer2013new.csv", "0,0,0,8,2", "0,0,0,x,2", "line 5"),
        ("ferplus, csv", "fer2013new.csv", "PublicTest", "Public", "line 4: `Public`"),
        ("ferplus, csv", "fer2013.csv", "90 90", "999 90", "line 2"),
        ("ferplus, generated", "data/FER2013Valid/label.csv", "7,0", "7,-1", "line 1"),
        ("table", "labels.csv", "2.5", "5.5", "line 2: au12 5.5 is not within 0..5"),
        ("table", "labels.csv", ",0,1,", ",0,1.5,", "line 3: au06_p 1.5"),
        ("table", "labels.csv", "2.5", "much", "line 2: au12 much is no number"),
        ("table", "labels.csv", "validation", "exam", "line 3: split `exam`"),
    ],
)
def test_a_label_out_of_its_range_names_file_and_line(
    layout: str, file: str, old: str, new: str, said: str, tmp_path: Path
) -> None:
    name, tree = TREES[layout]
    place = tree(tmp_path)
    path = tmp_path / file
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))
    with pytest.raises(InputError, match=said) as raised:
        read(name, place)
    assert raised.value.where == str(path)


def test_shares_that_do_not_sum_to_one_are_refused(tmp_path: Path) -> None:
    path = text(tmp_path / "t.csv", "image,happiness,anger", "a.png,0.75,0.25", "b.png,0.75,0.75")
    with pytest.raises(InputError, match=r"line 3: the shares .* 1\.5 do not sum to 1"):
        read("table", path)


def test_pictures_without_labels_are_found_in_all_sub_folders(tmp_path: Path) -> None:
    folder(tmp_path)
    text(tmp_path / "train" / "notes.txt", "nothing")
    frame = read("pictures", tmp_path)
    assert frame.columns == ["image"]
    assert frame.height == 6


def test_a_folder_called_like_no_expression_is_refused(tmp_path: Path) -> None:
    folder(tmp_path)
    picture(tmp_path / "train" / "hapy" / "1.png")
    with pytest.raises(InputError, match="hapy") as raised:
        read("folder", tmp_path)
    assert "did you mean `happy`" in raised.value.hint


def test_the_names_of_labels_are_the_catalogue_s() -> None:
    from curate.scorers.columns import CATALOGUE

    assert set(LABELS) <= {column.name for column in CATALOGUE}
    assert (len(INTENSITIES), len(PRESENCES), len(EXPRESSIONS)) == (12, 12, 8)
