"""Folders, files, patterns and lists: what becomes an input, under which name, in which order."""

from __future__ import annotations

import io
import os
import pickle
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from curate.errors import InputError
from curate.sources import Input, Source, open_source


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape"))


def names(source: Source, folder: Path) -> list[str]:
    return [os.path.relpath(item.image, folder) for item in source]


# --- folders


def test_a_folder_is_walked_in_one_order_and_named_after_itself(tmp_path: Path) -> None:
    root = tmp_path / "gan_outputs"
    touch(root, "b.png", "a.jpg", "c/2.png", "c/10.png", "B.png", "a/z/deep.webp", "a/1.png")
    source = open_source(str(root))
    assert names(source, root) == [
        "B.png",
        "a.jpg",
        "b.png",
        "a/1.png",
        "a/z/deep.webp",
        "c/10.png",
        "c/2.png",
    ]
    assert (source.name, source.kind, source.location) == ("gan_outputs", "folder", str(root))
    assert source.count == 7
    assert list(source) == list(open_source(str(root) + "/"))


def test_image_is_the_absolute_path_with_links_left_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "real/1.png")
    (tmp_path / "faces").symlink_to("real")
    monkeypatch.chdir(tmp_path / "real")
    (item,) = open_source("../faces")
    assert item == Input(image=str(tmp_path / "faces/1.png"), path=str(tmp_path / "faces/1.png"))
    assert open_source("../faces").name == "faces"
    assert open_source(".").name == "real"
    assert item.read() == b"real/1.png"


def test_what_is_surely_no_picture_is_passed_over_and_all_else_is_kept(tmp_path: Path) -> None:
    kept = [
        "x.PNG",
        "no_ending",
        "x.weird",
        "x.bin",
        "x.tar",
        "x.psd",
        "x.mp4",
        "1.jpg.part",
        "name with space.jpg",
    ]
    touch(tmp_path, *kept)
    touch(
        tmp_path,
        *("x.txt", "x.JSON", "x.csv", "m.safetensors", "t.parquet", "Thumbs.db", ".hidden.png", ".git/a.png"),
        *("old.scores/part-0.png", "__MACOSX/a.png", "sub/.DS_Store", "README.md"),
    )
    assert sorted(names(open_source(str(tmp_path)), tmp_path)) == sorted(kept)


def test_the_folder_itself_may_be_hidden(tmp_path: Path) -> None:
    touch(tmp_path, ".cache/1.png")
    assert open_source(str(tmp_path / ".cache")).count == 1


def test_every_odd_file_is_an_input(shared: Path) -> None:
    assert open_source(str(shared / "data/odd_files")).count == 70


def test_links_to_files_count_and_links_to_folders_never_loop(tmp_path: Path) -> None:
    root = tmp_path / "root"
    touch(root, "a/1.png", "b/2.png")
    touch(tmp_path, "outside/3.png", "outside/deeper/4.png")
    (root / "link.png").symlink_to(root / "a/1.png")
    (root / "gone.png").symlink_to("nowhere")
    (root / "self.png").symlink_to("self.png")
    (root / "a/up").symlink_to("..")
    (root / "a/above").symlink_to(tmp_path)
    (root / "b/a").symlink_to(root / "a")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "out2").symlink_to(tmp_path / "outside/deeper")
    (tmp_path / "outside/back").symlink_to(root)
    (tmp_path / "outside/again").symlink_to(tmp_path / "outside")
    expected = ["gone.png", "link.png", "self.png", "a/1.png", "b/2.png", "out/3.png", "out/deeper/4.png"]
    assert names(open_source(str(root)), root) == expected


def test_a_link_into_a_hidden_store_is_followed_once(tmp_path: Path) -> None:
    touch(tmp_path, ".store/faces/1.png", "x.png")
    (tmp_path / "faces").symlink_to(".store/faces")
    (tmp_path / ".store/faces/loop").symlink_to(".")
    assert names(open_source(str(tmp_path)), tmp_path) == ["x.png", "faces/1.png"]


def test_a_folder_that_cannot_be_listed_is_an_input_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "1.png", "locked/2.png")
    locked, scandir = str(tmp_path / "locked"), os.scandir

    def refuse(path: str) -> object:
        if str(path) == locked:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # root reads everything, so the lock itself would not do
    one, two = open_source(str(tmp_path))
    assert one.read() == b"1.png"
    assert two.path == locked
    with pytest.raises(InputError, match="permission denied"):
        two.read()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", "sub/.hidden.png")
    with pytest.raises(InputError, match="no pictures in this folder"):
        open_source(str(tmp_path))


