"""`--to folder`: the pictures as files."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import datasets
import polars as pl
import pytest
from backed import picture, write_backed

from curate import ExportError, open_scores, score
from curate.exports.export import export
from curate.exports.job import MANIFEST
from curate.shards import list_shards

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "faces"


def pictures(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix.lower() in (".png", ".jpg")
    }


@pytest.mark.parametrize("mode", ["copy", "hardlink", "symlink"])
def test_pictures_come_under_their_names(scored: Path, tmp_path: Path, mode: str) -> None:
    done = export(scored, tmp_path / "out", to="folder", mode=mode)
    assert (done.pictures, done.complete, dict(done.renamed)) == (12, True, {})
    assert pictures(tmp_path / "out") == pictures(tmp_path / "pictures")
    one = tmp_path / "out" / "3.png"
    assert one.is_symlink() == (mode == "symlink")
    assert one.samefile(tmp_path / "pictures" / "3.png") == (mode != "copy")


def test_a_column_becomes_folders(tmp_path: Path) -> None:
    values = ["fear", "Fear", None, "a/b", "..", "con"]
    names = [f"{i}.png" for i in range(6)]
    write_backed(tmp_path / "a.scores", tmp_path / "pictures", names, {"expression": values})
    export(tmp_path / "a.scores", tmp_path / "out", to="folder", by="expression")
    assert set(pictures(tmp_path / "out")) == {
        "fear~2/0.png", "Fear/1.png", "none/2.png", "a_b/3.png", "_/4.png", "_con/5.png",
    }  # fmt: skip


def test_numbers_become_folders_as_they_read(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(3)]
    write_backed(tmp_path / "a.scores", tmp_path / "pictures", names, {"yaw": [1.5, 1.5004, None]})
    export(tmp_path / "a.scores", tmp_path / "out", to="folder", by="yaw")
    assert set(pictures(tmp_path / "out")) == {"1.5/0.png", "1.5/1.png", "none/2.png"}


def test_a_picture_with_several_faces_is_there_once_with_all_of_them(tmp_path: Path) -> None:
    told = {"expression": ["fear", "anger", "sadness"]}
    write_backed(tmp_path / "a.scores", tmp_path / "pictures", ["a.png", "a.png", "b.png"], told)
    done = export(tmp_path / "a.scores", tmp_path / "out", to="folder", by="expression", sidecar=True)
    assert (done.rows, done.pictures) == (3, 2)
    assert set(pictures(tmp_path / "out")) == {"fear/a.png", "sadness/b.png"}
    said = json.loads((tmp_path / "out" / "fear" / "a.json").read_text())
    assert (said["expression"], said["face"]) == ("fear", 0)
    assert [(face["expression"], face["face"]) for face in said["more_faces"]] == [("anger", 1)]


NFD = "e\N{COMBINING ACUTE ACCENT}te\N{COMBINING ACUTE ACCENT}.png"
NAMES = ["a/1.png", "b/1.png", "b/1.PNG", "c/1.jpg", "été.png", NFD,
         "CON.png", "odd\n\x1b[31m.png", "plain", "<b>&.png", "curate-export.json", "x" * 230 + ".png"]  # fmt: skip


def test_names_that_collide_or_are_none_elsewhere_are_changed_and_told(tmp_path: Path) -> None:
    write_backed(tmp_path / "a.scores", tmp_path / "pictures", NAMES)
    done = export(tmp_path / "a.scores", tmp_path / "out", to="folder", sidecar=True)
    assert done.pictures == len(NAMES)
    names = [path.name for path in (tmp_path / "out").iterdir()]
    assert len({name.casefold() for name in names}) == len(names) == 2 * len(NAMES) + 2
    kept = {"1.png", "plain.png", "curate-export.json.png"} & set(names)
    assert kept == {"1.png", "plain.png", "curate-export.json.png"}
    assert json.loads((tmp_path / "out" / MANIFEST).read_text())["renamed"] == len(done.renamed) > 5
    content = sorted(path.read_bytes() for path in (tmp_path / "out").iterdir() if ".json" not in path.suffix)
    source = [path.read_bytes() for path in (tmp_path / "pictures").rglob("*") if path.is_file()]
    assert content == sorted(source)
    again = export(tmp_path / "a.scores", tmp_path / "again", to="folder", sidecar=True)
    assert again.renamed == done.renamed


@pytest.mark.skipif(os.name != "posix", reason="names of bytes")
def test_a_name_that_is_no_unicode_becomes_one(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png")).write_bytes(picture(1))
    score(str(folder), tmp_path / "a.scores", scorers=["quality"], workers=1)
    _as_ok(tmp_path / "a.scores")
    done = export(tmp_path / "a.scores", tmp_path / "out", to="folder")
    assert list(done.renamed) == ["caf_.png"]
    assert (tmp_path / "out" / "caf_.png").read_bytes() == picture(1)


def test_overwriting_replaces_links_and_not_what_they_lead_to(scored: Path, tmp_path: Path) -> None:
    source = tmp_path / "pictures" / "3.png"
    before = source.read_bytes()
    for mode in ("symlink", "hardlink", "copy"):
        export(scored, tmp_path / "out", to="folder", mode=mode, overwrite=True)
        (tmp_path / "out" / "3.png").stat()
    (tmp_path / "out" / "3.png").write_bytes(b"mine")
    assert source.read_bytes() == before


def test_a_hard_link_that_is_there_already_is_no_obstacle(scored: Path, tmp_path: Path) -> None:
    def stop(progress: object) -> None:
        if getattr(progress, "done", 0) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(scored, tmp_path / "out", to="folder", mode="hardlink", on_progress=stop)
    assert len(pictures(tmp_path / "out")) >= 4
    assert export(scored, tmp_path / "out", to="folder", mode="hardlink").complete
    assert len(list((tmp_path / "out").iterdir())) == 14


def test_a_hardlink_across_file_systems_names_the_way_out(
    scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cross(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", cross)
    with pytest.raises(ExportError, match="cross-device") as error:
        export(scored, tmp_path / "out", to="folder", mode="hardlink")
    assert "--mode copy" in error.value.hint


def test_rows_of_a_dataset_are_copied_by_number_and_cannot_be_linked(tmp_path: Path) -> None:
    rows = {"image": [{"bytes": picture(i), "path": None} for i in range(12)]}
    features = datasets.Features({"image": datasets.Image()})
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "set"))
    scores = _ok(tmp_path / "set", tmp_path / "a.scores")
    done = export(scores, tmp_path / "out", to="folder")
    found = pictures(tmp_path / "out")
    assert done.pictures == 12
    assert found == {f"train-{i:08}.png": picture(i) for i in range(12)}
    for dry_run in (True, False):
        with pytest.raises(ExportError, match="no file of its own here that could be linked") as error:
            export(scores, tmp_path / "linked", to="folder", mode="hardlink", dry_run=dry_run)
        assert "--mode copy" in error.value.hint
    assert not (tmp_path / "linked").exists()


def test_a_dry_run_looks_at_all_rows_of_which_links_are_wanted(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(picture(0))
    rows = [{"bytes": None, "path": str(file)}, {"bytes": picture(1), "path": None}]
    pl.DataFrame({"image": rows}).write_parquet(tmp_path / "set.parquet")
    scores = _ok(tmp_path / "set.parquet", tmp_path / "a.scores")
    with pytest.raises(ExportError, match="no file of its own here") as error:
        export(scores, tmp_path / "linked", to="folder", mode="symlink", dry_run=True)
    assert error.value.where.endswith("#train/1")


def test_rows_of_a_dataset_that_have_moved_are_exported_all_the_same(tmp_path: Path) -> None:
    features = datasets.Features({"image": datasets.Image()})
    for folder, seeds in (("set", range(12)), ("moved", (11, *range(5), 50, *range(5, 11)))):
        rows = {"image": [{"bytes": picture(i), "path": None} for i in seeds]}
        datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / folder))
    scores = _ok(tmp_path / "set", tmp_path / "a.scores")
    (tmp_path / "set").rename(tmp_path / "old")
    (tmp_path / "moved").rename(tmp_path / "set")
    assert export(scores, tmp_path / "out", to="folder").complete
    assert pictures(tmp_path / "out") == {f"train-{i:08}.png": picture(i) for i in range(12)}


def _ok(source: Path, out: Path) -> Path:
    """Score pictures without faces, and say they have one."""
    score(str(source), out, scorers=["fake"], workers=1)
    return _as_ok(out)


def _as_ok(out: Path) -> Path:
    for shard in list_shards(out):
        metadata = pl.read_parquet_metadata(shard)
        rows = pl.read_parquet(shard).with_columns(status=pl.lit("ok"), face=pl.lit(0, pl.Int32))
        rows.write_parquet(shard, metadata={"curate": metadata["curate"]})
    return out


def test_what_is_exported_is_scored_to_the_same_rows(tmp_path: Path) -> None:
    few = tmp_path / "faces"
    few.mkdir()
    for path in sorted(EXAMPLES.iterdir())[:6]:
        (few / path.name).write_bytes(path.read_bytes())
    score(str(few), tmp_path / "a.scores", workers=1)
    export(tmp_path / "a.scores", tmp_path / "out", to="folder", by="band", sidecar=True)
    score(str(tmp_path / "out"), tmp_path / "b.scores", workers=1)
    sets = [open_scores(tmp_path / name).read().sort("sha256") for name in ("a.scores", "b.scores")]
    # What was said beside a picture says now what was in it.
    a, b = (rows.drop("image", "metadata") for rows in sets)
    assert a.height == b.height > 0
    assert a.equals(b)
