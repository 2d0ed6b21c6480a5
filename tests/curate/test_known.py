"""What a set holds already is found by content, in a folder and at a URL."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest
from s3server import Bucket

from curate.known import Known, answers_for, claimed_rows, contents_of
from curate.place import Place, place_of
from curate.shards import Shard, next_shard, write_shard
from curate.sources.source import Input


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def shard(folder: Place, rows: Iterable[tuple[str, str | None, str]]) -> Place:
    path = next_shard(folder)
    frame = pl.DataFrame(
        [(image, text and sha256(text), status) for image, text, status in rows],
        schema={"image": pl.String, "sha256": pl.String, "status": pl.String},
        orient="row",
    )
    write_shard(Shard(path, "rows", {"fake": "1"}, "derived"), frame.with_columns(number=pl.lit(7)))
    return path


@pytest.fixture(params=["folder", "url"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return tmp_path
    bucket: Bucket = request.getfixturevalue("s3")
    return place_of(f"{bucket.url}/a.scores")


def test_pictures_are_claimed_by_what_they_hold(folder: Place) -> None:
    first = shard(
        folder, [("a", "A", "ok"), ("b", "B", "ok"), ("c", "C", "crashed"), ("d", None, "unreadable")]
    )
    second = shard(folder, [("e", "E", "no_face"), ("twin", "A", "ok")])
    known = Known(folder)
    assert known.shards[second].scorers == {"fake": "1"}
    asked = {"a": "A", "twin": "A", "copy": "A", "b": "changed", "c": "C", "d": None, "E again": "E"}
    claimed = known.claim((name, text and sha256(text)) for name, text in asked.items())
    assert claimed.claims[first].images.to_list() == ["a", "copy"]
    assert claimed.claims[second].images.to_list() == ["twin", "E again"]
    assert claimed.claims[first].keys().rows() == [("a", sha256("A")), ("copy", sha256("A"))]
    assert sorted(claimed.new.series) == ["b", "c", "d"]
    assert sorted(claimed.named()) == sorted(asked)


def test_a_shard_answers_for_exactly_its_own(folder: Place) -> None:
    path = shard(folder, [("a", "A", "ok"), ("a", "A", "ok"), ("b", "B", "ok")])
    known = Known(folder)

    def answers(*names: str) -> bool:
        return answers_for(path, known.claim((name, sha256(name.upper())) for name in names).claims[path])

    assert answers("a", "b")
    assert not answers("a")
    other = known.claim([("a", sha256("A")), ("b", sha256("B")), ("c", sha256("B"))])
    assert not answers_for(path, other.claims[path])


def test_rows_follow_their_pictures_names(folder: Place) -> None:
    path = shard(folder, [("a", "A", "ok"), ("b", "B", "ok"), ("elsewhere/c", "C", "ok")])
    claims = Known(folder).claim([("renamed", sha256("A")), ("copy", sha256("A"))]).claims[path]
    rows = claimed_rows(path, claims, pl.col("image").str.starts_with("elsewhere/"))
    assert rows["image"].to_list() == ["renamed", "copy", "elsewhere/c"]
    assert rows["number"].to_list() == [7, 7, 7]


def test_a_shard_that_is_none_is_damaged_and_the_others_are_read(folder: Place) -> None:
    good = shard(folder, [("a", "A", "ok")])
    bad = next_shard(folder)
    if isinstance(bad, Path):
        bad.write_bytes(b"PAR1 and no more")
    else:
        bad.write_bytes(b"PAR1 and no more")
    known = Known(folder)
    assert known.damaged == [bad]
    assert list(known.shards) == [good]


def test_an_empty_source_claims_nothing(folder: Place) -> None:
    path = shard(folder, [("a", "A", "ok")])
    claimed = Known(folder).claim([])
    assert len(claimed.claims[path]) == 0
    assert len(claimed.new) == 0


def test_claims_of_one_shard_travel_without_the_others(tmp_path: Path) -> None:
    paths = [shard(tmp_path, [(f"{n}/{i}", f"{n} {i}", "ok") for i in range(500)]) for n in range(20)]
    asked = [(f"{n}/{i}", sha256(f"{n} {i}")) for n in range(20) for i in range(500)]
    claims = Known(tmp_path).claim(asked).claims
    assert len(pickle.dumps(claims[paths[3]])) < 500 * 150


def test_contents_are_those_of_the_bytes_in_the_order_of_the_inputs(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"A")
    inputs = [
        Input("gone", path=str(tmp_path / "gone")),
        Input("a", path=str(tmp_path / "a")),
        Input("b", data=b"B"),
    ]
    assert list(contents_of(inputs)) == [("gone", None), ("a", sha256("A")), ("b", sha256("B"))]
