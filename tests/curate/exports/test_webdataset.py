"""`--to webdataset`, read with `webdataset` and with `datasets`."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pytest
from backed import add_words, write_backed

from curate import open_scores
from curate.errors import ExportError
from curate.exports.export import export
from curate.exports.shard_sizes import checked_size
from curate.shards import list_shards


@pytest.fixture
def prompted(tmp_path: Path) -> Path:
    """Ten pictures with prompts, some without, one with two faces, names with dots and collisions."""
    names = [
        "v1.0/a.b.png",
        "v1.1/a.b.png",
        "__init__.png",
        "c.png",
        "c.png",
        "d.PNG",
        *(f"{i}.png" for i in range(5)),
    ]
    prompts = ['a "sad" face\n', None, "", "x", "x", None, *("y" * i for i in range(5))]
    asymmetry = [None, None, 0.5, None, None, *(None for _ in range(5)), 0.25]
    columns: dict[str, Any] = {"asymmetry": asymmetry, "yaw": [float(i) for i in range(11)]}
    scores = write_backed(tmp_path / "a.scores", tmp_path / "pictures", names, columns)
    add_words(scores, "prompt", prompts)
    return scores


# In a process of its own: webdataset leaves closing its files to the collector, and warnings are errors here.
READER = """
import json, sys, webdataset
for sample in webdataset.WebDataset(sys.argv[1:], shardshuffle=False).decode("pil"):
    told = {name: value.size if hasattr(value, "size") else value for name, value in sample.items()}
    print(json.dumps(told))
