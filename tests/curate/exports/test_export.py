"""The core of exports: killed and gone on with, never over anything else, whatever becomes of the sources."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import crash
import pytest
from backed import picture, write_backed
from filelock import FileLock
from scoresets import write_set
from trees import tree

from curate.errors import ExportError, QueryError
from curate.exports.export import Exported, Progress, export
from curate.exports.files import JOURNAL_FOLDER
from curate.exports.job import FILES, MANIFEST
from curate.exports.journal import read_journal
from curate.pictures import CHANGED

PICTURES = 120
PROGRAM = """
import sys, time
import curate.exports.part as part
from curate.exports.export import export
part._PICTURES = 7
def slowly(progress):
    print(".", flush=True)
    time.sleep(0.003)
_, scores, out, to, overwrite = sys.argv
export(scores, out, to=to, overwrite=overwrite == "yes", on_progress=slowly, **{options}[to])
"""
OPTIONS: dict[str, Any] = {"folder": {"by": "expression", "sidecar": True}, "webdataset": {"shard_size": "9"}}
PROGRAM = PROGRAM.replace("{options}", repr(OPTIONS))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    return write_backed(folder / "a.scores", folder / "pictures", [f"{i:03}.png" for i in range(PICTURES)])


def without_times(folder: Path) -> dict[str, bytes]:
    """The files of an export; of its manifest what does not tell of its own making."""
    found = tree(folder)
    said = json.loads(found[MANIFEST])
    found[MANIFEST] = json.dumps({k: v for k, v in said.items() if k not in ("created", "finished")}).encode()
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize(
    ("to", "before", "kills"), [("folder", False, 4), ("webdataset", False, 2), ("folder", True, 3)]
)
def test_killed_at_any_moment_and_called_again_it_ends_as_if_it_had_not_been(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, before: bool, kills: int
) -> None:
    out, shots = tmp_path / "out", random.Random(f"{to}{before}")
    if before:
        export(many, out, to="folder", where="expression != 'fear'")
    arguments = [str(many), str(out), to, "yes" if before else "no"]
    for _ in range(kills):
        run = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert run.stdout is not None
        for _ in range(shots.randint(1, PICTURES // kills)):
            run.stdout.readline()  # a picture is written
        time.sleep(shots.uniform(0, 0.01))
        run.send_signal(signal.SIGKILL)
        _, said = run.communicate()
        assert (run.returncode, said) == (-signal.SIGKILL, b"")
    journal = read_journal(out)
    assert journal is not None
    monkeypatch.setattr("curate.exports.part._PICTURES", 7)
    done = export(many, out, to=to, overwrite=before, **OPTIONS[to])
    assert done.kept == len(journal.done)  # it went on, and began nothing anew
    whole = tmp_path / "whole" / "out"
    export(many, whole, to=to, **OPTIONS[to])
    assert without_times(out) == without_times(whole)


@pytest.mark.skipif(sys.platform != "linux", reason="needs fork")
@pytest.mark.parametrize("case", ["5 23 folder no", "17 29 webdataset yes"])
def test_whichever_call_of_the_system_is_its_last_the_next_run_mends_it(
    scored: Path, tmp_path: Path, case: str
) -> None:
    support = Path(crash.__file__).parent
    done = subprocess.run(
        [sys.executable, crash.__file__, scored, tmp_path, *case.split()],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(support)},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 2


def test_what_came_to_nothing_is_no_obstacle_to_another_way(
    scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cross(*_: object, **__: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", cross)
    with pytest.raises(ExportError, match="no links"):
        export(scored, tmp_path / "out", to="folder", mode="hardlink")
    assert export(scored, tmp_path / "out", to="folder", mode="copy").complete


def test_a_run_goes_on_where_a_journal_ends_even_in_the_middle_of_a_line(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    stop_after(many, out, 60, shard_size="10")
    journal = out / JOURNAL_FOLDER / "journal.jsonl"
    with journal.open("a") as file:
        file.write('{"end": "faces-0000')
    done = export(many, out, to="webdataset", shard_size="10")
    assert (done.kept, done.parts) == (5, 13)
    assert without_times(out) == without_times(
        exported(many, tmp_path / "whole" / "out", shard_size="10").folder
    )


def test_what_was_lost_since_is_written_again(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    stop_after(many, out, 60, shard_size="10")
    (out / "faces-000000.tar").unlink()
    (out / "faces-000001.tar").write_bytes(b"cut")
    assert export(many, out, to="webdataset", shard_size="10").kept == 3
    assert without_times(out) == without_times(
        exported(many, tmp_path / "whole" / "out", shard_size="10").folder
    )


def exported(scores: Path, out: Path, **options: object) -> Exported:
    return export(scores, out, to="webdataset", **options)  # type: ignore[arg-type]


def stop_after(scores: Path, out: Path, pictures: int, **options: object) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == pictures:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(scores, out, to="webdataset", on_progress=stop, **options)  # type: ignore[arg-type]


def test_an_unfinished_export_is_not_gone_on_with_by_another_plan(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    stop_after(many, out, 60, shard_size="10")
    before = tree(out)
    with pytest.raises(ExportError, match="unfinished export of something else") as error:
        export(many, out, to="webdataset", shard_size="20")
    assert "--overwrite" in error.value.hint
    assert tree(out) == before
    export(many, out, to="webdataset", shard_size="20", overwrite=True)
    assert without_times(out) == without_times(
        exported(many, tmp_path / "whole" / "out", shard_size="20").folder
    )


def test_a_finished_export_is_replaced_only_when_asked(scored: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(scored, out, to="folder", by="expression")
    before = tree(out)
    with pytest.raises(ExportError, match="is there already"):
        export(scored, out, to="folder")
    assert tree(out) == before
    export(scored, out, to="folder", overwrite=True)
    assert sorted(tree(out)) == sorted([MANIFEST, FILES, *(f"{i}.png" for i in range(12))])


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_other_things_is_never_touched(scored: Path, tmp_path: Path, overwrite: bool) -> None:
    out = tmp_path / "out"
    (out / "work").mkdir(parents=True)
    (out / "work" / "notes.txt").write_text("mine")
    before = tree(out)
    with pytest.raises(ExportError, match="other things"):
        export(scored, out, to="folder", overwrite=overwrite)
    assert tree(out) == before


@pytest.mark.parametrize("strange", ["notes.txt", "mine/notes.txt", "link"])
def test_what_somebody_put_into_an_export_is_not_removed_with_it(
    scored: Path, tmp_path: Path, strange: str
) -> None:
    out = tmp_path / "out"
    export(scored, out, to="folder")
    if strange == "link":
        (tmp_path / "elsewhere").mkdir()
        (out / "link").symlink_to(tmp_path / "elsewhere")
    else:
        (out / strange).parent.mkdir(exist_ok=True)
        (out / strange).write_text("mine")
    before = tree(out)
    with pytest.raises(ExportError, match=f"did not write: {strange}"):
        export(scored, out, to="folder", overwrite=True)
    assert tree(out) == before


@pytest.mark.parametrize(
    "path", ["../precious.txt", "{precious}", "link/precious.txt", "a/../../precious.txt"]
)
def test_no_list_of_files_makes_it_remove_what_lies_elsewhere(
    scored: Path, tmp_path: Path, path: str
) -> None:
    out, precious = tmp_path / "out", tmp_path / "precious.txt"
    precious.write_text("mine")
    export(scored, out, to="folder")
    if path.startswith("link"):
        (out / "link").symlink_to(tmp_path)
    with (out / FILES).open("a") as file:
        file.write(json.dumps({"path": path.format(precious=precious)}) + "\n")
    if path.startswith("link"):
        with pytest.raises(ExportError, match="did not write"):
            export(scored, out, to="folder", overwrite=True)
    else:
        export(scored, out, to="folder", overwrite=True)
    assert precious.read_text() == "mine"


def test_an_empty_folder_is_room_enough(scored: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert export(scored, tmp_path / "out", to="folder").pictures == 12


@pytest.mark.parametrize(
    "out",
    [
        "a.scores",
        "a.scores/out",
        "pictures",
        "pictures/out",
        ".",
        "file",
        "dangling",
        "other.scores/x",
        "done/x",
    ],
)
def test_places_where_no_export_goes(scored: Path, tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    shutil.copytree(scored, tmp_path / "other.scores")
    export(scored, tmp_path / "done", to="folder")
    before = tree(tmp_path)
    for overwrite in (False, True):
        with pytest.raises(ExportError):
            export(scored, tmp_path / out, to="folder", overwrite=overwrite)
    assert tree(tmp_path) == before


def test_the_name_of_a_table_is_no_folder(scored: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="is a folder") as error:
        export(scored, tmp_path / "faces.csv", to="folder")
    assert "curate query" in error.value.hint


def test_links_within_a_half_written_export_lead_nowhere(scored: Path, tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()

    def stop(progress: Progress) -> None:
        if progress.done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(scored, out, to="folder", by="expression", on_progress=stop)
    for path in out.iterdir():
        if path.name != JOURNAL_FOLDER:
            shutil.rmtree(path)
            path.symlink_to(elsewhere)
    with pytest.raises(ExportError, match="did not write"):
        export(scored, out, to="folder", by="expression")
    assert not list(elsewhere.iterdir())


def test_missing_and_changed_pictures_are_left_out_and_named(scored: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    (pictures / "3.png").unlink()
    (pictures / "5.png").write_bytes(picture(99))
    (pictures / "7.png").unlink()
    (pictures / "7.png").mkdir()
    done = export(scored, tmp_path / "out", to="folder")
    reasons = {Path(image).name: why for image, why in done.left_out.items()}
    assert reasons == {"3.png": "no such file", "5.png": CHANGED, "7.png": reasons["7.png"]}
    assert (done.complete, done.pictures, done.rows, done.files) == (False, 9, 9, 9)
    assert not (tmp_path / "out" / "5.png").exists()
    said = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert (said["left_out_pictures"], said["left_out_rows"]) == (3, {"picture": 3})
    assert {Path(left["image"]).name for left in said["left_out"]} == set(reasons)


def test_pictures_that_come_back_are_in_what_is_gone_on_with(many: Path, tmp_path: Path) -> None:
    away = tmp_path / "away.png"
    victim = many.parent / "pictures" / "001.png"
    victim.rename(away)
    try:
        stop_after(many, tmp_path / "out", 60, shard_size="10")
    finally:
        away.rename(victim)
    assert export(many, tmp_path / "out", to="webdataset", shard_size="10").complete
    assert without_times(tmp_path / "out") == without_times(
        exported(many, tmp_path / "whole" / "out", shard_size="10").folder
    )


def test_a_dry_run_says_what_a_run_does_and_writes_nothing(scored: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures" / "3.png").unlink()
    before = tree(tmp_path)
    said = export(
        scored, tmp_path / "out", to="folder", by="expression", dry_run=True, where="happiness > .1"
    )
    assert tree(tmp_path) == before
    done = export(scored, tmp_path / "out", to="folder", by="expression", where="happiness > .1")
    for name in ("rows", "pictures", "bytes", "left_out", "renamed"):
        assert getattr(said, name) == getattr(done, name)
    assert said.bytes == sum(path.stat().st_size for path in (tmp_path / "out").rglob("*.png"))
    with pytest.raises(ExportError, match="is there already"):
        export(scored, tmp_path / "out", to="folder", dry_run=True)


def test_a_query_hands_on_a_part(scored: Path, tmp_path: Path) -> None:
    whole = export(scored, tmp_path / "whole", to="folder")
    done = export(scored, tmp_path / "out", to="folder", where="happiness > .1")
    assert 0 < done.rows < whole.rows
    assert done.left_out_rows == {"query": whole.rows - done.rows}
    with pytest.raises(QueryError, match="did you mean"):
        export(scored, tmp_path / "no", to="folder", where="hapiness > .1")
    with pytest.raises(ExportError, match="no face"):
        export(scored, tmp_path / "no", to="folder", where="happiness > 2")
    assert not (tmp_path / "no").exists()


def test_only_what_was_scored_is_handed_on(tmp_path: Path) -> None:
    scores = write_backed(
        tmp_path / "a.scores", tmp_path / "pictures", ["a.png", "b.png"], status={"b.png": "no_face"}
    )
    done = export(scores, tmp_path / "out", to="folder")
    assert (done.pictures, dict(done.left_out_rows)) == (1, {"no_face": 1})


def test_one_run_at_a_time(scored: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out" / JOURNAL_FOLDER
    folder.mkdir(parents=True)
    with FileLock(folder / "lock"), pytest.raises(ExportError, match="another run is writing"):
        export(scored, tmp_path / "out", to="folder")
    assert export(scored, tmp_path / "out", to="folder").complete


def test_the_manifest_tells_where_everything_is_from(scored: Path, tmp_path: Path) -> None:
    done = export(scored, tmp_path / "out", to="folder", where="happiness >= 0")
    said = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert (said["format"], said["options"]["mode"], said["where"]) == ("folder", "copy", "happiness >= 0")
    assert said["source"]["folder"] == str(scored.resolve())
    assert said["scores"]["scorers"]["test"]["version"] == "1"
    listed = [json.loads(line) for line in (tmp_path / "out" / FILES).read_text().splitlines()]
    assert len(listed) == said["files"] == done.files
    assert sum(file["bytes"] for file in listed) == said["bytes"] == done.bytes
    import hashlib

    for file in listed:
        data = (tmp_path / "out" / file["path"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])


@pytest.mark.parametrize(
    ("to", "options", "words"),
    [
        ("fodler", {}, "did you mean `folder`"),
        ("folder", {"moed": "copy"}, "did you mean `mode`"),
        ("folder", {"mode": "move"}, "'copy', 'hardlink' or 'symlink'"),
        ("folder", {"by": "expresion"}, "did you mean `expression`"),
        ("webdataset", {"shard_size": "big"}, "number of pictures"),
        ("webdataset", {"shard_name": "a/b"}, "no name for a file"),
    ],
)
def test_options_that_make_no_sense_say_so(
    scored: Path, tmp_path: Path, to: str, options: dict[str, str], words: str
) -> None:
    with pytest.raises(ExportError, match=words):
        export(scored, tmp_path / "out", to=to, **options)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_an_error_in_words_and_the_same_command_goes_on(many: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("this user may not mount a small file system")
    try:
        (disk / "ballast").write_bytes(b"x" * 120_000)
        with pytest.raises(ExportError, match="no space left on device") as error:
            export(many, disk / "out", to="webdataset", shard_size="10")
        assert "goes on" in error.value.hint
        assert read_journal(disk / "out") is not None
        (disk / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=4M", disk], check=True)
        done = export(many, disk / "out", to="webdataset", shard_size="10")
        assert (done.complete, done.pictures) == (True, PICTURES)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_sources_are_as_they_were(scored: Path, tmp_path: Path) -> None:
    before = {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "pictures").iterdir()
    }
    for mode in ("copy", "hardlink", "symlink"):
        export(scored, tmp_path / mode, to="folder", mode=mode)
    export(scored, tmp_path / "hardlink", to="folder", mode="copy", overwrite=True)
    export(scored, tmp_path / "symlink", to="folder", mode="copy", sidecar=True, overwrite=True)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before


def test_an_empty_set_is_told_from_a_query_without_answer(scored: Path, tmp_path: Path) -> None:
    empty = write_set(tmp_path / "empty.scores", ["a.png"], {}, status={"a.png": "no_face"})
    with pytest.raises(ExportError, match="no face to hand on") as told:
        export(empty, tmp_path / "out", to="csv")
    assert told.value.hint == f"curate show {empty} --status says what is in it"
    with pytest.raises(ExportError, match="no face to hand on") as told:
        export(scored, tmp_path / "out", to="csv", where="face > 99")
    assert told.value.hint == "another --where"
