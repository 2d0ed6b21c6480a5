from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scoresets import EXPRESSIONS, write_set
from typed import curate

from curate import InputError, QueryError, open_scores, score
from curate.manifest import read_manifest
from curate.reports.sheet import write_sheet
from curate.reports.sheet_drawing import SIDE
from curate.shards import list_shards, open_shard, write_shard

ROOT = Path(__file__).resolve().parents[3]
TOLD = ["fear", "anger", "fear", "happiness", "anger", "fear"]
LEFT, GAP = 28, 8


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


def colour(number: int) -> tuple[int, int, int]:
    return (20 + 30 * number, 200 - 25 * number, 60 + 10 * number)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Six pictures of one colour each; `yaw` rises backwards, the fourth has none."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    names = [f"{n}.png" for n in range(6)]
    for n, name in enumerate(names):
        Image.new("RGB", (200, 160), colour(n)).save(folder / name)
    values = {"yaw": [50.0, 40.0, 30.0, None, 10.0, 0.0], "expression": TOLD, "prompt": ["secret words"] * 6}
    columns = values | {name: [float(name == told) for told in TOLD] for name in EXPRESSIONS}
    out = write_set(tmp_path / "faces.scores", names, {k: v for k, v in columns.items() if k != "prompt"},
                    source=str(folder))  # fmt: skip
    path = list_shards(out)[0]
    shard, rows = open_shard(path), pl.read_parquet(path, glob=False)
    contents = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names]
    more = rows.with_columns(pl.Series("sha256", contents), pl.lit("secret words").alias("prompt"))
    write_shard(shard, more)
    return out


def tile(image: Image.Image, row: int, column: int, beside: int = 0) -> tuple[int, ...]:
    """The colour in the middle of a tile; the first row is found by its colour, as the head's height varies."""
    pixels = np.asarray(image)
    x = LEFT + beside + column * (SIDE + GAP) + SIDE // 2
    # The first row of tiles begins where this column is as high as a tile in one colour.
    first = LEFT + beside + SIDE // 2
    line = pixels[:, first]
    runs = [
        y for y in range(len(line) - SIDE) if (line[y : y + SIDE] == line[y]).all() and line[y].sum() < 700
    ]
    y = runs[0] + SIDE // 2 + row * (SIDE + 22 + GAP)
    return tuple(int(v) for v in pixels[y, x])


def test_by_a_number_faces_go_from_the_least_to_the_most(faces: Path, tmp_path: Path) -> None:
    written = write_sheet(faces, tmp_path / "s.png", by="yaw", columns=5)
    assert (written.faces, written.shown, written.missing) == (6, 5, 0)
    image = opened(written.path)
    assert image.size == (written.width, written.height)
    assert [tile(image, 0, column) for column in range(5)] == [colour(n) for n in (5, 4, 2, 1, 0)]
    assert written.title == (
        "faces.scores by yaw",
        "5 of 6 faces (1 have no value); from left to right and downwards: each column a quantile of the faces",
    )


def test_each_column_is_a_quantile_and_faces_are_taken_at_even_steps(faces: Path, tmp_path: Path) -> None:
    write_sheet(faces, tmp_path / "s.png", by="-yaw", columns=2, rows=1)
    image = opened(tmp_path / "s.png")
    # Of 0 1 2 | 4 5 the middle ones.
    assert [tile(image, 0, column) for column in range(2)] == [colour(1), colour(5)]
    write_sheet(faces, tmp_path / "t.png", by="-yaw", columns=2, rows=2)
    image = opened(tmp_path / "t.png")
    assert [tile(image, 1, column) for column in range(2)] == [colour(2), colour(5)]


def test_by_a_word_there_is_a_row_for_each_in_the_catalogues_order(faces: Path, tmp_path: Path) -> None:
    written = write_sheet(faces, tmp_path / "s.png", by="expression", columns=4)
    image = opened(written.path)
    assert written.shown == 6
    # happiness, fear, anger; all of a row are as hot as each other here, and come by content.
    assert tile(image, 0, 0, beside=150) == colour(3)
    row = {tile(image, 1, column, beside=150) for column in range(3)}
    assert row == {colour(n) for n in (0, 2, 5)}
    few = write_sheet(faces, tmp_path / "t.png", by="expression", rows=1)
    assert "2 more are not shown (--rows)" in few.title[1]


def test_only_what_is_asked_for(faces: Path, tmp_path: Path) -> None:
    written = write_sheet(faces, tmp_path / "s.png", by="abs(yaw)", where="expression = 'anger'")
    assert (written.faces, written.shown) == (2, 2)
    assert written.title[1].startswith("2 of 2 faces where expression = 'anger'; ")


def test_the_same_set_gives_the_same_sheet_and_says_what_it_is_but_no_prompts(
    faces: Path, tmp_path: Path
) -> None:
    for name in "ab":
        write_sheet(faces, tmp_path / f"{name}.png", by="yaw")
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes()
    said = opened(tmp_path / "a.png").info
    assert said["Title"] == "faces.scores by yaw"
    assert "each column a quantile" in said["Description"]
    assert said["Software"].startswith("curate ")
    assert b"secret" not in content


