"""Pictures behind URLs: a real S3 server, and servers of HTTP that fail in every way there is."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import s3server
from PIL import Image
from s3server import Bucket

from curate.errors import InputError
from curate.metadata_sidecar import read_sidecars
from curate.sources import Source, open_source, remote
from curate.sources.reading import read_together
from curate.sources.remote import check_url, reason, shown
from curate.sources.source import url_input


def picture(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 0)).save(out, "PNG")
    return out.getvalue()


def fill(s3: Bucket, *keys: str) -> None:
    for key in keys:
        s3.put(key, key.encode())


def names(source: Source, s3: Bucket) -> list[str]:
    assert all(item.image.startswith(f"{s3.url}/") for item in source)
    return [item.image.removeprefix(f"{s3.url}/") for item in source]


# --- names


@pytest.mark.parametrize(
    ("url", "may_be_shown"),
    [
        ("s3://bucket/a b/ü#1.png", "s3://bucket/a b/ü#1.png"),
        ("S3://bucket/what?.png", "s3://bucket/what?.png"),
        ("s3://key:secret@bucket/x.png", "s3://bucket/x.png"),
        ("s3://key:begin/secret+/end@bucket/x.png", "s3://bucket/x.png"),
        ("s3://key:begin/secret", "s3://key"),
        ("s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/mine/x.png",) * 2,
        ("https://me:begin/secret@host:80/x.png", "https://host:80/x.png"),
        ("https://[::1]:80/x@2.png", "https://[::1]:80/x@2.png"),
        ("s3://bucket/x.png?X-Amz-Signature=secret&y=1", "s3://bucket/x.png"),
        ("https://me:secret@host:80/x.png?sig=secret#secret", "https://host:80/x.png"),
        ("https://host/x.png?", "https://host/x.png"),
        (
            "abfs://container@account.dfs.core.windows.net/x.png",
            "abfs://container@account.dfs.core.windows.net/x.png",
        ),
        ("abfs://x:secret@account/x.png?sas=secret", "abfs://account/x.png"),
        ("hf://datasets/o/n@main/x.png", "hf://datasets/o/n@main/x.png"),
        ("/a/path?secret", "/a/path?secret"),
    ],
)
def test_nothing_secret_is_shown_of_a_url(url: str, may_be_shown: str) -> None:
    assert shown(url) == may_be_shown
    assert shown(may_be_shown) == may_be_shown


@pytest.mark.parametrize(
    "url", ["s3://key:secret@bucket/x.png", "https://secret@host/x.png", "s3://key:a/secret@bucket/x.png"]
)
def test_credentials_in_a_url_are_refused_and_not_repeated(url: str) -> None:
    for call in (check_url, open_source):
        with pytest.raises(InputError, match="credentials do not belong") as caught:
            call(url)
        assert "secret" not in f"{caught.value}{caught.value.hint}{caught.value.where}"
    assert "secret" not in repr(url_input(url))


def test_a_signed_url_is_read_and_not_shown() -> None:
    item = url_input("https://host/x.png?X-Amz-Signature=secret")
    assert item.image == "https://host/x.png"
    assert "secret" not in repr(item)
    assert b"secret" in pickle.dumps(item)


# --- folders, patterns, files, lists


def test_a_folder_of_a_bucket_is_walked_as_one_of_a_disk(s3: Bucket, tmp_path: Path) -> None:
    kept = [
        "b.png",
        "a.jpg",
        "B.png",
        "c/10.png",
        "c/2.png",
        "ü.png",
        "q?.png",
        "#1.png",
        "50%20.png",
        "no_ending",
    ]
    other = ["a.txt", ".hid.png", ".git/a.png", "old.scores/p.png", "__MACOSX/a.png", "t.parquet"]
    for name in [*kept, *other]:
        s3.put(f"faces/{name}", name.encode())
        path = tmp_path / "faces" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    source = open_source(f"{s3.url}/faces")
    assert (source.kind, source.name, source.location) == ("folder", "faces", f"{s3.url}/faces")
    assert (source.count, source.partial) == (len(kept), False)
    here = open_source(str(tmp_path / "faces"))
    assert names(source, s3) == [item.image.removeprefix(f"{tmp_path}/") for item in here]
    assert [item.read() for item in source] == [item.read() for item in here]
    assert all(item.path is None and item.data is None for item in source)
    assert list(source) == list(open_source(f"{s3.url}/faces/"))


def test_keys_that_are_no_paths_are_found_too(s3: Bucket) -> None:
    fill(s3, "a//x.png", "/y.png", "a/b.png", "a/b.png/c.png")
    s3.put("a/", b"")
    assert sorted(names(open_source(s3.url), s3)) == sorted(
        ["a/b.png", "/y.png", "a//x.png", "a/b.png/c.png"]
    )
    assert {item.read().decode() for item in open_source(s3.url)} == {
        "a/b.png",
        "/y.png",
        "a//x.png",
        "a/b.png/c.png",
    }


def test_a_folder_is_listed_page_by_page_without_its_details(
    s3: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_threads = 8
    keys = [f"many/{i:05}.png" for i in range(2200)]
    some = [keys[i::with_threads] for i in range(with_threads)]
    threads = [threading.Thread(target=fill, args=(s3, *part)) for part in some]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(open_source(f"{s3.url}/many"), s3) == keys
    assert open_source(f"{s3.url}/many").count == 2200
    monkeypatch.setattr("curate.sources.bucket._COUNTED", 1500)
    assert open_source(f"{s3.url}/many").count is None
    source = open_source(f"{s3.url}/many")
    tracemalloc.start()
    assert sum(1 for _ in source) == 2200
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


def test_nothing_of_a_listing_is_kept(s3: Bucket) -> None:
    fill(s3, "f/1.png")
    source = open_source(f"{s3.url}/f")
    assert names(source, s3) == ["f/1.png"]
    fill(s3, "f/2.png")
    assert names(source, s3) == ["f/1.png", "f/2.png"]
    s3.delete("f/1.png")
    assert names(source, s3) == ["f/2.png"]


def test_patterns_match_as_on_a_disk(s3: Bucket) -> None:
    fill(
        s3,
        "out/b.png",
        "out/a.png",
        "out/a.txt",
        "out/c.jpg",
        "out/.hid.png",
        "out/x/d.png",
        "e.png",
        "o[1].png",
    )
    for pattern, expected in [
        ("out/*.png", ["out/a.png", "out/b.png"]),
        ("out/*", ["out/a.png", "out/b.png", "out/c.jpg", "out/x/d.png"]),
        ("out/[ab].png", ["out/a.png", "out/b.png"]),
        ("**/*.png", ["e.png", "o[1].png", "out/a.png", "out/b.png", "out/x/d.png"]),
        ("o*/?/*.png", ["out/x/d.png"]),
        ("out/**", ["out/a.png", "out/b.png", "out/c.jpg", "out/x/d.png"]),
        ("o[1].png", ["o[1].png"]),
    ]:
        source = open_source(f"{s3.url}/{pattern}")
        assert names(source, s3) == expected, pattern
        assert (source.kind, source.partial) == ("files", True)
    with pytest.raises(InputError, match="no pictures here"):
        open_source(f"{s3.url}/*.gif")
    with pytest.raises(InputError, match="a bucket is named"):
        open_source("s3://*/x.png")


def test_files_folders_and_paths_can_be_mixed(s3: Bucket, tmp_path: Path) -> None:
    fill(s3, "a.png", "f/b.png", "f/c.png", "f/c.txt")
    (tmp_path / "d.png").write_bytes(b"d")
    given = [
        f"{s3.url}/a.png",
        f"{s3.url}/f/",
        str(tmp_path / "d.png"),
        f"{s3.url}/gone.png",
        f"{s3.url}/a.png",
    ]
    inputs = list(open_source(given))
    assert [item.image.rpartition("/")[2] for item in inputs] == [
        "a.png",
        "b.png",
        "c.png",
        "d.png",
        "gone.png",
    ]
    read = list(read_together(inputs))
    assert read[:4] == [b"a.png", b"f/b.png", b"f/c.png", b"d"]
    assert isinstance(read[4], InputError)
    assert read[4].message == "no such file"


def test_a_list_names_urls_and_paths_beside_itself(s3: Bucket, tmp_path: Path) -> None:
    fill(s3, "faces/a.png", "lists/b.png")
    text = f"../faces/a.png\nb.png\n{s3.url}/faces/a.png\n/etc/passwd\nhttps://me:secret@host/x.png\n"
    source = open_source(s3.put("lists/l.txt", text.encode()))
    images = [item.image for item in source]
    assert images == [f"{s3.url}/faces/a.png", f"{s3.url}/lists/b.png", "/etc/passwd", "https://host/x.png"]
    assert (source.kind, source.name, source.location) == ("list", "l", f"{s3.url}/lists/l.txt")
    first, second, path, secret = source
    assert (first.read(), second.read()) == (b"faces/a.png", b"lists/b.png")
    for item, words in ((path, "cannot name files of this machine"), (secret, "credentials do not belong")):
        with pytest.raises(InputError, match=words):
            item.read()
    (tmp_path / "l.txt").write_text(f"{s3.url}/faces/a.png\n")
    assert [item.read() for item in open_source(str(tmp_path / "l.txt"))] == [b"faces/a.png"]


def test_sidecars_that_the_listing_shows_are_read(s3: Bucket) -> None:
    fill(s3, "f/a.png", "f/b.png", "g/a.txt")
    s3.put("f/a.txt", b"a smiling woman")
    s3.put("f/a.png.json", b'{"seed": 5}')
    one, two = open_source(f"{s3.url}/f")
    assert [dict(said.texts) for said in read_sidecars(one)] == [
        {"json": '{"seed": 5}'},
        {"parameters": "a smiling woman"},
    ]
    assert read_sidecars(two) == ()
    s3.delete("f/a.txt")
    assert read_sidecars(one)[1].errors == ("a.txt cannot be read: no such file",)


# --- tables and archives


def test_parquet_of_a_bucket_is_read_by_reference(s3: Bucket) -> None:
    def shard(numbers: list[int]) -> bytes:
        out = io.BytesIO()
        cells = [{"bytes": picture(n), "path": None} for n in numbers]
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        table = pa.table({"image": pa.array(cells, kind), "prompt": [f"face {n}" for n in numbers]})
        pq.write_table(table, out, row_group_size=2)
        return out.getvalue()

    s3.put("p/train-00000-of-00002.parquet", shard([0, 1, 2]))
    s3.put("p/train-00001-of-00002.parquet", shard([3]))
    s3.put("p/test-00000-of-00001.parquet", shard([9]))
    source = open_source(f"{s3.url}/p")
    assert (source.kind, source.count, source.name) == ("dataset", 5, "p")
    rows = [f"{s3.url}/p#train/{i}" for i in range(4)] + [f"{s3.url}/p#test/0"]
    assert [item.image for item in source] == rows
    assert [item.read() for item in source] == [picture(n) for n in (0, 1, 2, 3, 9)]
    assert next(iter(source)).said[0].texts == {"prompt": "face 0"}
    assert [item.image for item in open_source(f"{s3.url}/p", split="test")] == rows[4:]
    one = open_source(f"{s3.url}/p/test-00000-of-00001.parquet")
    assert [item.image for item in one] == [f"{s3.url}/p/test-00000-of-00001.parquet#train/0"]
    several = open_source(f"{s3.url}/p/train*.parquet")
    assert [item.read() for item in several] == [picture(n) for n in range(4)]
    with pytest.raises(InputError, match="no split `valid`"):
        open_source(f"{s3.url}/p", split="valid")
    s3.put("bad/t.parquet", b"PAR1")
    with pytest.raises(InputError):
        open_source(f"{s3.url}/bad")


def test_archives_of_a_bucket_are_read_by_ranges(s3: Bucket) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in {"a.png": picture(1), "a.txt": b"a face", "b.png": picture(2)}.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    for i in range(6):
        s3.put(f"t/s-{i:02}.tar", out.getvalue() if i != 3 else out.getvalue()[:1100])
    source = open_source(f"{s3.url}/t")
    whole = [f"t/s-{i:02}.tar#{name}.png" for i in range(6) for name in "ab"]
    expected = [name for name in whole if name != "t/s-03.tar#b.png"]
    expected.insert(expected.index("t/s-03.tar#a.png") + 1, "t/s-03.tar")
    assert names(source, s3) == expected
    assert (source.kind, source.location) == ("webdataset", f"{s3.url}/t")
    read = dict(zip(expected, read_together(list(source)), strict=True))
    assert {data for name, data in read.items() if name.endswith("a.png")} == {picture(1)}
    assert isinstance(read["t/s-03.tar"], InputError)
    first = next(iter(source))
    assert read_sidecars(first)[0].texts == {"parameters": "a face"}
    assert names(open_source(f"{s3.url}/t/s-{{00..01}}.tar"), s3) == whole[:4]
    assert names(open_source(f"{s3.url}/t/*[45].tar"), s3) == whole[8:]


# --- what goes wrong


def test_errors_of_a_bucket_say_what_to_do(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(s3, "f/notes.txt")
    for url, words in [
        (f"{s3.url}/f", "no pictures here"),
        (f"{s3.url}/gone", "no such file or folder"),
        ("s3://no-such-bucket-here/x", "no such file or folder"),
        ("s3://", "no bucket is named"),
        (f"{s3.url}/f/notes.tar.gz", "no such file or folder"),
        ("nothing://x/y", "nothing here can reach"),
    ]:
        with pytest.raises(InputError, match=words) as caught:
            open_source(url)
        assert caught.value.hint
    with pytest.raises(InputError) as caught:
        open_source("gs://bucket/faces")
    assert caught.value.hint == 'pip install "curate-faces[gcs]"'
    fill(s3, "x.scores/manifest.json")
    with pytest.raises(InputError, match="a score set"):
        open_source(f"{s3.url}/x.scores")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(remote, "_PAUSES", (0.0,))
    s3server.forget()
    with pytest.raises(InputError, match="cannot be read"):
        open_source(f"{s3.url}/f")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    s3server.forget()
    with pytest.raises(InputError, match=r"cannot be read|denied"):
        open_source(f"{s3.url}/f")


def test_an_object_that_vanishes_or_is_empty_is_a_row_of_its_own(s3: Bucket) -> None:
    fill(s3, "f/1.png", "f/2.png")
    s3.put("f/3.png", b"")
    inputs = list(open_source(f"{s3.url}/f"))
    s3.delete("f/2.png")
    one, two, three = read_together(inputs)
    assert (one, three) == (b"f/1.png", b"")
    assert isinstance(two, InputError)
    assert (two.message, two.where) == ("no such file", "")


class Web(ThreadingHTTPServer):
    """Answers with the statuses in `answers`, one after the other, and then with `body`."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answers: dict[str, list[int]] = {}
        self.asked: Counter[str] = Counter()
        self.body = b"the picture"
        self.ranges = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                outer.asked[path] += 1
                left = outer.answers.get(path, [])
                status = left.pop(0) if left else 200
                body = outer.body if status == 200 else b"secret token"
                part = (self.headers.get("Range") or "").removeprefix("bytes=").partition("-")
                if status == 200 and part[1] and outer.ranges:
                    body, status = body[int(part[0]) : int(part[2]) + 1], 206
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, *args: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(remote, "_PAUSES", (0.01, 0.01))
    server = Web()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_may_pass_is_tried_again_and_what_will_not_is_not(web: Web) -> None:
    web.answers = {"/slow": [503, 500], "/gone": [404] * 9, "/closed": [403] * 9, "/broken": [500] * 9}
    assert url_input(f"{web.url}/slow?key=secret").read() == b"the picture"
    for path, words, tries in [("/gone", "no such file", 1), ("/closed", "denied", 1), ("/broken", "500", 3)]:
        with pytest.raises(InputError, match=words) as caught:
            url_input(f"{web.url}{path}?key=secret").read()
        assert "secret" not in f"{caught.value!r}{caught.value.__cause__}"
        assert web.asked[path] == tries