"""


def read(out: Path) -> dict[str, dict[str, Any]]:
    """Samples by key, as webdataset reads them; of a picture its size."""
    shards = [str(path) for path in sorted(out.glob("*.tar"))]
    said = subprocess.run([sys.executable, "-c", READER, *shards], check=True, capture_output=True, text=True)
    samples = [json.loads(line) for line in said.stdout.splitlines()]
    found = {sample["__key__"]: sample for sample in samples}
    assert len(found) == len(samples)
    return found


def test_webdataset_reads_every_picture_with_its_columns(prompted: Path, tmp_path: Path) -> None:
    done = export(prompted, tmp_path / "out", to="webdataset", shard_size="4")
    assert (done.rows, done.pictures, done.files) == (11, 10, 4)
    samples = read(tmp_path / "out")
    rows = open_scores(prompted).read()
    assert len(samples) == 10
    assert not any("." in key for key in samples)
    by_content = {row["sha256"]: row for row in rows.filter(face=0).to_dicts()}
    for sample in samples.values():
        row = by_content[sample["json"]["sha256"]]
        assert sample["png"] == [16, 16]
        assert sample["txt"] == (row["prompt"] or "")
        assert sample["json"]["prompt"] == row["prompt"]
        assert sample["json"]["expression"] == row["expression"]
        assert sample["json"]["au12"] == pytest.approx(row["au12"], rel=1e-6)
    assert [len(sample["json"]["more_faces"]) for sample in samples.values() if sample["__key__"] == "c"] == [
        1
    ]


def test_datasets_reads_it_by_name_and_as_a_folder(
    prompted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    export(prompted, tmp_path / "out", to="webdataset", shard_size="4")
    files = {"train": str(tmp_path / "out" / "*.tar")}
    cache = str(tmp_path / "cache")
    named = datasets.load_dataset("webdataset", data_files=files, split="train", cache_dir=cache)
    folder = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=cache)
    for loaded in (named, folder):
        assert loaded.num_rows == 10
        assert loaded[0]["png"].size == (16, 16)
        assert sorted(row["txt"] for row in loaded) == sorted(
            ['a "sad" face\n', "", "", "x", "", *("y" * i for i in range(5))]
        )
        assert {row["json"]["asymmetry"] for row in loaded} == {None, 0.5, 0.25}


def test_two_runs_give_the_same_bytes_and_no_header_tells_of_this_machine(
    prompted: Path, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        export(prompted, tmp_path / name, to="webdataset")
    a, b = (tmp_path / name / "faces-000000.tar" for name in ("a", "b"))
    assert a.read_bytes() == b.read_bytes()
    with tarfile.open(a) as tar:
        told = {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode, m.type) for m in tar}
    assert told == {(0, 0, 0, "", "", 0o644, tarfile.REGTYPE)}


def test_shards_hold_so_many_pictures_or_bytes(scored: Path, tmp_path: Path) -> None:
    sizes = [path.stat().st_size for path in (tmp_path / "pictures").iterdir()]
    export(scored, tmp_path / "five", to="webdataset", shard_size="5", shard_name="mine")
    assert [tarred(path) for path in sorted((tmp_path / "five").glob("mine-*.tar"))] == [5, 5, 2]
    export(scored, tmp_path / "bytes", to="webdataset", shard_size=f"{3 * max(sizes)}B")
    counts = [tarred(path) for path in sorted((tmp_path / "bytes").glob("*.tar"))]
    assert sum(counts) == 12
    assert counts[0] == 3
    export(scored, tmp_path / "tiny", to="webdataset", shard_size="1B")
    assert [tarred(path) for path in (tmp_path / "tiny").glob("*.tar")] == [1] * 12


def tarred(path: Path) -> int:
    with tarfile.open(path) as tar:
        return sum(member.name.endswith(".png") for member in tar)


def test_rows_of_a_dataset_have_no_size_before_they_are_read(tmp_path: Path) -> None:
    scores = write_backed(tmp_path / "a.scores", tmp_path / "pictures", ["a.png"])
    manifest = json.loads((scores / "manifest.json").read_text())
    manifest["source"] = {"kind": "dataset", "location": "org/name"}
    (scores / "manifest.json").write_text(json.dumps(manifest))
    for shard in list_shards(scores):
        pl.read_parquet(shard).with_columns(image=pl.lit("org/name#train/0")).write_parquet(shard)
    with pytest.raises(ExportError, match="only when they are read") as error:
        export(scores, tmp_path / "out", to="webdataset", shard_size="1GB")
    assert "--shard-size 1000" in error.value.hint


def test_a_set_of_two_formats_has_samples_of_one_kind(tmp_path: Path) -> None:
    names = ["a.png", "b.jpg", "c.jpeg", "d.jpg"]
    scores = write_backed(tmp_path / "a.scores", tmp_path / "pictures", names)
    export(scores, tmp_path / "out", to="webdataset")
    samples = read(tmp_path / "out")
    assert all("jpg" in sample and "png" not in sample for sample in samples.values())
    assert {sample["json"]["format"] for sample in samples.values()} == {"png", "jpeg"}
    with tarfile.open(tmp_path / "out" / "faces-000000.tar") as tar:
        file = tar.extractfile("a.jpg")
        assert file is not None
        digest = hashlib.sha256(file.read()).hexdigest()
    assert digest == samples["a"]["json"]["sha256"]


def test_a_shard_without_a_picture_is_no_file(scored: Path, tmp_path: Path) -> None:
    for name in ("10.png", "0.png", "1.png"):
        (tmp_path / "pictures" / name).unlink()
    done = export(scored, tmp_path / "out", to="webdataset", shard_size="1")
    assert done.pictures == len(list((tmp_path / "out").glob("*.tar"))) == 9
    assert len(read(tmp_path / "out")) == 9


def test_seeds_beyond_what_datasets_can_hold_are_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    names = ["a.png", "a.png", "b.png", "c.png"]
    seeds = [2**64 - 1, 2**64 - 1, 2**63 + 7, None]
    scores = write_backed(tmp_path / "a.scores", tmp_path / "pictures", names)
    (shard,) = list_shards(scores)
    metadata = pl.read_parquet_metadata(shard)["curate"]
    rows = pl.read_parquet(shard).with_columns(pl.Series("seed", seeds, dtype=pl.UInt64))
    rows.write_parquet(shard, metadata={"curate": metadata})
    export(scores, tmp_path / "out", to="webdataset")
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=cache)
    files = {"train": str(tmp_path / "out" / "*.tar")}
    learnt = datasets.load_dataset("webdataset", data_files=files, split="train", cache_dir=cache)
    for rows in (loaded, learnt):
        told = {row["__key__"]: row["json"] for row in rows}
        assert {key: row["seed"] for key, row in told.items()} == {
            "a": "18446744073709551615",
            "b": "9223372036854775815",
            "c": None,
        }
        assert [face["seed"] for face in told["a"]["more_faces"]] == ["18446744073709551615"]


def test_shards_and_card_tell_no_place_of_this_machine(tmp_path: Path) -> None:
    scores = write_backed(tmp_path / "a.scores", tmp_path / "pictures", ["x/v1.0.png", "y/v1.0.png"])
    export(scores, tmp_path / "out", to="webdataset")
    for name in ("faces-000000.tar", "README.md"):
        assert str(tmp_path).encode() not in (tmp_path / "out" / name).read_bytes()
    card = (tmp_path / "out" / "README.md").read_text()
    for sample in read(tmp_path / "out").values():
        assert sample["json"]["file_name"] == "v1.0.png"
        assert not {"image", "status", "error"} & sample["json"].keys()
    assert not any(f"`{name}`" in card or f"name: {name}\n" in card for name in ("image", "status", "error"))


@pytest.mark.parametrize("size", ["0.5GB", "0.001kB", "1B", "1.5MiB", "1"])
def test_a_size_is_a_number_times_its_unit(size: str) -> None:
    assert checked_size(size) == size


@pytest.mark.parametrize("size", ["0", "0.5", "0.5B", "0GB", "0.0001kB", "1.5", "-1", "1PB", ""])
def test_a_size_below_one_is_none(size: str) -> None:
    with pytest.raises(ValueError, match="number of pictures"):
        checked_size(size)


def test_a_size_with_a_point_makes_the_shards_it_says(scored: Path, tmp_path: Path) -> None:
    export(scored, tmp_path / "a", to="webdataset", shard_size="2.5kB")
    export(scored, tmp_path / "b", to="webdataset", shard_size="2500B")
    counts = [[tarred(path) for path in sorted((tmp_path / name).glob("*.tar"))] for name in "ab"]
    assert counts[0] == counts[1]
    assert 1 < len(counts[0]) < 12
