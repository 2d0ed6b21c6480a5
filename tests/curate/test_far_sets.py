"""Sets of pictures that are no files here: scored, gone on with, looked at, and handed on."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from pictures import noise
from polars.testing import assert_frame_equal
from runs import rows
from s3server import Bucket
from typer.testing import CliRunner

from curate import InputError, open_scores, score
from curate.app import app
from curate.browsing.media import files_of, keep_pictures
from curate.errors import ExportError
from curate.exports.export import export
from curate.manifest import SourceRecord, read_manifest
from curate.pictures import CHANGED, read_pictures

SCORERS = ("fake", "generation")


@pytest.fixture
def made(tmp_path: Path) -> dict[str, bytes]:
    """Six pictures in two folders, two with prompts beside them, by their paths."""
    folder = tmp_path / "made"
    files: dict[str, bytes] = {}
    for i in range(6):
        name = f"{'ab'[i % 2]}/{i}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        noise(folder / name, 40 + i, seed=i)
        files[name] = (folder / name).read_bytes()
    files["a/0.txt"] = b"a smiling woman"
    files["b/1.json"] = b'{"prompt": "an awed man", "seed": 5}'
    return files


def put(s3: Bucket, files: Mapping[str, bytes], below: str = "faces") -> str:
    for name, data in files.items():
        s3.put(f"{below}/{name}", data)
    return f"{s3.url}/{below}"


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def pack(path: Path, files: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    return path


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_bucket_an_archive_and_a_folder_give_the_same_rows(
    made: dict[str, bytes], s3: Bucket, tmp_path: Path
) -> None:
    sources = {
        str(write(tmp_path / "here", made)): "/",
        put(s3, made): "/",
        str(pack(tmp_path / "t/all.tar", made)): "#",
    }
    frames = []
    for i, (source, between) in enumerate(sources.items()):
        summary = score(source, tmp_path / f"{i}.scores", scorers=SCORERS, workers=1)
        assert summary.complete
        found = rows(tmp_path / f"{i}.scores").sort("image")
        frames.append(found.with_columns(pl.col("image").str.strip_prefix(f"{source}{between}")))
        assert read_manifest(tmp_path / f"{i}.scores").source.location == source
    assert frames[0]["image"].to_list() == sorted(name for name in made if name.endswith(".png"))
    assert frames[0].filter(pl.col("image") == "b/1.png")["seed"].to_list() == [5]
    assert_frame_equal(frames[0], frames[1])
    assert_frame_equal(frames[0], frames[2])


def test_a_set_from_a_bucket_goes_on_by_content_and_holds_no_secret(
    made: dict[str, bytes], s3: Bucket, tmp_path: Path
) -> None:
    url, out = put(s3, made), tmp_path / "x.scores"
    score(url, out, scorers=SCORERS, workers=1)
    again = score(url, out, scorers=SCORERS, workers=1)
    assert (again.scored, again.kept) == (0, 6)
    s3.delete("faces/a/0.png")
    s3.put("faces/a/2.png", made["b/5.png"] + b"\n")
    s3.put("faces/c/moved.png", made["b/1.png"])
    s3.delete("faces/b/1.png")
    again = score(url, out, scorers=SCORERS, workers=1)
    assert (again.scored, again.kept) == (1, 4)
    images = sorted(rows(out)["image"].str.strip_prefix(url))
    assert images == ["/a/2.png", "/a/4.png", "/b/3.png", "/b/5.png", "/c/moved.png"]
    with pytest.raises(InputError, match="was made from"):
        score(put(s3, made, "others"), out, scorers=SCORERS, workers=1)
    for path in out.rglob("*"):
        if path.is_file():
            assert b"very-secret" not in path.read_bytes()


def test_an_object_that_cannot_be_read_is_a_row(made: dict[str, bytes], s3: Bucket, tmp_path: Path) -> None:
    url = put(s3, made)
    (tmp_path / "l.txt").write_text(f"{url}/a/0.png\n{url}/gone.png\n")
    score(str(tmp_path / "l.txt"), tmp_path / "x.scores", scorers=SCORERS, workers=1)
    found = rows(tmp_path / "x.scores").sort("image").select("image", "status", "error")
    assert found.rows() == [(f"{url}/a/0.png", "ok", None), (f"{url}/gone.png", "unreadable", "no such file")]


def test_the_command_names_the_set_after_the_folder(
    made: dict[str, bytes], s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["score", put(s3, made), "--scorers", "fake", "--workers", "1", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["inputs"] == 6
    assert (tmp_path / "faces.scores").is_dir()
    done = CliRunner().invoke(app, ["score", "s3://id:very-secret@bucket/faces"])
    assert done.exit_code == 1
    assert "very-secret" not in done.output


def test_tables_of_metadata_lie_in_buckets_too(made: dict[str, bytes], s3: Bucket, tmp_path: Path) -> None:
    tables = {
        "metadata.csv": b"file_name,prompt\na/2.png,outer\nb/3.png,outer\n",
        "b/metadata.jsonl": b'{"file_name": "3.png", "prompt": "inner"}\n',
    }
    url = put(s3, made | tables)

    def prompts(out: Path) -> dict[str, str | None]:
        return dict(rows(out).select(pl.col("image").str.strip_prefix(f"{url}/"), "prompt").iter_rows())

    score(url, tmp_path / "x.scores", scorers=SCORERS, workers=1)
    assert prompts(tmp_path / "x.scores") == {
        "a/0.png": "a smiling woman", "a/2.png": "outer", "a/4.png": None, "b/1.png": "an awed man",
        "b/3.png": "inner", "b/5.png": None,
    }  # fmt: skip
    named = s3.put("tables/t.csv", b"file_name,prompt\na/4.png,named\n")
    summary = score(url, tmp_path / "x.scores", scorers=SCORERS, workers=1, metadata=named)
    assert prompts(tmp_path / "x.scores")["a/4.png"] == "named"
    assert any("1 of the 6" in warning for warning in summary.warnings)
    with pytest.raises(InputError, match="signed URL") as caught:
        score(url, tmp_path / "x.scores", metadata="https://host/t.csv?sig=very-secret")
    assert "secret" not in str(caught.value)


def test_tables_name_members_of_archives(made: dict[str, bytes], tmp_path: Path) -> None:
    pack(tmp_path / "all.tar", made)
    (tmp_path / "t.csv").write_text("file_name,prompt\na/2.png,whole\n5.png,bare\n")
    out = tmp_path / "x.scores"
    score(str(tmp_path / "all.tar"), out, scorers=SCORERS, workers=1, metadata=tmp_path / "t.csv")
    prompts = dict(rows(out).select(pl.col("image").str.split("#").list.last(), "prompt").iter_rows())
    assert (prompts["a/2.png"], prompts["b/5.png"], prompts["a/4.png"]) == ("whole", "bare", None)


def test_pictures_are_found_again_wherever_they_are(
    made: dict[str, bytes], s3: Bucket, tmp_path: Path
) -> None:
    url, tar = put(s3, made), pack(tmp_path / "all.tar", made)
    s3.put("t/all.tar", tar.read_bytes())
    record = SourceRecord(kind="folder", location=url)
    wanted: dict[str, str | None] = {
        f"{url}/b/5.png": digest(made["b/5.png"]),
        f"{url}/a/0.png": digest(b"other"),
        f"{url}/gone.png": None,
    }
    found = list(read_pictures(record, wanted))
    assert [picture.image for picture in found] == list(wanted)
    assert [picture.problem for picture in found] == [None, CHANGED, "no such file"]
    assert found[0].data == made["b/5.png"]
    for place in (str(tar), f"{s3.url}/t/all.tar"):
        record = SourceRecord(kind="webdataset", location=place)
        wanted = {
            f"{place}#b/5.png": digest(made["b/5.png"]),
            f"{place}#a/0.png": digest(made["a/0.png"]),
            f"{place}#renamed.png": digest(made["b/3.png"]),
            f"{place}#gone.png": digest(b"gone"),
            f"{url}/a/2.png": digest(made["a/2.png"]),
        }
        by_name = {picture.image: picture for picture in read_pictures(record, wanted)}
        assert by_name.keys() == wanted.keys()
        assert {image for image, picture in by_name.items() if picture.problem} == {f"{place}#gone.png"}
        assert by_name[f"{place}#renamed.png"].data == made["b/3.png"]
        assert by_name[f"{url}/a/2.png"].data == made["a/2.png"]


@pytest.mark.parametrize("where", ["bucket", "archive"])
def test_a_set_is_exported_and_shown(made: dict[str, bytes], s3: Bucket, tmp_path: Path, where: str) -> None:
    source = put(s3, made) if where == "bucket" else str(pack(tmp_path / "t/all.tar", made))
    out = tmp_path / "x.scores"
    score(source, out, scorers=SCORERS, workers=1)
    foreseen = export(out, tmp_path / "train", to="folder", dry_run=True)
    assert (foreseen.pictures, foreseen.bytes) == (6, None)
    done = export(out, tmp_path / "train", to="folder")
    assert done.pictures == 6
    copies = {path.name: path.read_bytes() for path in (tmp_path / "train").rglob("*.png")}
    assert copies == {Path(name).name: data for name, data in made.items() if name.endswith(".png")}
    with pytest.raises(ExportError, match="no file of its own here"):
        export(out, tmp_path / "links", to="folder", mode="symlink")
    scores = open_scores(out)
    frame = scores.read()
    places = files_of(scores.manifest.source, frame)
    assert places.keys() == set(frame["image"])
    keep_pictures(scores.manifest.source, frame.lazy())
    assert {digest(Path(place).read_bytes()) for place in places.values()} == set(frame["sha256"])


def test_what_is_exported_as_webdataset_reads_back_with_the_same_rows(
    made: dict[str, bytes], tmp_path: Path
) -> None:
    first = tmp_path / "first.scores"
    score(str(write(tmp_path / "here", made)), first, scorers=SCORERS, workers=1)
    export(first, tmp_path / "shards", to="webdataset", shard_size="4")
    again = tmp_path / "again.scores"
    summary = score(str(tmp_path / "shards"), again, scorers=SCORERS, workers=1)
    assert summary.complete
    assert read_manifest(again).source.kind == "webdataset"
    same = [name for name in rows(first).columns if name not in ("image", "metadata", "metadata_error")]
    assert_frame_equal(rows(first).select(same).sort("sha256"), rows(again).select(same).sort("sha256"))
    assert all(".tar#" in image for image in rows(again)["image"])
    once_more = score(str(tmp_path / "shards"), again, scorers=SCORERS, workers=1)
    assert (once_more.scored, once_more.kept) == (0, 6)


def test_a_table_of_urls_is_scored_and_found_again(
    made: dict[str, bytes], s3: Bucket, tmp_path: Path
) -> None:
    url = put(s3, made)
    names = ["a/0.png", "b/5.png"]
    table = pl.DataFrame({"url": [f"{url}/{name}" for name in names], "prompt": ["x", "y"]})
    table.write_parquet(tmp_path / "list.parquet")
    out = tmp_path / "x.scores"
    score(str(tmp_path / "list.parquet"), out, scorers=SCORERS, workers=1)
    found = rows(out).sort("image")
    assert found["image"].to_list() == table["url"].to_list()
    assert found["prompt"].to_list() == ["x", "y"]
    wanted = dict(found.select("image", "sha256").iter_rows())
    assert all(p.problem is None for p in read_pictures(read_manifest(out).source, wanted))
