from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from filelock import FileLock
from pictures import noise
from plugin import Log
from runs import rows, run

from curate import CurateError, InputError, score
from curate.scorers.columns import IDENTITY


def test_every_input_has_a_row_and_the_set_opens_with_any_parquet_reader(
    pictures: Path, tmp_path: Path
) -> None:
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (pictures / "gone.png").symlink_to(pictures / "nowhere.png")
    summary = run(pictures, tmp_path / "out.scores")
    assert (summary.inputs, summary.statuses) == (8, {"ok": 6, "unreadable": 2})
    assert not summary.complete
    table = pl.read_parquet(tmp_path / "out.scores" / "part-*.parquet")
    assert table.height == 8
    assert {column.name for column in IDENTITY} <= set(table.columns)
    reasons = table.filter(pl.col("status") != "ok").select("image", "error").rows()
    assert all(error for _, error in reasons)


@pytest.mark.usefixtures("log")
def test_scorers_that_fill_the_same_column_cannot_share_a_set(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="both fill the column au01"):
        run(pictures, tmp_path / "out", "fake", "twin")
    run(pictures, tmp_path / "out", "fake")
    with pytest.raises(InputError, match="both fill the column au01"):
        run(pictures, tmp_path / "out", "twin")


def test_a_picture_that_kills_its_worker_is_a_row_and_the_others_are_scored(
    pictures: Path, tmp_path: Path, log: Log
) -> None:
    noise(pictures / "poison.png", 66)
    summary = run(pictures, tmp_path / "out", "width")
    assert summary.statuses == {"crashed": 1, "ok": 6}
    crashed = rows(tmp_path / "out").filter(pl.col("status") == "crashed").row(0, named=True)
    assert Path(crashed["image"]).name == "poison.png"
    assert crashed["error"] == "the worker was killed by SIGKILL"
    assert len(crashed["sha256"]) == 64
    # The reason may be gone by the next time: it is tried again, and nothing else is.
    log()
    assert run(pictures, tmp_path / "out", "width").statuses == {"crashed": 1, "ok": 6}
    assert set(log()) == {66}


