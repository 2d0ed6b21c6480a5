"""Places: what a score set needs of a folder, it has at a URL, too."""

from __future__ import annotations

import contextlib
import pickle
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import s3server
from s3server import Bucket

from curate.errors import InputError
from curate.place import Remote, place_of, replacing, write_whole
from curate.urls import filesystem, is_url


def remote(bucket: Bucket, name: str = "x.scores") -> Remote:
    place = place_of(f"{bucket.url}/{name}")
    assert isinstance(place, Remote)
    return place


def test_paths_stay_paths_and_urls_do_not_collapse() -> None:
    assert place_of("a/b.scores") == Path("a/b.scores")
    assert place_of("file:///sets/a.scores") == Path("/sets/a.scores")
    assert str(place_of("S3://bucket/a.scores/")) == "s3://bucket/a.scores"
    assert is_url("gs://b/k")
    assert not is_url("C:\\pictures")
    assert not is_url(Path("s3:/b"))


def test_names_are_those_of_paths() -> None:
    place = place_of("s3://b/sets/a.scores") / "part-000001.parquet"
    assert (place.name, place.stem) == ("part-000001.parquet", "part-000001")
    assert str(place.with_name("manifest.json")) == "s3://b/sets/a.scores/manifest.json"


def test_what_is_written_is_listed_at_once(s3: Bucket) -> None:
    folder = remote(s3)
    assert not folder.exists()
    assert list(folder.iterdir()) == []
    write_whole(folder / "a", b"one")
    first = folder.listing()
    assert folder.is_dir()
    assert not (folder / "a").is_dir()
    write_whole(folder / "a", b"two")
    write_whole(folder / "deep" / "b", b"four")
    second = folder.listing()
    assert {name: size for name, (size, _) in second.items()} == {"a": 3}
    assert first["a"] != second["a"]
    assert {place.name for place in folder.iterdir()} == {"a", "deep"}
    s3.delete("x.scores/a")
    assert {place.name for place in folder.iterdir()} == {"deep"}


def test_a_file_can_be_written_only_where_there_is_none(s3: Bucket) -> None:
    place = remote(s3) / ".lock"
    place.write_bytes(b"mine", new=True)
    with pytest.raises(FileExistsError):
        place.write_bytes(b"yours", new=True)
    assert place.read_bytes() == b"mine"


def test_what_is_not_there_is_said_as_of_a_path(s3: Bucket) -> None:
    gone = remote(s3) / "gone"
    with pytest.raises(FileNotFoundError):
        gone.read_bytes()
    gone.unlink(missing_ok=True)
    (gone.with_name("old")).write_bytes(b"x")
    gone.with_name("old").replace(gone)
    assert s3.keys() == ["x.scores/gone"]


def test_a_place_pickles_without_a_connection(s3: Bucket) -> None:
    place = remote(s3)
    place.exists()
    pickled = pickle.dumps(place)
    assert len(pickled) < 200
    assert pickle.loads(pickled) == place  # noqa: S301


@pytest.mark.parametrize(
    ("url", "said", "hint"),
    [
        ("gs://b/a", "not installed", 'pip install "curate-faces[gcs]"'),
        ("s3://", "no bucket", "s3://BUCKET/NAME.scores"),
        ("nosuch://b/a", "nothing here can reach", "s3://"),
    ],
)
def test_a_url_that_cannot_be_reached_says_why(
    url: str, said: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)  # a base install has none
    with pytest.raises(InputError, match=said) as error:
        filesystem(str(place_of(url)))
    assert hint in error.value.hint


def test_a_missing_bucket_is_said_when_something_is_written(s3: Bucket) -> None:
    with pytest.raises(InputError, match="no such bucket") as error:
        write_whole(place_of("s3://no-such-bucket-of-ours/a.scores") / "a", b"x")
    assert error.value.where == "s3://no-such-bucket-of-ours/a.scores/a"


def test_no_error_holds_a_credential(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:hidden-password@127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3server.forget()
    with pytest.raises(InputError, match="cannot be reached") as error:
        remote(s3).exists()
    assert error.value.where == f"{s3.url}/x.scores"
    assert error.value.hint
    said = f"{error.value} {error.value.hint}"
    assert "secret" not in said
    assert "hidden" not in said


class Refusal(BaseHTTPRequestHandler):
    """A store that lets nobody in."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        said = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def refusing(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    s3server.forget()
    yield s3
    server.shutdown()
    server.server_close()


def test_denied_access_is_said(refusing: Bucket) -> None:
    place = remote(refusing)
    for denied in (place.listing, (place / "a").read_bytes, lambda: write_whole(place / "a", b"x")):
        with pytest.raises(InputError, match="access is denied") as error:
            denied()
        assert error.value.where.startswith(str(place))
        assert "AWS_PROFILE" in error.value.hint


def test_missing_credentials_are_said(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    s3server.forget()
    with pytest.raises(InputError, match="no credentials") as error:
        (remote(s3) / "a").read_bytes()
    assert "AWS_PROFILE" in error.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:hidden@bucket/a.scores",
        "s3://hidden@bucket/a.scores",
        "s3://key:hid/hidden+/den@bucket/a.scores",  # AWS's secrets are like that
        "gs://key:/hidden@bucket/a.scores",
        "https://me:hid/hidden@bucket/a.scores",
    ],
)
def test_a_password_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InputError, match="no place for a password") as error:
        place_of(url)
    assert "hidden" not in f"{error.value} {error.value.hint}"
    assert error.value.where == f"{url.partition(':')[0]}://bucket/a.scores"


@pytest.mark.parametrize(
    "url", ["https://host/a.scores?X-Amz-Signature=hidden", "s3://host/a.scores?key=hidden"]
)
def test_a_signature_in_the_url_of_a_set_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InputError, match="signed URL") as error:
        place_of(url)
    assert "hidden" not in f"{error.value} {error.value.hint}"


def test_a_server_that_never_answers_is_not_asked_for_ever(
    s3: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.config import conf

    monkeypatch.setitem(conf, "s3", {"config_kwargs": {"read_timeout": 0.1}})
    with socket.create_server(("127.0.0.1", 0), backlog=100) as mute:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{mute.getsockname()[1]}")
        s3server.forget()
        with pytest.raises(InputError, match="cannot be reached"):
            remote(s3).read_bytes()
        mute.settimeout(0)
        asked = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                mute.accept()[0].close()
                asked += 1
    # Each time costs 15 s where nothing else is configured.
    assert 2 <= asked <= 6


def test_two_writers_of_one_file_do_not_share_a_temporary_name(tmp_path: Path) -> None:
    target = tmp_path / "part-000000.parquet"
    with replacing(target) as first:
        first.write_bytes(b"first")
        with replacing(target) as second:
            assert second != first
            second.write_bytes(b"second")
        assert target.read_bytes() == b"second"
    assert target.read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