def test_what_has_been_tried_for_long_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def call() -> None:
        asked.append(1)
        time.sleep(0.02)
        raise TimeoutError

    monkeypatch.setattr(remote, "_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(remote, "_LONG", 0.01)
    with pytest.raises(TimeoutError):
        remote.patiently(call)
    assert len(asked) == 1


def test_a_server_that_hands_out_no_parts_is_said_to(web: Web) -> None:
    web.ranges = False
    with pytest.raises(InputError, match="does not hand out parts"):
        remote.read_url(f"{web.url}/a.tar", 4, 3)
    web.ranges = True
    assert remote.read_url(f"{web.url}/a.tar", 4, 3) == b"pic"
    with pytest.raises(InputError, match="ends before"):
        remote.read_url(f"{web.url}/a.tar", 4, 300)


def test_more_than_a_picture_can_be_is_not_taken(web: Web) -> None:
    assert remote.read_url(f"{web.url}/a.png", most=11) == b"the picture"
    with pytest.raises(InputError, match="too large: more than 10 bytes"):
        remote.read_url(f"{web.url}/a.png", most=10)


def test_pictures_of_the_web_that_differ_in_what_is_not_shown_stay_two(web: Web, tmp_path: Path) -> None:
    text = "".join(f"{web.url}/x.png?id={i}\n" for i in (1, 2, 1))
    (tmp_path / "l.txt").write_text(text)
    source = open_source(str(tmp_path / "l.txt"))
    first, second = source
    assert first.image == f"{web.url}/x.png"
    assert second.image.startswith(f"{web.url}/x.png#")
    assert list(source) == [first, second]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError("https://h/x?secret"), "no such file"),
        (PermissionError("secret"), "cannot be read: access is denied"),
        (TimeoutError("secret"), "cannot be read: the server does not answer in time"),
        (OSError(5, "secret"), "cannot be read: OSError"),
        (OSError(28, "secret"), "cannot be read: no space left on device"),
        (RuntimeError("secret"), "cannot be read: RuntimeError"),
    ],
)
def test_nothing_that_a_library_says_is_repeated(error: Exception, words: str) -> None:
    assert reason(error) == words