def test_a_picture_that_is_gone_or_has_changed_leaves_a_place(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures" / "0.png").unlink()
    Image.new("RGB", (50, 50)).save(tmp_path / "pictures" / "1.png")
    ran = curate("sheet", faces, "--by", "yaw", "-o", tmp_path / "typed.png")
    assert (ran.returncode, ran.stderr) == (3, "")
    assert "2 of them have no picture any more" in ran.stdout
    written = write_sheet(faces, tmp_path / "s.png", by="yaw", columns=5)
    assert (written.shown, written.missing) == (5, 2)
    image = opened(written.path)
    assert [tile(image, 0, column) for column in range(3)] == [colour(5), colour(4), colour(2)]
    assert not {colour(0), colour(1)} & {tile(image, 0, 3), tile(image, 0, 4)}


def test_one_picture_that_is_gone_has_none(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures" / "0.png").unlink()
    ran = curate("sheet", faces, "--by", "yaw", "-o", tmp_path / "typed.png")
    assert "1 of them has no picture any more" in ran.stdout


def test_a_set_without_faces_says_so_whatever_its_columns(tmp_path: Path) -> None:
    empty = write_set(tmp_path / "empty.scores", ["a.png"], {}, status={"a.png": "unreadable"})
    with pytest.raises(InputError, match="no face was scored in this set") as told:
        write_sheet(empty, tmp_path / "s.png")
    assert told.value.hint == f"curate show {empty} --status"


def test_nothing_is_overwritten_unasked_and_only_pngs_are_written(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.png"
    out.write_bytes(b"mine")
    with pytest.raises(InputError, match="is there already"):
        write_sheet(faces, out, by="yaw")
    assert out.read_bytes() == b"mine"
    write_sheet(faces, out, by="yaw", overwrite=True)
    assert opened(out).format == "PNG"
    with pytest.raises(InputError, match="a sheet is a PNG") as wrong:
        write_sheet(faces, tmp_path / "s.jpg", by="yaw")
    assert wrong.value.hint == "-o s.png"


@pytest.mark.parametrize("by", ["prompt", "image", "yaw > 3", "lower(prompt)", "yw"])
def test_what_makes_no_axis_and_no_rows_is_said(faces: Path, tmp_path: Path, by: str) -> None:
    with pytest.raises(QueryError):
        write_sheet(faces, tmp_path / "s.png", by=by)
    assert not (tmp_path / "s.png").exists()


def test_nothing_to_show_and_sheets_without_end(faces: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no face matches"):
        write_sheet(faces, tmp_path / "s.png", by="yaw", where="yaw > 80")
    with pytest.raises(InputError, match="`yaw` has no value there"):
        write_sheet(faces, tmp_path / "s.png", by="yaw", where="yaw is null")
    for wrong in ({"rows": 0}, {"columns": 61}):
        with pytest.raises(InputError, match="a sheet has 1 to 60"):
            write_sheet(faces, tmp_path / "s.png", by="yaw", **wrong)  # type: ignore[arg-type]


def test_words_that_steer_terminals_and_long_ones_are_drawn(faces: Path, tmp_path: Path) -> None:
    path = list_shards(faces)[0]
    shard, rows = open_shard(path), pl.read_parquet(path, glob=False)
    words = ["\x1b[31m<b>", "x" * 500, "日本語", "", "a\nb", "a\nb"]
    write_shard(shard, rows.with_columns(pl.Series("model", words)))
    written = write_sheet(faces, tmp_path / "s.png", by="model")
    assert written.shown == 6
    assert written.width < 900


def test_the_command_on_a_real_set(tmp_path: Path) -> None:
    scores = tmp_path / "ex.scores"
    score(str(ROOT / "examples" / "faces"), scores, workers=1)
    ran = curate("sheet", scores, "--by", "temperature", "--json", cwd=tmp_path)
    answer = json.loads(ran.stdout)
    assert (answer["shown"], answer["missing"], answer["path"]) == (32, 0, "ex.png")
    assert opened(tmp_path / "ex.png").size == (answer["width"], answer["height"])
    again = curate("sheet", scores, cwd=tmp_path)
    assert again.returncode == 1
    assert "--overwrite" in again.stderr
    assert (
        "written to bands.png"
        in curate("sheet", scores, "--by", "band", "-o", "bands.png", cwd=tmp_path).stdout
    )


def test_rows_of_a_dataset(tmp_path: Path) -> None:
    import datasets

    folder = tmp_path / "data"
    pictures = sorted((ROOT / "examples" / "faces").glob("*.png"))[:3]
    table = datasets.Dataset.from_dict({"image": [str(path) for path in pictures]})
    datasets.DatasetDict({"train": table.cast_column("image", datasets.Image())}).save_to_disk(str(folder))
    scores = tmp_path / "data.scores"
    score(str(folder), scores, workers=1)
    assert read_manifest(scores).source.kind == "dataset"
    assert open_scores(scores).read()["status"].to_list() == ["ok"] * 3
    written = write_sheet(scores, tmp_path / "s.png")
    assert (written.shown, written.missing) == (3, 0)