def test_a_score_set_is_refused_with_the_command_that_shows_it(tmp_path: Path) -> None:
    touch(tmp_path, "faces.scores/manifest.json", "faces.scores/part-00000.parquet")
    with pytest.raises(InputError, match="score set") as caught:
        open_source(str(tmp_path / "faces.scores"))
    assert caught.value.hint.startswith("curate show ")


def test_fifty_thousand_links_are_listed_within_seconds_and_little_memory(tmp_path: Path) -> None:
    touch(tmp_path, "face.jpg")
    root = tmp_path / "many"
    root.mkdir()
    for number in range(50_000):
        os.symlink("../face.jpg", f"{root}/{number:06}.jpg")  # noqa: PTH211 - twice as fast
    start = time.perf_counter()
    source = open_source(str(root))
    tracemalloc.start()
    assert sum(1 for _ in source) == 50_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.perf_counter() - start < 10  # 0.6 s on an idle machine, without tracemalloc
    assert peak < 15_000_000


# --- odd names


ODD_NAMES = [
    "with space.png", "#1.png", "100%.png", "%20.png", "new\nline.png", "ünï—🙂.png", "[1].png", "*.png",
    "a:b.png", "-.png", "quote'\".png", "x" * 251 + ".png",
]  # fmt: skip


def test_odd_names_survive(tmp_path: Path) -> None:
    touch(tmp_path, *ODD_NAMES)
    found = {item.image: item.read() for item in open_source(str(tmp_path))}
    assert found == {str(tmp_path / name): name.encode() for name in ODD_NAMES}


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_of_an_odd_name_opens_alone(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name)
    (item,) = open_source(str(tmp_path / name))
    assert item.read() == name.encode()