def test_inputs_are_read_in_any_process_with_its_own_connections(s3: Bucket, tmp_path: Path) -> None:
    fill(s3, "f/1.png", "f/2.png")
    inputs = list(open_source(f"{s3.url}/f"))
    assert [item.read() for item in inputs] == [b"f/1.png", b"f/2.png"]  # so that a connection is open here
    (tmp_path / "inputs.pickle").write_bytes(pickle.dumps(inputs))
    code = "import pickle, sys; print([item.read() for item in pickle.load(open(sys.argv[1], 'rb'))])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "inputs.pickle")],
        capture_output=True, text=True, check=True, env={**os.environ, **s3.env},
    )  # fmt: skip
    assert done.stdout == "[b'f/1.png', b'f/2.png']\n"
    assert "secret" not in done.stderr


def test_an_archive_that_is_out_of_reach_ends_the_run_and_one_that_is_closed_is_a_row(web: Web) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        header = tarfile.TarInfo("a.png")
        header.size = len(picture(1))
        tar.addfile(header, io.BytesIO(picture(1)))
    web.body = out.getvalue()
    web.answers = {"/passes.tar": [503, 503]}
    assert [item.read() for item in open_source(f"{web.url}/passes.tar")] == [picture(1)]
    web.answers = {"/b.tar": [503] * 99}
    with pytest.raises(InputError, match="503"):
        list(open_source([f"{web.url}/a.tar", f"{web.url}/b.tar"]))
    web.answers = {"/b.tar": [404] * 99}
    two = list(open_source([f"{web.url}/a.tar", f"{web.url}/b.tar"]))
    assert [item.problem for item in two] == ["", "no such file"]


def test_a_table_is_read_on_after_the_network_was_gone(web: Web) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"image": [picture(i) for i in range(60)]}), out, row_group_size=30)
    web.body = out.getvalue()
    inputs = list(open_source(f"{web.url}/t.parquet"))
    assert inputs[0].read() == picture(0)
    web.answers = {"/t.parquet": [503]}
    assert [item.read() for item in inputs] == [picture(i) for i in range(60)]
