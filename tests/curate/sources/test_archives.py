"""Tar archives: whole, cut off, damaged, hostile; alone, in folders, by pattern; with what lies beside the pictures."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curate.errors import InputError
from curate.metadata_sidecar import read_sidecars
from curate.sources import Input, Source, open_source
from curate.sources.tar import CUT_OFF, DAMAGED, members


def picture(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 0)).save(out, "PNG")
    return out.getvalue()


def packed(files: Mapping[str, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for name, data in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    return out.getvalue()


def names(source: Source) -> list[str]:
    return [item.image.rpartition("/")[2] for item in source]


def problems(source: Source) -> dict[str, str]:
    """What cannot be read, and why."""
    found = {}
    for item in source:
        try:
            item.read()
        except InputError as error:
            found[item.image.rpartition("/")[2]] = error.message
    return found


def test_what_webdataset_writes_is_read_by_reference(tmp_path: Path) -> None:
    with webdataset.ShardWriter(f"{tmp_path}/s-%06d.tar", maxcount=2, verbose=0) as writer:
        for i in range(5):
            writer.write({"__key__": f"{i:03}", "png": picture(i), "txt": f"face {i}", "cls": i})
    source = open_source(str(tmp_path))
    assert (source.kind, source.name, source.count, source.partial) == ("webdataset", tmp_path.name, 5, False)
    assert source.location == str(tmp_path)
    inputs = list(source)
    assert [item.image for item in inputs] == [f"{tmp_path}/s-{i // 2:06}.tar#{i:03}.png" for i in range(5)]
    assert [item.read() for item in inputs] == [picture(i) for i in range(5)]
    assert all(item.path is None and item.data is None for item in inputs)
    assert len(pickle.dumps(inputs)) < 400 * len(inputs)
    assert pickle.loads(pickle.dumps(inputs)) == inputs  # noqa: S301
    assert [read_sidecars(item)[0].texts["parameters"] for item in inputs] == [f"face {i}" for i in range(5)]


def test_the_contents_are_jumped_over(tmp_path: Path) -> None:
    class Counting(io.BytesIO):
        count = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.count += len(data)
            return data

    data = packed({f"{i}.png": bytes(100_000) for i in range(20)})
    file = Counting(data)
    assert len(list(members(file, len(data)))) == 20
    assert file.count < 20 * 3 * 512 + 1024


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_odd_names_are_names(tmp_path: Path, format: int) -> None:
    long = "folder/" * 12 + "x" * 90 + ".png"
    odd = [
        "a b.png",
        "ünï.png",
        "#1.png",
        "new\nline.png",
        *([] if format == tarfile.USTAR_FORMAT else [long]),
    ]
    (tmp_path / "a.tar").write_bytes(packed({name: picture(1) for name in odd}, format))
    source = open_source(str(tmp_path / "a.tar"))
    assert [item.image for item in source] == [f"{tmp_path}/a.tar#{name}" for name in odd]
    assert problems(source) == {}


def test_what_a_folder_passes_over_is_passed_over(tmp_path: Path) -> None:
    kept = ["a.png", "no_ending", "deep/er/b.JPG", "c.weird"]
    other = [
        "a.json",
        "a.cls",
        "a.npy",
        ".hidden.png",
        "__MACOSX/a.png",
        ".git/a.png",
        "old.scores/a.png",
        "x.mp4",
    ]
    (tmp_path / "a.tar").write_bytes(packed({name: picture(1) for name in [*kept, *other]}))
    assert [item.image.partition("#")[2] for item in open_source(str(tmp_path / "a.tar"))] == kept


def test_sidecars_are_those_of_the_name_or_of_the_key(tmp_path: Path) -> None:
    files = {
        "a.png": picture(1), "a.txt": b"smiling", "a.json": b'{"seed": 5}',
        "b.seg.png": picture(2), "b.txt": b"frowning",
        "sub/a.png": picture(3),
        "c.png": picture(4), "c.png.json": b'{"seed": 7}',
        "d.png": picture(5), "d.caption": b"123",
        "e.png": picture(6), "e.txt": b"\xff" * 99,
        "f.png": picture(7), "f.txt": b"x" * (2 << 20),
    }  # fmt: skip
    (tmp_path / "a.tar").write_bytes(packed(files))
    said = {
        item.image.partition("#")[2]: read_sidecars(item) for item in open_source(str(tmp_path / "a.tar"))
    }
    told = {name: [dict(one.texts) for one in some] for name, some in said.items()}
    assert told == {
        "a.png": [{"json": '{"seed": 5}'}, {"parameters": "smiling"}],
        "b.seg.png": [{"parameters": "frowning"}],
        "sub/a.png": [],
        "c.png": [{"json": '{"seed": 7}'}],
        "d.png": [],
        "e.png": [{}],
        "f.png": [{}],
    }
    assert said["e.png"][0].errors == ("e.txt is not text",)
    assert "too large" in said["f.png"][0].errors[0]


def test_an_archive_that_is_cut_off_gives_what_comes_before(tmp_path: Path) -> None:
    whole = packed({f"{i}.png": picture(i) for i in range(4)})
    place = tmp_path / "a.tar"
    size = 512 + 512  # header and picture
    for cut, good, last in [
        (2 * size + 540, 2, "a.tar#2.png"),
        (2 * size + 100, 2, "a.tar"),
        (4 * size, 4, "a.tar"),
    ]:
        place.write_bytes(whole[:cut])
        source = open_source(str(place))
        assert names(source) == [*(f"a.tar#{i}.png" for i in range(good)), last]
        assert problems(source) == {last: CUT_OFF}


def test_an_archive_that_is_damaged_in_the_middle_says_so(tmp_path: Path) -> None:
    data = bytearray(packed({f"{i}.png": picture(i) for i in range(4)}))
    data[2048:2060] = b"\xff" * 12  # the third header
    (tmp_path / "a.tar").write_bytes(data)
    source = open_source(str(tmp_path / "a.tar"))
    assert names(source) == ["a.tar#0.png", "a.tar#1.png", "a.tar"]
    assert problems(source) == {"a.tar": DAMAGED}


def test_hostile_members_are_rows_and_reach_nothing(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in ("/etc/passwd.png", "../../up.png", "a.png", "a.png"):
            header = tarfile.TarInfo(name)
            header.size = len(picture(1))
            tar.addfile(header, io.BytesIO(picture(1)))
        for name, kind, link in [
            ("link.png", tarfile.SYMTYPE, "/etc/passwd"), ("hard.png", tarfile.LNKTYPE, "/etc/passwd"),
            ("null.png", tarfile.CHRTYPE, ""), ("pipe.png", tarfile.FIFOTYPE, ""), ("folder.png", tarfile.DIRTYPE, ""),
        ]:  # fmt: skip
            header = tarfile.TarInfo(name)
            header.type, header.linkname = kind, link
            tar.addfile(header)
        giant = tarfile.TarInfo("giant.png")
        giant.size = 10 << 30
        tar.fileobj.write(giant.tobuf())  # type: ignore[union-attr]
    (tmp_path / "a.tar").write_bytes(out.getvalue())
    source = open_source(str(tmp_path / "a.tar"))
    images = [item.image.removeprefix(f"{tmp_path}/a.tar#") for item in source]
    good = ["/etc/passwd.png", "../../up.png", "a.png", "a.png (2)"]
    assert images == [*good, "link.png", "hard.png", "null.png", "pipe.png", "giant.png"]
    assert [item.read() for item in source if not item.problem] == [picture(1)] * 4
    found = {item.image.rpartition("#")[2]: item.problem for item in source if item.problem}
    link = "a link, which is not followed in an archive"
    assert found == {
        "link.png": link, "hard.png": link, "null.png": "not a regular file", "pipe.png": "not a regular file",
        "giant.png": CUT_OFF,
    }  # fmt: skip


def test_a_header_that_claims_gigabytes_costs_no_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.size, header.type = 10 << 30, tarfile.XHDTYPE
    with (tmp_path / "a.tar").open("wb") as file:
        file.write(packed({"a.png": picture(1)})[:1024] + header.tobuf())
        file.truncate(11 << 30)
    source = open_source(str(tmp_path / "a.tar"))
    assert names(source) == ["a.tar#a.png", "a.tar"]
    assert problems(source) == {"a.tar": DAMAGED}


def test_a_member_that_is_too_large_for_a_picture_is_not_read(tmp_path: Path) -> None:
    header = tarfile.TarInfo("a.png")
    header.size = 5 << 30
    with (tmp_path / "a.tar").open("wb") as file:
        file.write(header.tobuf(format=tarfile.GNU_FORMAT))
        file.truncate((5 << 30) + 512 + 1024)
    (item,) = open_source(str(tmp_path / "a.tar"))
    with pytest.raises(InputError, match="too large"):
        item.read()


@settings(deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes_end_and_raise_nothing(data: bytes) -> None:
    found = list(members(io.BytesIO(data), len(data)))
    assert all(member.offset + member.size <= len(data) for member in found)
    assert found
    assert found[-1].problem or not data.strip(b"\0")


@settings(deadline=None)
@given(st.integers(0, 4 * 1024 - 1), st.integers(0, 255))
def test_one_wrong_byte_never_loses_more_than_it_says(place: int, value: int) -> None:
    data = bytearray(packed({f"{i}.png": picture(i) for i in range(4)}))
    before = data[place]
    data[place] = value
    found = list(members(io.BytesIO(bytes(data)), len(data)))
    assert len(found) == 4 or found[-1].problem or value == before


def members_by_tarfile(data: bytes) -> list[tuple[str, int, int]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        return [(m.name, m.offset_data, m.size) for m in tar if m.isfile() and not m.issparse()]


ODD_NAMES = (
    "a.png", "d" * 90 + "/" + "e" * 90 + ".png", "x" * 240 + ".png", "été 漢.png", "s/", "z" * 100, "b\udcff.png"
)  # fmt: skip


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(ODD_NAMES), st.integers(0, 1500), st.sampled_from([0, 1.5, 2**40, -1]),
                       st.sampled_from("0567")), max_size=6),
    st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    st.sampled_from(["utf-8", "latin-1"]),
)  # fmt: skip
def test_plain_headers_are_read_as_pythons_own_reader_reads_them(
    files: list[tuple[str, int, float, str]], format: int, encoding: str
) -> None:
    out = io.BytesIO()
    with tarfile.open(
        fileobj=out, mode="w", format=format, encoding=encoding, errors="surrogateescape"
    ) as tar:
        for name, size, mtime, kind in files:
            header = tarfile.TarInfo(name)
            header.type, header.mtime = kind.encode(), mtime
            header.size = size if kind in "07" else 0
            with contextlib.suppress(ValueError):  # no room for it in this format
                tar.addfile(header, io.BytesIO(b"7" * size))
    data = out.getvalue()
    found = [(m.name, m.offset, m.size) for m in members(io.BytesIO(data), len(data)) if not m.problem]
    assert found == members_by_tarfile(data)


def test_pythons_own_reader_is_not_asked_for_plain_members(monkeypatch: pytest.MonkeyPatch) -> None:
    data = packed({f"{i}.png": picture(i) for i in range(50)})
    read: list[object] = []
    from_buffer = tarfile.TarInfo.frombuf.__func__  # type: ignore[attr-defined]

    def noted(kind: object, *arguments: object) -> object:
        read.append(kind)
        return from_buffer(kind, *arguments)

    monkeypatch.setattr(tarfile.TarInfo, "frombuf", classmethod(noted))
    assert len(list(members(io.BytesIO(data), len(data)))) == 50
    assert len(read) <= 2  # of the end


def test_patterns_braces_and_several_archives_are_one_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(4):
        (tmp_path / f"s-{i:03}.tar").write_bytes(packed({"a.png": picture(i)}))
    monkeypatch.chdir(tmp_path)
    every = [f"s-{i:03}.tar#a.png" for i in range(4)]
    for given_source, expected in [
        ("s-*.tar", every),
        ("s-{000..002}.tar", every[:3]),
        (["s-003.tar", "s-001.tar", "s-003.tar"], [every[3], every[1]]),
        ("s-{001,003}.tar", [every[1], every[3]]),
    ]:
        source = open_source(given_source)
        assert names(source) == expected
        assert (source.kind, source.partial) == ("webdataset", True)
    missing = open_source("s-{002..004}.tar")
    assert names(missing) == [*every[2:], "s-004.tar"]
    assert problems(missing) == {"s-004.tar": "no such file"}
    with pytest.raises(InputError, match="no such archive"):
        open_source("t-{000..004}.tar")


def test_many_archives_are_not_counted_for_a_progress_bar(tmp_path: Path) -> None:
    data = packed({"a.png": picture(1)})
    for i in range(65):
        (tmp_path / f"{i:02}.tar").write_bytes(data)
    assert open_source(str(tmp_path)).count is None
    assert open_source(f"{tmp_path}/{{00..63}}.tar").count == 64


def test_archives_among_pictures_are_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(packed({"a.png": picture(1)}))
    (tmp_path / "b.png").write_bytes(picture(2))
    source = open_source(str(tmp_path))
    assert (source.kind, names(source)) == ("folder", ["a.tar", "b.png"])


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.tar.zst"])
def test_a_compressed_archive_is_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"whatever")
    for source in (tmp_path / name, tmp_path):
        with pytest.raises(InputError, match="compressed") as caught:
            open_source(str(source))
        assert "gunzip" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"no archive" * 100, b"\0" * 10_240])
def test_what_is_no_archive_or_empty_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(InputError, match=r"no tar archive|no pictures in this archive"):
        open_source(str(tmp_path / "a.tar"))


def test_an_archive_that_vanishes_is_a_problem_of_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(packed({"a.json": json.dumps({}).encode(), "a.png": picture(1)}))
    (item,) = open_source(str(tmp_path / "a.tar"))
    assert isinstance(item, Input)
    (tmp_path / "a.tar").write_bytes(b"")
    with pytest.raises(InputError, match="ends before"):
        item.read()
    (tmp_path / "a.tar").unlink()
    with pytest.raises(InputError, match="no such file"):
        item.read()
    assert read_sidecars(item)[0].errors == ("a.json cannot be read: no such file",)