def test_names_that_are_no_unicode_are_read_and_written_as_escapes(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    touch(tmp_path, name)
    (item,) = open_source(str(tmp_path))
    assert item.image == str(tmp_path / "caf\\xe9.png")
    assert item.image.encode()
    assert pickle.loads(pickle.dumps(item)).read() == b"caf\xe9.png"  # noqa: S301
    (alone,) = open_source(str(tmp_path / name))
    assert alone == item


def test_a_tree_deeper_than_a_path_may_be_long_does_not_stop_the_walk(tmp_path: Path) -> None:
    touch(tmp_path, "1.png")
    here = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(20):
            os.mkdir("d" * 250)  # noqa: PTH102 - relative, one step at a time
            os.chdir("d" * 250)
    finally:
        os.chdir(here)
    first, second = open_source(str(tmp_path))
    assert first.read() == b"1.png"
    with pytest.raises(InputError, match="name too long"):
        second.read()


# --- reading inputs


def test_reading_never_waits_and_says_what_is_wrong(tmp_path: Path) -> None:
    touch(tmp_path, "folder/1.png")
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "giant.png").open("wb") as file:
        file.truncate(5 << 30)
    for path, words in [
        (tmp_path / "folder", "this is a folder"),
        (tmp_path / "pipe.png", "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (tmp_path / "giant.png", "too large for a picture"),
        (tmp_path / "gone.png", "no such file"),
        (tmp_path / ("x" * 300), "name too long"),
        (tmp_path / "nul\x00.png", "not a possible file name"),
    ]:
        with pytest.raises(InputError, match=words) as caught:
            Input(image="x", path=str(path)).read()
        assert caught.value.where == ""
    with pytest.raises(InputError, match="the row holds no picture"):
        Input(image="x").read()
    assert Input(image="x", data=b"").read() == b""


# --- files and patterns


def test_one_file_is_an_input_whatever_it_is_called(tmp_path: Path) -> None:
    touch(tmp_path, "face.json")
    source = open_source(str(tmp_path / "face.json"))
    assert [item.path for item in source] == [str(tmp_path / "face.json")]
    assert (source.name, source.kind, source.count) == ("face", "files", 1)


def test_several_arguments_keep_their_order_and_count_once(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a.png", "a.txt", "sub/c.png", "sub/d.png")
    given = [str(tmp_path / name) for name in ("b.png", "a.png", "a.txt", "sub", "b.png", "gone.png")]
    source = open_source(given)
    assert names(source, tmp_path) == ["b.png", "a.png", "sub/c.png", "sub/d.png", "gone.png"]
    assert (source.name, source.kind, source.count, source.location) == (
        tmp_path.name,
        "files",
        5,
        str(tmp_path),
    )
    with pytest.raises(InputError, match="no such file"):
        list(source)[-1].read()


def test_patterns_match_like_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(
        tmp_path, "out/b.png", "out/a.png", "out/a.txt", "out/c.jpg", "out/.hid.png", "out/x/d.png", "e.png"
    )
    monkeypatch.chdir(tmp_path)
    assert names(open_source("out/*.png"), tmp_path) == ["out/a.png", "out/b.png"]
    assert names(open_source("out/*"), tmp_path) == ["out/a.png", "out/b.png", "out/c.jpg", "out/x/d.png"]
    assert names(open_source("out/?.png"), tmp_path) == ["out/a.png", "out/b.png"]
    assert names(open_source("**/*.png"), tmp_path) == ["e.png", "out/a.png", "out/b.png", "out/x/d.png"]
    assert names(open_source("**"), tmp_path) == [
        "e.png",
        "out/a.png",
        "out/b.png",
        "out/c.jpg",
        "out/x/d.png",
    ]
    assert open_source("out/*.png").name == "out"
    assert open_source("**/*.png").name == tmp_path.name
    assert names(open_source(["out/*.jpg", "*.png"]), tmp_path) == ["out/c.jpg", "e.png"]


@pytest.mark.parametrize("pattern", ["*.gif", "*.txt", "nowhere/*.png"])
def test_a_pattern_that_matches_no_picture_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    touch(tmp_path, "a.png", "a.txt")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no pictures here"):
        open_source(pattern)


def test_a_name_that_looks_like_a_pattern_is_a_name_if_it_exists(tmp_path: Path) -> None:
    touch(tmp_path, "[a].png", "a.png")
    assert names(open_source(str(tmp_path / "[a].png")), tmp_path) == ["[a].png"]


# --- lists


def test_a_list_is_read_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "lists/near.png", "lists/both.png", "cwd/both.png", "cwd/far.png", "cwd/#1.png")
    monkeypatch.chdir(tmp_path / "cwd")
    text = "# faces\r\nnear.png\r\n\r\n  both.png \r\nfar.png\r\n./#1.png\r\n/abs/../x.png\r\ngone.png"
    (tmp_path / "lists/best.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    source = open_source(str(tmp_path / "lists/best.txt"))
    assert [item.path for item in source] == [
        str(tmp_path / "lists/near.png"),
        str(tmp_path / "lists/both.png"),
        str(tmp_path / "cwd/far.png"),
        str(tmp_path / "cwd/#1.png"),
        "/x.png",
        str(tmp_path / "lists/gone.png"),
    ]
    assert (source.name, source.kind, source.count) == ("best", "list", 6)
    assert source.location == str(tmp_path / "lists/best.txt")
    assert list(source) == list(source)


def test_a_list_holds_names_that_are_no_unicode_or_no_names(tmp_path: Path) -> None:
    touch(tmp_path, os.fsdecode(b"caf\xe9.png"))
    (tmp_path / "l.lst").write_bytes(b"caf\xe9.png\nnul\x00.png\n" + b"x" * 5000 + b"\n")
    good, nul, long = open_source(str(tmp_path / "l.lst"))
    assert good.read() == b"caf\xe9.png"
    for bad in (nul, long):
        with pytest.raises(InputError):
            bad.read()


def test_a_dash_is_the_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a.png\n/b.png\n")))
    source = open_source("-")
    assert [item.path for item in source] == [str(tmp_path / "a.png"), "/b.png"]
    assert list(source) == list(source)
    assert (source.name, source.location, source.count) == ("stdin", "-", 2)


def test_a_list_of_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_text("# nothing\n\n")
    with pytest.raises(InputError, match="names no pictures"):
        open_source(str(tmp_path / "l.txt"))


# --- choosing


def test_a_limit_holds_for_the_count_and_for_the_inputs(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{number}.png" for number in range(9)))
    source = open_source(str(tmp_path), limit=4)
    assert names(source, tmp_path) == ["0.png", "1.png", "2.png", "3.png"]
    assert source.count == 4
    assert open_source(str(tmp_path), limit=99).count == 9
    with pytest.raises(InputError, match="limit"):
        open_source(str(tmp_path), limit=0)


def test_a_slip_of_the_pen_gets_the_names_that_are_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "examples/faces/1.png", "gan_outputs/1.png")
    monkeypatch.chdir(tmp_path)
    for wrong, right in [
        ("gan_output", "gan_outputs"),
        ("./gan_outpts", "gan_outputs"),
        ("examples/face", "examples/faces"),
        ("gan_outputs/2.png", "gan_outputs/1.png"),
    ]:
        with pytest.raises(InputError, match="no such file or folder") as caught:
            open_source(wrong)
        assert right in caught.value.hint
    with pytest.raises(InputError) as caught:
        open_source("nowhere/face.png")
    assert "no folder nowhere" in caught.value.hint


@pytest.mark.parametrize("source", ["", [], ["a", ""]])
def test_nothing_is_no_source(source: str | list[str]) -> None:
    with pytest.raises(InputError, match="no source"):
        open_source(source)


def test_only_datasets_have_splits(tmp_path: Path) -> None:
    touch(tmp_path, "1.png")
    with pytest.raises(InputError, match="only datasets have splits"):
        open_source(str(tmp_path), split="train")
