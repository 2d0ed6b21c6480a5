"""A second run: what it keeps, what it scores, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pictures import noise
from plugin import Log
from runs import names, rows, run

from curate import InputError, open_scores, score
from curate.shards import list_shards


def test_a_second_run_scores_nothing_and_writes_no_shard(pictures: Path, tmp_path: Path, log: Log) -> None:
    run(pictures, tmp_path / "out", "width")
    before = [(path, path.stat().st_mtime_ns) for path in list_shards(tmp_path / "out")]
    assert log() == [40, 41, 42, 43, 44, 45]
    summary = run(pictures, tmp_path / "out", "width")
    assert (summary.scored, summary.kept) == (0, 6)
    assert log() == []
    assert [(path, path.stat().st_mtime_ns) for path in list_shards(tmp_path / "out")] == before


def test_a_renamed_or_copied_file_costs_nothing(pictures: Path, tmp_path: Path, log: Log) -> None:
    run(pictures, tmp_path / "out", "width")
    log()
    (pictures / "0.png").rename(pictures / "new name.png")
    shutil.copy(pictures / "1.png", pictures / "copy.png")
    summary = run(pictures, tmp_path / "out", "width")
    assert log() == []
    assert summary.kept == 7
    assert names(tmp_path / "out") == [
        "1.png",
        "2.png",
        "3.png",
        "4.png",
        "5.png",
        "copy.png",
        "new name.png",
    ]
    assert rows(tmp_path / "out")["wide"].to_list() == [41, 42, 43, 44, 45, 41, 40]


def test_a_moved_folder_costs_nothing(pictures: Path, tmp_path: Path, log: Log) -> None:
    run(pictures, tmp_path / "out", "width")
    log()
    moved = pictures.rename(tmp_path / "elsewhere")
    run(moved, tmp_path / "out", "width")
    assert log() == []
    assert all(image.startswith(str(moved)) for image in rows(tmp_path / "out")["image"])


def test_changed_new_and_deleted_files_are_followed(pictures: Path, tmp_path: Path, log: Log) -> None:
    run(pictures, tmp_path / "out", "width")
    log()
    noise(pictures / "0.png", 50)
    noise(pictures / "9.png", 59)
    (pictures / "5.png").unlink()
    run(pictures, tmp_path / "out", "width")
    assert log() == [50, 59]
    assert names(tmp_path / "out") == ["0.png", "1.png", "2.png", "3.png", "4.png", "9.png"]
    assert rows(tmp_path / "out")["wide"].to_list() == [50, 41, 42, 43, 44, 59]


def test_files_of_equal_content_have_a_row_each(pictures: Path, tmp_path: Path) -> None:
    for i in range(5):
        shutil.copy(pictures / "0.png", pictures / f"copy {i}.png")
    run(pictures, tmp_path / "out")
    first = rows(tmp_path / "out")
    run(pictures, tmp_path / "out")
    assert first.height == 11
    assert rows(tmp_path / "out").equals(first)


def test_a_changed_option_scores_only_the_columns_it_touches(
    pictures: Path, tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(pictures, tmp_path / "out", "fake", "width")
    before = rows(tmp_path / "out")
    log()
    monkeypatch.setenv("WIDTH_UNIT", "cm")
    summary = run(pictures, tmp_path / "out", "fake", "width")
    assert log() == [40, 41, 42, 43, 44, 45]
    assert summary.scored == 6
    assert rows(tmp_path / "out").equals(before)


def test_a_further_scorer_adds_its_columns_and_leaves_the_others(
    pictures: Path, tmp_path: Path, log: Log
) -> None:
    run(pictures, tmp_path / "out", "width")
    assert log() == [40, 41, 42, 43, 44, 45]
    noise(pictures / "9.png", 59)
    run(pictures, tmp_path / "out", "fake")
    # The new picture gets what the set has; the old ones get what is new.
    assert log() == [59]
    table = rows(tmp_path / "out")
    assert table["wide"].null_count() == table["au12"].null_count() == 0
    assert sorted(open_scores(tmp_path / "out").manifest.scorers) == ["fake", "width"]


def test_a_damaged_file_of_the_set_is_scored_again(pictures: Path, tmp_path: Path) -> None:
    run(pictures, tmp_path / "out")
    before = rows(tmp_path / "out")
    (shard,) = list_shards(tmp_path / "out")
    shard.write_bytes(shard.read_bytes()[:100])
    summary = run(pictures, tmp_path / "out")
    assert f"{shard.name}.damaged" in summary.warnings[0]
    assert (tmp_path / "out" / f"{shard.name}.damaged").stat().st_size == 100
    assert rows(tmp_path / "out").equals(before)


def test_overwrite_starts_anew(pictures: Path, tmp_path: Path, log: Log) -> None:
    run(pictures, tmp_path / "out", "width")
    log()
    summary = run(pictures, tmp_path / "out", "fake", overwrite=True)
    assert (summary.scored, summary.kept) == (6, 0)
    assert "wide" not in rows(tmp_path / "out").columns


def test_a_limited_run_keeps_what_is_there(pictures: Path, tmp_path: Path, log: Log) -> None:
    run(pictures, tmp_path / "out", "width")
    log()
    assert run(pictures, tmp_path / "out", "width", limit=2).inputs == 6
    assert log() == []
    with pytest.raises(InputError, match="the options have changed"):
        run(pictures, tmp_path / "out", "width", "fake", limit=2)
    assert rows(tmp_path / "out").height == 6


def test_a_limit_is_kept_and_can_be_raised(pictures: Path, tmp_path: Path, log: Log) -> None:
    assert run(pictures, tmp_path / "out", "width", limit=2).inputs == 2
    assert run(pictures, tmp_path / "out", "width", limit=4).inputs == 4
    assert log() == [40, 41, 42, 43]


def test_a_set_made_from_another_folder_is_not_touched(pictures: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    noise(other / "a.png", 50)
    run(pictures, tmp_path / "out")
    with pytest.raises(InputError, match="was made from"):
        run(other, tmp_path / "out")
    assert rows(tmp_path / "out").height == 6


def test_half_written_files_of_a_killed_run_are_cleared_away(pictures: Path, tmp_path: Path) -> None:
    run(pictures, tmp_path / "out")
    (tmp_path / "out" / ".part-000001.parquet.partial").write_bytes(b"half")
    run(pictures, tmp_path / "out")
    assert not list((tmp_path / "out").glob(".*.partial"))


def test_single_files_are_added_to_a_set_and_every_picture_keeps_one_row(
    pictures: Path, tmp_path: Path, log: Log
) -> None:
    run(pictures, tmp_path / "out", "width")
    extra, missing = tmp_path / "extra.png", tmp_path / "missing.png"
    noise(extra, 70)
    log()
    files = [str(extra), str(missing), str(extra)]
    for _ in range(2):
        score(files, tmp_path / "out", scorers=["width"], workers=1)
        assert rows(tmp_path / "out").height == 8
    assert log() == [70]
    noise(extra, 71)
    assert score(files, tmp_path / "out", scorers=["width"], workers=1).statuses == {"ok": 7, "unreadable": 1}
    assert log() == [71]
    # The set is still the folder's, which does not name the two.
    assert open_scores(tmp_path / "out").manifest.source.location == str(pictures)


def test_the_same_files_with_another_option_are_scored_again(pictures: Path, tmp_path: Path) -> None:
    files = [str(pictures / "0.png"), str(pictures / "missing.png")]
    score(files, tmp_path / "out", scorers=["mesh"], workers=1)
    score(files, tmp_path / "out", scorers=["mesh"], workers=1, faces="all")
    assert open_scores(tmp_path / "out").manifest.options["faces"] == "all"


def test_a_list_that_names_a_picture_twice_gives_it_one_row(pictures: Path, tmp_path: Path, log: Log) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text("pictures/0.png\npictures/0.png\npictures/1.png\n")
    run(listing, tmp_path / "out", "width")
    run(listing, tmp_path / "out", "width", "fake")
    assert names(tmp_path / "out") == ["0.png", "1.png"]
    assert log() == [40, 41]


def test_a_list_does_not_take_over_the_set_of_a_folder(pictures: Path, tmp_path: Path) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text("pictures/0.png\n")
    run(pictures, tmp_path / "out")
    with pytest.raises(InputError, match="was made from"):
        run(listing, tmp_path / "out")
    assert rows(tmp_path / "out").height == 6


def test_another_split_is_another_source(pictures: Path, tmp_path: Path) -> None:
    import datasets

    data = [{"image": (pictures / f"{i}.png").read_bytes()} for i in range(4)]
    parts = {"train": datasets.Dataset.from_list(data[:3]), "test": datasets.Dataset.from_list(data[3:])}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    run(tmp_path / "saved", tmp_path / "out", split="train")
    with pytest.raises(InputError, match="was made from"):
        run(tmp_path / "saved", tmp_path / "out", split="test")
    assert rows(tmp_path / "out").height == 3


def test_a_set_keeps_its_options_unless_others_are_named(shared: Path, tmp_path: Path) -> None:
    source = str(shared / "libreface" / "oracle" / "inputs" / "two_faces.png")
    score(source, tmp_path / "out", scorers=["mesh"], workers=1, faces="all", landmarks=True)
    again = score(source, tmp_path / "out", scorers=["mesh"], workers=1)
    assert (again.scored, again.kept) == (0, 1)
    assert rows(tmp_path / "out").height == 2
    score(source, tmp_path / "out", scorers=["mesh"], workers=1, faces="largest", landmarks=False)
    assert rows(tmp_path / "out").height == 1
    assert "landmarks" not in rows(tmp_path / "out").columns


def test_a_picture_added_from_elsewhere_stays_when_the_folder_is_scored_again(
    pictures: Path, tmp_path: Path
) -> None:
    run(pictures, tmp_path / "out")
    noise(tmp_path / "extra.png", 70)
    score(str(tmp_path / "extra.png"), tmp_path / "out", scorers=["fake"], workers=1)
    (pictures / "0.png").unlink()
    run(pictures, tmp_path / "out")
    assert sorted(names(tmp_path / "out")) == ["1.png", "2.png", "3.png", "4.png", "5.png", "extra.png"]