def test_a_folder_of_something_else_is_not_touched(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a score set"):
        run(pictures, pictures)
    assert len(list(pictures.iterdir())) == 6


def test_two_runs_cannot_write_one_set(pictures: Path, tmp_path: Path) -> None:
    run(pictures, tmp_path / "out")
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(InputError, match="is writing this score set"):
        run(pictures, tmp_path / "out")


def test_an_unknown_scorer_is_answered_with_the_known_ones(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean `quality`") as error:
        run(pictures, tmp_path / "out", "qualty")
    assert "libreface" in error.value.hint
    assert not (tmp_path / "out").exists()


def test_without_weights_nothing_is_written(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(CurateError) as error:
        run(pictures, tmp_path / "out", "libreface")
    assert error.value.hint == "curate models pull libreface"
    assert not (tmp_path / "out").exists()


def test_the_manifest_says_what_is_needed_to_do_it_again(pictures: Path, tmp_path: Path) -> None:
    run(pictures, tmp_path / "out", "mesh", "quality")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["source"]["location"] == str(pictures)
    assert manifest["statuses"] == {"no_face": 6}
    assert manifest["packs"]["face-mesh"]["licence"] == "Apache-2.0"
    assert all(len(sha) == 64 for sha in manifest["packs"]["face-mesh"]["files"].values())
    assert len(manifest["scorers"]["mesh"]["fingerprint"]) == 16
    assert manifest["versions"]["numpy"]
    assert manifest["finished"] >= manifest["created"]


def test_every_odd_file_ends_as_a_row(shared: Path, tmp_path: Path) -> None:
    odd = shared / "data" / "odd_files"
    summary = score(str(odd), tmp_path / "out", scorers=["mesh", "quality"], workers=2)
    table = rows(tmp_path / "out")
    assert sorted(table["image"].unique()) == sorted(str(path) for path in odd.iterdir())
    assert set(summary.statuses) == {"ok", "no_face", "unreadable", "too_small", "too_large"}
    bomb = table.filter(pl.col("image").str.ends_with("decompression_bomb.gif"))
    assert bomb["status"].item() == "unreadable"


def test_of_two_faces_the_largest_is_kept_or_both(shared: Path, tmp_path: Path) -> None:
    source = str(shared / "libreface" / "oracle" / "inputs" / "two_faces.png")
    score(source, tmp_path / "largest", scorers=["mesh"], workers=1)
    score(source, tmp_path / "all", scorers=["mesh"], workers=1, faces="all")
    both, largest = rows(tmp_path / "all"), rows(tmp_path / "largest")
    assert both["face"].to_list() == [0, 1]
    assert both["n_faces"].to_list() == [2, 2]
    areas = (both["box_w"] * both["box_h"]).to_list()
    assert areas[0] >= areas[1]
    assert largest.drop("n_faces").equals(both.head(1).drop("n_faces"))


def test_landmarks_are_kept_where_they_are_asked_for(shared: Path, tmp_path: Path) -> None:
    source = str(shared / "libreface" / "oracle" / "inputs" / "face_0001.jpg")
    score(source, tmp_path / "out", scorers=["mesh", "quality"], workers=1)
    score(source, tmp_path / "out", scorers=["mesh", "quality"], workers=1, landmarks=True)
    table = rows(tmp_path / "out")
    assert table["landmarks"].to_numpy().reshape(478, 3)[:, :2].mean() == pytest.approx(0.5, abs=0.2)
    assert table["sharpness"].null_count() == 0


def test_a_data_set_gives_what_its_pictures_give_as_files(shared: Path, tmp_path: Path) -> None:
    table = pl.read_parquet(shared / "data" / "diffusionfer.parquet", n_rows=6)
    files = tmp_path / "files"
    files.mkdir()
    for i, data in enumerate(table["image"]):
        (files / f"{i}.jpg").write_bytes(data)
    table.write_parquet(tmp_path / "six.parquet")
    score(str(files), tmp_path / "a", scorers=["mesh", "quality"], workers=1)
    score(str(tmp_path / "six.parquet"), tmp_path / "b", scorers=["mesh", "quality"], workers=1)
    as_files, as_rows = (rows(tmp_path / name).drop("image").sort("sha256") for name in ("a", "b"))
    assert as_files.equals(as_rows)
    again = score(str(tmp_path / "six.parquet"), tmp_path / "b", scorers=["mesh", "quality"], workers=1)
    assert again.kept == 6


@pytest.mark.timeout(90)
def test_large_rows_of_a_data_set_neither_block_nor_hide_a_hanging_picture(
    pictures: Path, tmp_path: Path, log: Log
) -> None:
    # Several times what a pipe holds; one of them makes its worker hang.
    data = []
    for i in range(12):
        width = 67 if i == 5 else 600 + i
        noise(pictures / "big.png", width, seed=i)
        data.append({"image": (pictures / "big.png").read_bytes() + bytes(500_000)})
    pl.DataFrame(data).write_parquet(tmp_path / "big.parquet")
    summary = score(
        str(tmp_path / "big.parquet"),
        tmp_path / "out",
        scorers=["width"],
        workers=2,
        batch_size=3,
        patience=0.7,
    )
    assert summary.statuses == {"crashed": 1, "ok": 11}
    assert len(set(log())) == 12


def test_no_more_workers_are_started_than_there_is_work_for(pictures: Path, tmp_path: Path) -> None:
    summary = score(str(pictures), tmp_path / "out", scorers=["fake"], workers=500)
    assert summary.statuses == {"ok": 6}
    with pytest.raises(InputError, match="batch_size"):
        score(str(pictures), tmp_path / "out", scorers=["fake"], batch_size=0)


def test_a_scorer_that_cannot_load_says_why(
    pictures: Path, tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIDTH_WEIGHTS", str(tmp_path / "weights.bin"))
    with pytest.raises(CurateError, match=r"FileNotFoundError: .*weights\.bin"):
        run(pictures, tmp_path / "out", "width")
    assert log() == []
