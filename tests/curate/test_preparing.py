"""Training sets out of labelled pictures: the example faces are small, real enough, and in the repository."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from curate.cutting import enlarged
from curate.errors import InputError
from curate.models.training.sets import TrainingSet
from curate.preparing import Progress, prepare
from curate.scorers.columns import EXPRESSIONS

FACES = Path(__file__).resolve().parents[2] / "examples" / "faces"


def tables(folder: Path, faces: int = 6) -> Path:
    """A table of so many example faces, a landscape, a broken file and a missing one."""
    folder.mkdir(exist_ok=True)
    names = []
    for path in sorted(FACES.iterdir())[:faces]:
        shutil.copy(path, folder)
        names.append(path.name)
    Image.new("RGB", (300, 200), (90, 140, 90)).save(folder / "landscape.png")
    (folder / "broken.png").write_bytes(b"nothing")
    names += ["landscape.png", "broken.png", "missing.png"]
    frame = pl.DataFrame({"image": names}).with_columns(
        pl.int_range(pl.len()).alias("number"), pl.lit("train").alias("split")
    )
    frame.with_columns(
        pl.lit("anger").alias("expression"),
        (pl.col("number") / 2 % 5.5).alias("au12"),
        pl.format("s{}", "number").alias("subject"),
    ).write_csv(folder / "labels.csv")
    return folder / "labels.csv"


def test_faces_become_crops_in_the_order_of_the_table_and_everything_else_is_counted(tmp_path: Path) -> None:
    table = tables(tmp_path / "data")
    seen: list[Progress] = []
    made = prepare("table", table, name="mine", workers=1, on_progress=seen.append)
    assert (made.pictures, made.faces, made.no_face, made.unreadable) == (9, 6, 1, 2)
    assert not made.reused
    assert seen[-1] == Progress(9, 9, 6)
    prepared = TrainingSet.open(made.folder)
    assert prepared.pixels.shape == (6, 120, 120, 3)
    assert (prepared.crop.kind, prepared.crop.inner) == ("lite", 96)
    assert [Path(image).name for image in prepared.rows["image"]] == [
        path.name for path in sorted(FACES.iterdir())[:6]
    ]
    assert prepared.rows["subject"].to_list() == [f"s{i}" for i in range(6)]
    assert set(prepared.rows["dataset"]) == {"mine"}
    assert prepared.labels[:, 6].tolist() == [0, 0.5, 1, 1.5, 2, 2.5]  # au12
    assert prepared.labels[0, 24:].tolist() == [float(name == "anger") for name in EXPRESSIONS]
    source = prepared.facts["sources"][0]
    assert (source["rows"], source["found"], source["not_found"], source["unreadable"]) == (9, 6, 1, 2)


def test_shapes_are_in_eye_distances_without_pose(tmp_path: Path) -> None:
    shapes = TrainingSet.open(prepare("table", tables(tmp_path / "data", 16), workers=1).folder).shapes
    eyes = shapes[:, [33, 133, 362, 263]]
    distance = np.linalg.norm(eyes[:, :2].mean(axis=1) - eyes[:, 2:].mean(axis=1), axis=1)
    assert distance == pytest.approx(1, abs=0.15)
    assert np.abs(eyes[:, 0, 1] - eyes[:, 3, 1]).max() < 0.15  # level, also where the head is tilted


def test_the_same_data_is_prepared_once(tmp_path: Path) -> None:
    table = tables(tmp_path / "data")
    first = prepare("table", table, workers=1)
    again = prepare("table", table, workers=1)
    assert (again.reused, again.folder, again.faces) == (True, first.folder, 6)


@pytest.mark.parametrize("change", ["label", "picture", "crop", "limit", "name"])
def test_other_data_or_other_crops_are_another_set(change: str, tmp_path: Path) -> None:
    table = tables(tmp_path / "data", 3)
    first = prepare("table", table, workers=1)
    if change == "label":
        table.write_text(table.read_text().replace(",1.0,", ",5.0,"))
    if change == "picture":
        shutil.copy(sorted(FACES.iterdir())[9], table.parent / sorted(FACES.iterdir())[0].name)
    again = prepare(
        "table",
        table,
        workers=1,
        crop="libreface" if change == "crop" else "lite",
        limit=2 if change == "limit" else None,
        name="other" if change == "name" else None,
    )
    assert not again.reused
    assert again.folder != first.folder


def test_libreface_crops_are_the_aligned_square_at_256(tmp_path: Path) -> None:
    from curate.scorers.decode import decode
    from curate.scorers.face import Face
    from curate.scorers.mesh import FaceMesh

    made = prepare("table", tables(tmp_path / "data", 1), crop="libreface", workers=1)
    prepared = TrainingSet.open(made.folder)
    assert (prepared.crop.kind, prepared.crop.side, prepared.crop.inner) == ("libreface", 256, 224)
    pixels = enlarged(decode(sorted(FACES.iterdir())[0].read_bytes()).pixels)
    face = Face(pixels, FaceMesh().detect([pixels])[0][0].landmarks)
    expected = Image.fromarray(face.aligned).resize((256, 256), Image.Resampling.LANCZOS)
    assert np.array_equal(prepared.pixels[0], np.asarray(expected))


def test_pictures_in_the_frame_itself_need_no_files(tmp_path: Path) -> None:
    data = [path.read_bytes() for path in sorted(FACES.iterdir())[:2]]
    frame = pl.DataFrame({"image": data, "name": ["a", "b"], "expression": ["neutral", "fear"]})
    frame.write_parquet(tmp_path / "faces.parquet")
    made = prepare("table", tmp_path / "faces.parquet", workers=1)
    assert TrainingSet.open(made.folder).rows["image"].to_list() == ["a", "b"]


def test_small_pictures_are_enlarged_and_others_left_alone() -> None:
    assert enlarged(np.zeros((48, 48, 3), np.uint8)).shape == (224, 224, 3)
    assert enlarged(np.zeros((100, 150, 3), np.uint8)).shape == (224, 336, 3)
    assert enlarged(np.zeros((224, 300, 3), np.uint8)).shape == (224, 300, 3)
    assert enlarged(np.zeros((2, 3000, 3), np.uint8)).shape == (2, 3000, 3)


def test_a_folder_of_one_s_own_is_filled_once_and_nothing_in_it_replaced(tmp_path: Path) -> None:
    table = tables(tmp_path / "data", 2)
    own = tmp_path / "own"
    assert prepare("table", table, folder=own, workers=1).folder == own
    assert prepare("table", table, folder=own, workers=1).reused
    with pytest.raises(InputError, match="something else"):
        prepare("table", table, folder=own, limit=1, workers=1)
    with pytest.raises(InputError, match="something else"):
        prepare("table", table, folder=table.parent, workers=1)


def test_data_without_a_face_is_an_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    table = tables(tmp_path / "data", 0)
    with pytest.raises(InputError, match="none of the 3 pictures has a face"):
        prepare("table", table, folder=tmp_path / "sets" / "own", workers=1)
    assert [path.name for path in (tmp_path / "sets").iterdir()] == [".own.lock"]


def test_a_killed_run_leaves_no_half_set_and_the_next_one_clears_it_away(tmp_path: Path) -> None:
    table = tables(tmp_path / "data", 32)
    out = tmp_path / "sets" / "own"
    code = (
        "import sys; from pathlib import Path; from curate.preparing import prepare\n"
        "if __name__ == '__main__':\n"
        "    prepare('table', Path(sys.argv[1]), folder=Path(sys.argv[2]), workers=1, "
        "on_progress=lambda p: print(p, flush=True))\n"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    with subprocess.Popen([sys.executable, script, table, out], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline()  # the first batch is written
        run.send_signal(signal.SIGKILL)
    assert not out.exists()
    assert len(list(out.parent.glob(".own-*"))) == 1
    time.sleep(0.1)
    made = prepare("table", table, folder=out, workers=1)
    assert made.faces == 32
    assert sorted(path.name for path in out.parent.iterdir()) == [".own.lock", "own"]
