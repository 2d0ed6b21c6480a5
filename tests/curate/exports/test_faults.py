"""What an export must not lose, and what the same command does once more."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from backed import picture, write_backed
from trees import tree

from curate.errors import ExportError
from curate.exports.export import Progress, export
from curate.exports.files import JOURNAL_FOLDER
from curate.exports.folder import Folder
from curate.exports.job import FILES, MANIFEST, Job
from curate.exports.names import unique_paths

SECOND_DISK = Path("/dev/shm")  # noqa: S108 - nothing is written there


class Told(Folder):
    """A folder that is told of elsewhere when it is finished."""

    elsewhere: ClassVar[frozenset[str]] = frozenset({"tell"})
    told: ClassVar[list[str]] = []

    tell: str | None = None

    def finish(self, job: Job, folder: Path) -> None:
        if self.tell is not None:
            self.told.append(self.tell)


def stop_after(scores: Path, out: Path, pictures: int, **options: object) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == pictures:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(scores, out, to="folder", on_progress=stop, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("chain", [False, True])
def test_pictures_that_are_links_into_a_place_are_not_overwritten_with_it(
    tmp_path: Path, chain: bool
) -> None:
    write_backed(tmp_path / "raw.scores", tmp_path / "raw", [f"{i}.png" for i in range(3)])
    export(tmp_path / "raw.scores", tmp_path / "train", to="folder", mode="symlink" if chain else "copy")
    write_backed(tmp_path / "best.scores", tmp_path / "best", [f"{i}.png" for i in range(3)])
    for link in (tmp_path / "best").iterdir():
        link.unlink()
        link.symlink_to(Path("..") / "train" / link.name)
    before = tree(tmp_path / "train")
    with pytest.raises(ExportError, match="pictures of the set lie in it"):
        export(tmp_path / "best.scores", tmp_path / "train", to="folder", overwrite=True)
    assert tree(tmp_path / "train") == before


def test_an_export_is_not_lost_where_no_picture_of_the_new_one_is_there(scored: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(scored, out, to="folder")
    before = tree(out)
    (tmp_path / "pictures").rename(tmp_path / "unplugged")
    with pytest.raises(ExportError, match="none of the pictures is there"):
        export(scored, out, to="folder", by="expression", overwrite=True)
    with pytest.raises(ExportError, match="none of the pictures is there"):
        export(scored, tmp_path / "new", to="folder")
    assert tree(out) == before
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("fault", ["changed", "links"])
def test_an_export_is_not_lost_where_the_new_one_cannot_be_written(
    scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    out = tmp_path / "out"
    export(scored, out, to="folder")
    before = {path.name: path.read_bytes() for path in out.glob("*.png")}
    if fault == "changed":
        for i, path in enumerate((tmp_path / "pictures").iterdir()):
            path.write_bytes(picture(100 + i))
    else:

        def cross(*_: object) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr("os.link", cross)
    with pytest.raises(ExportError, match=r"none of the pictures can be had|cross-device"):
        export(scored, out, to="folder", by="expression", mode="hardlink", overwrite=True)
    assert {path.name: path.read_bytes() for path in out.glob("*.png")} == before
    monkeypatch.undo()
    if fault == "links":
        export(scored, out, to="folder", by="expression", overwrite=True)
        assert not list(out.glob("*.png"))
        assert len(list(out.glob("*/*.png"))) == 12


def test_a_finished_export_is_only_finished_again_for_what_is_done_elsewhere(
    scored: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    Told.told.clear()
    export(scored, out, to=Told())
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    with pytest.raises(ExportError, match="is there already"):
        export(scored, out, to=Told())
    said = export(scored, out, to=Told(tell="hub"), dry_run=True)
    assert (said.dry_run, Told.told) == (True, [])
    done = export(scored, out, to=Told(tell="hub"))
    assert (Told.told, done.pictures, done.kept, done.parts) == (["hub"], 12, 1, 1)
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    (out / "3.png").unlink()
    with pytest.raises(ExportError, match="not as it was written"):
        export(scored, out, to=Told(tell="hub"))


@pytest.mark.skipif(os.name == "nt", reason="needs names of any bytes")
def test_names_that_are_no_utf8_are_told_as_the_column_image_has_them(tmp_path: Path) -> None:
    name = os.fsdecode(b"bad\xff.png")
    try:
        (tmp_path / name).touch()
    except OSError:
        pytest.skip("this file system takes no such name")
    write_backed(tmp_path / "a.scores", tmp_path / "pictures", ["bad\\xff.png"])
    (tmp_path / "pictures" / "bad\\xff.png").rename(tmp_path / "pictures" / name)
    done = export(tmp_path / "a.scores", tmp_path / "out", to="folder")
    assert list(done.renamed.values()) == ["bad\\xff.png"]
    json.dumps(done.document(), ensure_ascii=False, default=str).encode()
    line = json.loads((tmp_path / "out" / FILES).read_text("utf-8").splitlines()[0])
    assert line["named"] == "bad\\xff.png"


def test_a_picture_that_is_gone_after_a_kill_does_not_stay(scored: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    stop_after(scored, out, 6, by="expression")
    there = next(out.glob("*/*.png"))
    (tmp_path / "pictures" / there.name).unlink()
    done = export(scored, out, to="folder", by="expression")
    assert [Path(image).name for image in done.left_out] == [there.name]
    assert not there.exists()
    assert done.files == len(list(out.glob("*/*.png"))) == 11


def test_nothing_of_the_users_is_overwritten_when_an_export_goes_on(
    scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curate.exports.part._PICTURES", 3)
    out = tmp_path / "out"
    stop_after(scored, out, 4)
    assert not (out / "9.png").exists()
    (out / "9.png").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(ExportError, match=r"did not write: 9\.png"):
            export(scored, out, to="folder", overwrite=overwrite)
    assert (out / "9.png").read_text() == "mine"


@pytest.mark.parametrize("mode", ["symlink", "hardlink"])
def test_links_are_compared_again_when_an_export_goes_on(
    scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr("curate.exports.part._PICTURES", 3)
    out = tmp_path / "out"
    stop_after(scored, out, 8, mode=mode)
    file = tmp_path / "pictures" / "0.png"
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(data)
    done = export(scored, out, to="folder", mode=mode)
    assert [Path(image).name for image in done.left_out] == ["0.png"]
    assert not (out / "0.png").exists()


def test_the_same_command_completes_an_export_once_its_pictures_are_back(
    scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curate.exports.part._PICTURES", 3)
    out, away, source = tmp_path / "out", tmp_path / "away.png", tmp_path / "pictures" / "2.png"
    source.rename(away)
    assert not export(scored, out, to="folder", sidecar=True).complete
    before = tree(out)
    with pytest.raises(ExportError, match="is there already") as error:
        export(scored, out, to="folder", sidecar=True)
    assert "put the 1 left-out" in error.value.hint
    away.rename(source)
    (tmp_path / "pictures" / "3.png").rename(away)
    with pytest.raises(ExportError, match=r"would have to be there, too: .*3\.png"):
        export(scored, out, to="folder", sidecar=True)
    assert tree(out) == before
    away.rename(tmp_path / "pictures" / "3.png")
    untouched = (out / "9.png").stat().st_mtime_ns
    done = export(scored, out, to="folder", sidecar=True)
    assert (done.complete, done.kept, done.parts) == (True, 3, 4)
    assert (out / "9.png").stat().st_mtime_ns == untouched
    export(scored, tmp_path / "whole", to="folder", sidecar=True)
    strange = {MANIFEST}
    assert {k: v for k, v in tree(out).items() if k not in strange} == {
        k: v for k, v in tree(tmp_path / "whole").items() if k not in strange
    }


def test_a_dry_run_refuses_what_a_run_would(
    scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    export(scored, out, to="folder", where="image not like '%3.png'")
    (out / "3.png").mkdir(parents=True)
    for dry_run in (True, False):
        with pytest.raises(ExportError, match=r"3.png: is a folder"):
            export(scored, out, to="folder", overwrite=True, dry_run=dry_run)
    (out / "3.png").rmdir()
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(ExportError, match="cannot be written to"):
        export(scored, out, to="folder", overwrite=True, dry_run=True)


@pytest.mark.skipif(not SECOND_DISK.is_dir(), reason="needs a second file system")
def test_a_dry_run_refuses_hardlinks_to_another_file_system(scored: Path, tmp_path: Path) -> None:
    if SECOND_DISK.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    out = SECOND_DISK / f"curate-{os.getpid()}-{tmp_path.name}" / "out"
    with pytest.raises(ExportError, match="another file system"):
        export(scored, out, to="folder", mode="hardlink", dry_run=True)
    assert export(scored, out, to="folder", mode="symlink", dry_run=True).pictures == 12


@pytest.mark.parametrize("left", [(), ("lock",)])
def test_a_run_killed_in_its_last_moment_is_told_as_finished(
    scored: Path, tmp_path: Path, left: Sequence[str]
) -> None:
    out = tmp_path / "out"
    first = export(scored, out, to="folder")
    (out / JOURNAL_FOLDER).mkdir()
    for name in left:
        (out / JOURNAL_FOLDER / name).touch()
    done = export(scored, out, to="folder")
    assert (done.pictures, done.files, done.bytes) == (first.pictures, first.files, first.bytes)
    assert not (out / JOURNAL_FOLDER).exists()
    with pytest.raises(ExportError, match="is there already"):
        export(scored, out, to="folder")


def test_an_empty_journal_folder_is_no_export(scored: Path, tmp_path: Path) -> None:
    (tmp_path / "left" / JOURNAL_FOLDER).mkdir(parents=True)
    assert export(scored, tmp_path / "left" / "out", to="folder").complete


def test_what_systems_put_into_folders_is_nobodys_file(scored: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".DS_Store").touch()
    export(scored, out, to="folder")
    (out / "Thumbs.db").touch()
    (out / "desktop.ini").touch()
    assert export(scored, out, to="folder", by="expression", overwrite=True).complete
    assert not list(out.glob("*.png"))


def test_many_pictures_of_one_name_and_content_are_named_quickly() -> None:
    started = time.process_time()
    paths = unique_paths(["a.png"] * 4000, ["0" * 64] * 4000)
    assert time.process_time() - started < 2  # one search for each from the beginning takes 8 s
    assert paths[:3] == ["a.png", "a~00000000.png", "a~00000000~2.png"]
    assert len(set(paths)) == 4000
    assert paths[-1] == "a~00000000~3999.png"


def test_an_export_that_is_replaced_leaves_no_shard_of_pictures_that_are_gone(
    scored: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export(scored, out, to="webdataset", shard_size="6")
    for i in (0, 1, 10, 11, 2, 3):  # the first six by their names
        (tmp_path / "pictures" / f"{i}.png").unlink()
    done = export(scored, out, to="webdataset", shard_size="6", overwrite=True)
    assert done.pictures == 6
    assert len(list(out.glob("*.tar"))) == done.files - 1


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_of_ones_own_at_the_path_of_an_unfinished_part_is_not_taken_for_ours(
    scored: Path, tmp_path: Path, overwrite: bool
) -> None:
    out = tmp_path / "out"
    stop_after(scored, out, 6)
    for name in ("2.png", "9.png"):  # one that was written, and one that was not yet
        (out / name).write_bytes(b"mine")
        before = tree(out)
        with pytest.raises(ExportError, match=f"did not write: {name}"):
            export(scored, out, to="folder", overwrite=overwrite, by="expression" if overwrite else None)
        assert tree(out) == before
        (out / name).unlink()
    assert export(scored, out, to="folder").pictures == 12
