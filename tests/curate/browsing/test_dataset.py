"""A score set as a FiftyOne dataset: what is in it, and what the next import does to it."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from s3server import Bucket
from scoresets import digest, scores, write_set

import curate
from curate.browsing import store
from curate.browsing.dataset import Imported, import_scores
from curate.browsing.names import say
from curate.decisions import decide
from curate.errors import InputError
from curate.scorers.columns import EXPRESSIONS
from curate.shards import list_shards

pytestmark = pytest.mark.usefixtures("fo")
NAMES = [f"{i}.png" for i in range(12)]
BOX = {"box_x": 0.1, "box_y": 0.2, "box_w": 0.3, "box_h": 0.4}


@pytest.fixture(autouse=True)
def _clean(fo: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No dataset of another test; views, sidebar and indexes have tests of their own, and take most of the time."""
    before = {*fo.list_datasets()}
    monkeypatch.setattr("curate.browsing.dataset.arrange", lambda *_: None)
    monkeypatch.setattr("curate.browsing.dataset.save_views", lambda _: None)
    yield
    for name in {*fo.list_datasets()} - before:
        fo.delete_dataset(name)


def faces(count: int, seed: int = 0) -> dict[str, list[Any]]:
    return scores(count, seed) | {name: [value] * count for name, value in BOX.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures: one has two faces, one has none, one cannot be read."""
    return write_set(
        tmp_path / "twelve.scores",
        [*NAMES, "0.png"],
        faces(13),
        status={"3.png": "no_face", "4.png": "unreadable"},
    )


def rewrite(folder: Path, rows: pl.DataFrame) -> None:
    """Have other rows in a set of one shard."""
    (shard,) = list_shards(folder)
    metadata = pl.read_parquet_metadata(shard)
    rows.write_parquet(shard, metadata={"curate": metadata["curate"]})


def stored(folder: Path) -> pl.DataFrame:
    (shard,) = list_shards(folder)
    return pl.read_parquet(shard)


def again(folder: Path, **options: Any) -> Imported:
    return import_scores(folder, **options)[1]


def documents(dataset: Any) -> dict[str, dict[str, Any]]:
    """By id: every sample as it lies in the database."""
    return {str(found["_id"]): found for found in store.collection(dataset).find()}


def test_every_row_is_a_sample_also_what_was_not_scored(folder: Path, fo: Any) -> None:
    dataset = curate.to_fiftyone(folder)
    assert len(dataset) == 13
    assert dataset.name == "twelve"
    assert dataset.persistent
    assert dataset.info["curate"]["scores"] == str(folder)
    assert dataset.count_values("tags") == {"ok": 11, "no_face": 1, "unreadable": 1}
    first = dataset.match(fo.ViewField("filepath") == "/pictures/0.png")
    assert sorted(first.values("face")) == [0, 1]
    missing = dataset.match(fo.ViewField("status") == "no_face").first()
    assert missing.expression is None
    assert missing.detection is None


def test_scores_are_fields_labels_and_a_box(folder: Path) -> None:
    dataset = curate.to_fiftyone(folder)
    row = curate.open_scores(folder).read().row(0, named=True)
    sample = next(s for s in dataset if (s.filepath, s.face) == (row["image"], row["face"]))
    assert sample.sha256 == row["sha256"]
    assert sample.temperature == pytest.approx(row["temperature"])
    assert sample.expression.label == row["expression"]
    assert sum(sample.expression[name] for name in EXPRESSIONS) == pytest.approx(1, abs=1e-5)
    (face,) = sample.detection.detections
    assert face.bounding_box == pytest.approx(list(BOX.values()))
    assert face.label == row["expression"]
    assert face.au12 == pytest.approx(row["au12"])
    assert dataset.get_field("au12").description.startswith("AU12 lip corner puller")
    paths = dataset.get_field_schema(flat=True)
    assert {"expression.fear", "detection.detections.au12", "decision", "row_digest"} <= set(paths)


def test_what_would_not_fit_is_words(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "a.scores", ["a.png"], scores(1))
    big = pl.Series([2**64 - 1], dtype=pl.UInt64)
    told = pl.lit("file")
    rewrite(folder, stored(folder).with_columns(phash=pl.lit(255, pl.UInt64), seed=big, metadata=told))
    sample = curate.to_fiftyone(folder).first()
    assert (sample.phash, sample.seed) == ("00000000000000ff", str(2**64 - 1))
    assert sample.metadata_source == "file"


def test_a_hundred_hostile_words_arrive_as_they_are(tmp_path: Path) -> None:
    words = ["$where", "a.b", "<script>", "\x1b[31m", "ü" * 50, "{'$gt': 1}", ""]
    folder = write_set(tmp_path / "a.scores", NAMES[:7], scores(7))
    rewrite(folder, stored(folder).with_columns(prompt=pl.Series(words)))
    assert sorted(curate.to_fiftyone(folder).values("prompt")) == sorted(words)


def test_samples_are_what_fiftyone_itself_would_have_written(folder: Path, fo: Any) -> None:
    rows = stored(folder).with_columns(
        width=pl.lit(30, pl.Int32), height=pl.lit(40, pl.Int32), format=pl.lit("png")
    )
    rewrite(folder, rows)
    dataset = curate.to_fiftyone(folder)
    plain = fo.Dataset()
    for sample in dataset:
        values = {name: sample[name] for name in dataset.get_field_schema() if sample[name] is not None}
        for name in ("id", "created_at", "last_modified_at"):
            del values[name]
        labels = {
            "expression": fo.Classification, "detection": fo.Detections, "metadata": fo.ImageMetadata
        }  # fmt: skip
        values |= {
            name: kind.from_dict(values[name].to_dict()) for name, kind in labels.items() if name in values
        }
        plain.add_sample(fo.Sample(**values), dynamic=True)
    ours, theirs = documents(dataset), documents(plain)
    assert len(ours) == len(theirs) == 13
    for one, other in zip(ours.values(), theirs.values(), strict=True):
        assert {n: type(v) for n, v in one.items()} == {n: type(v) for n, v in other.items()}
        own = ("_id", "_rand", "_dataset_id", "created_at", "last_modified_at")
        assert {n: v for n, v in one.items() if n not in own} == {
            n: v for n, v in other.items() if n not in own
        }
        assert one["_dataset_id"] == dataset._doc.id
        assert 0.999 <= one["_rand"] < 1
        assert abs((one["created_at"] - other["created_at"]).total_seconds()) < 60
    assert dataset.media_type == plain.media_type == "image"
    flat = dataset.get_field_schema(flat=True)
    for path, field in plain.get_field_schema(flat=True).items():
        assert type(flat[path]) is type(field), path
    assert set(plain.list_indexes()) <= set(dataset.list_indexes())


def test_what_has_not_changed_is_not_written_again(folder: Path) -> None:
    dataset = curate.to_fiftyone(folder)
    before = documents(dataset)
    done = again(folder)
    assert (done.new, done.changed, done.removed, done.kept) == (0, 0, 0, 13)
    assert documents(dataset) == before


def test_only_rows_that_changed_are_written(folder: Path) -> None:
    dataset = curate.to_fiftyone(folder)
    before = documents(dataset)
    rows = stored(folder).with_row_index()
    rewrite(
        folder,
        rows.with_columns(au12=pl.when(pl.col("index") == 5).then(4.5).otherwise("au12")).drop("index"),
    )
    done = again(folder)
    assert (done.new, done.changed, done.removed, done.kept) == (0, 1, 0, 12)
    after = documents(dataset)
    assert after.keys() == before.keys()
    (changed,) = [number for number in after if after[number] != before[number]]
    assert after[changed]["au12"] == 4.5
    assert after[changed]["detection"]["detections"][0]["au12"] == 4.5
    assert after[changed]["created_at"] == before[changed]["created_at"]
    assert after[changed]["last_modified_at"] > before[changed]["last_modified_at"]


def test_rows_that_are_gone_vanish_and_new_ones_come(folder: Path, fo: Any) -> None:
    dataset = curate.to_fiftyone(folder)
    before = documents(dataset)
    rows = stored(folder)
    new = rows[1:2].with_columns(image=pl.lit("/pictures/new.png"), sha256=pl.lit(digest("new.png")))
    rewrite(folder, pl.concat([rows[2:], new]))
    done = again(folder)
    assert (done.new, done.removed, done.kept) == (1, 2, 11)
    after = documents(dataset)
    assert len(after) == 12
    assert len(after.keys() & before.keys()) == 11
    assert "/pictures/new.png" in dataset.values("filepath")


def test_a_renamed_picture_stays_the_same_sample(folder: Path) -> None:
    dataset = curate.to_fiftyone(folder)
    ids = set(dataset.values("id"))
    rewrite(folder, stored(folder).with_columns(pl.col("image").str.replace("/pictures/", "/moved/")))
    done = again(folder)
    # What could not be read has no content by which it would be known.
    assert (done.new, done.changed, done.removed) == (0, 13, 0)
    assert set(dataset.values("id")) == ids
    assert all(path.startswith("/moved/") for path in dataset.values("filepath"))


def test_the_same_picture_twice_is_two_samples(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "a.scores", ["a.png", "b.png"], scores(2))
    rewrite(folder, stored(folder).with_columns(sha256=pl.lit(digest("a.png"))))
    dataset = curate.to_fiftyone(folder)
    ids = dict(zip(dataset.values("filepath"), dataset.values("id"), strict=True))
    rewrite(folder, stored(folder).filter(pl.col("image").str.ends_with("b.png")))
    assert again(folder).removed == 1
    assert dataset.values("id") == [ids["/pictures/b.png"]]


def test_what_a_person_added_survives(folder: Path, fo: Any) -> None:
    dataset = curate.to_fiftyone(folder)
    dataset.add_sample_field("note", fo.StringField)
    dataset.set_values("note", ["mine"] * 13)
    dataset.match(fo.ViewField("status") == "ok").tag_samples("favourite")
    dataset.match(fo.ViewField("status") == "ok").tag_labels(
        "doubtful", label_fields=["expression", "detection"]
    )
    labels = set(dataset.values("expression.id"))
    stranger = dataset.add_sample(fo.Sample(filepath="/elsewhere/mine.png"))
    rewrite(folder, stored(folder).with_columns(pl.col("au12") / 2))
    assert again(folder).changed == 11
    dataset.reload()
    assert dataset.count_values("note") == {"mine": 13, None: 1}
    assert dataset.count_values("tags")["favourite"] == 11
    assert dataset.count_values("tags")["ok"] == 11
    assert dataset.count_values("expression.tags") == {"doubtful": 11}
    assert dataset.count_values("detection.detections.tags") == {"doubtful": 11}
    assert set(dataset.values("expression.id")) == labels
    assert stranger in dataset.values("id")


def test_a_status_that_changes_takes_its_tag_along(folder: Path) -> None:
    dataset = curate.to_fiftyone(folder)
    rewrite(folder, stored(folder).with_columns(pl.col("status").replace("no_face", "crashed")))
    again(folder)
    assert dataset.count_values("tags") == {"ok": 11, "crashed": 1, "unreadable": 1}


def test_decisions_of_the_set_are_a_field(folder: Path) -> None:
    dataset = curate.to_fiftyone(folder)
    decide(folder, [(digest("5.png"), 0)], "accept")
    assert again(folder).changed == 1
    dataset.reload()
    assert dataset.count_values("decision") == {"accept": 1, None: 12}
    decide(folder, [(digest("5.png"), 0)], None)
    again(folder)
    assert dataset.count_values("decision") == {None: 13}


def test_an_import_that_was_cut_off_is_completed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curate.browsing.rows.BATCH", 5)
    whole, writes = store.write, []

    def killed(*arguments: Any) -> None:
        writes.append(1)
        if len(writes) == 2:
            raise KeyboardInterrupt
        whole(*arguments)

    monkeypatch.setattr(store, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        curate.to_fiftyone(folder)
    monkeypatch.setattr(store, "write", whole)
    done = again(folder)
    assert (done.new, done.kept, done.changed) == (8, 5, 0)
    assert done.samples == 13


def test_columns_that_are_gone_take_their_field_along(folder: Path) -> None:
    dataset = curate.to_fiftyone(folder)
    assert dataset.has_field("au26")
    rewrite(folder, stored(folder).drop("au26"))
    again(folder)
    dataset.reload()
    assert not dataset.has_field("au26")
    assert "au26" not in next(iter(documents(dataset).values()))


def test_a_field_that_somebody_deleted_comes_back(folder: Path) -> None:
    dataset = curate.to_fiftyone(folder)
    dataset.delete_sample_field("temperature")
    assert again(folder).changed == 13
    dataset.reload()
    assert dataset.count("temperature") == 11


def test_a_dataset_that_somebody_deleted_is_made_again(folder: Path, fo: Any) -> None:
    curate.to_fiftyone(folder)
    fo.delete_dataset("twelve")
    assert again(folder).new == 13


def test_a_dataset_that_cannot_be_loaded_is_left_alone(
    folder: Path, fo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugin_of_mine.py").write_text(
        "import fiftyone as fo\nclass Thing(fo.DynamicEmbeddedDocument):\n    note = fo.StringField()\n"
    )
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        thing = importlib.import_module("plugin_of_mine").Thing
        dataset = curate.to_fiftyone(folder)
        dataset.add_sample_field("thing", fo.EmbeddedDocumentField, embedded_doc_type=thing)
        dataset.set_values("thing", [thing(note="mine")] * 13)
    del sys.modules["plugin_of_mine"]
    before = documents(dataset)
    dataset._instances.clear()  # as in another process
    with pytest.raises(InputError, match=r"`twelve` cannot be loaded: .*plugin_of_mine") as problem:
        curate.to_fiftyone(folder)
    assert "--name ANOTHER" in problem.value.hint
    assert documents(dataset) == before
    assert next(iter(before.values()))["thing"]["note"] == "mine"
    assert curate.to_fiftyone(folder, name="another").name == "another"
    assert again(folder).dataset == "another", "a name that was given stays"
    assert documents(dataset) == before
    store.clear_away("twelve")  # FiftyOne itself cannot delete it, either


def test_a_dataset_that_an_import_was_killed_over_is_completed(folder: Path, fo: Any) -> None:
    import fiftyone.core.odm as foo

    fo.Dataset("twelve")._instances.clear()
    foo.get_db_conn().datasets.update_one({"name": "twelve"}, {"$set": {"version": "99.0"}})
    assert again(folder).new == 13


@pytest.mark.parametrize("kind", ["StringField", "FloatField"])
def test_a_field_of_ones_own_is_not_taken_for_a_column(folder: Path, fo: Any, kind: str) -> None:
    rows = stored(folder)
    rewrite(folder, rows.drop("au26"))
    dataset = curate.to_fiftyone(folder)
    dataset.add_sample_field("au26", getattr(fo, kind))
    mine = ["mine" if kind == "StringField" else 0.5] * 13
    dataset.set_values("au26", mine)
    rewrite(folder, rows)
    with pytest.raises(InputError, match="field `au26` that somebody added") as problem:
        curate.to_fiftyone(folder)
    assert "rename_sample_field('au26', 'au26_mine')" in problem.value.hint
    dataset.reload()
    assert dataset.values("au26") == mine
    dataset.rename_sample_field("au26", "au26_mine")
    again(folder)
    dataset.reload()
    assert dataset.values("au26_mine") == mine
    assert dataset.count("au26") == 11


def test_a_field_of_an_import_that_was_cut_off_is_not_ones_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []

    def killed(dataset: Any, noted: Any) -> None:
        said.append(1)
        if len(said) == 2:
            raise KeyboardInterrupt
        say(dataset, noted)

    with monkeypatch.context() as patch:
        patch.setattr("curate.browsing.dataset.say", killed)
        with pytest.raises(KeyboardInterrupt):
            curate.to_fiftyone(folder)
    assert again(folder).samples == 13


def test_a_name_that_another_set_has_gets_digits(folder: Path, tmp_path: Path) -> None:
    curate.to_fiftyone(folder)
    other = write_set(tmp_path / "other" / "twelve.scores", ["a.png"], scores(1))
    made = curate.to_fiftyone(other)
    assert made.name.startswith("twelve-")
    assert len(made.name) == len("twelve-") + 6
    assert again(other).dataset == made.name
    assert again(folder).dataset == "twelve"


def test_a_dataset_that_is_not_ours_is_not_touched(folder: Path, fo: Any) -> None:
    mine = fo.Dataset("twelve")
    mine.add_sample(fo.Sample(filepath="/mine.png"))
    with pytest.raises(InputError, match="not curate's") as problem:
        curate.to_fiftyone(folder)
    assert "--name" in problem.value.hint
    assert len(mine) == 1
    assert curate.to_fiftyone(folder, name="ours").name == "ours"
    assert again(folder).dataset == "ours"


def test_names_that_make_the_same_address_are_one(tmp_path: Path) -> None:
    upper = write_set(tmp_path / "a" / "My_Pics.scores", ["a.png"], scores(1))
    lower = write_set(tmp_path / "b" / "my-pics.scores", ["b.png"], scores(1))
    assert curate.to_fiftyone(upper).name == "My_Pics"
    made = curate.to_fiftyone(lower).name
    assert made.startswith("my-pics-")
    assert again(lower).dataset == made
    assert again(upper).dataset == "My_Pics"
    with pytest.raises(InputError, match="`My_Pics` is made from"):
        curate.to_fiftyone(lower, name="my.pics")
    assert curate.to_fiftyone(write_set(tmp_path / "___.scores", ["c.png"], scores(1))).name == "scores"
    with pytest.raises(InputError, match="slug"):
        curate.to_fiftyone(lower, name="???")


def test_another_name_is_the_same_dataset_and_stays(folder: Path, fo: Any) -> None:
    dataset = curate.to_fiftyone(folder)
    dataset.add_sample_field("note", fo.StringField)
    dataset.clone("copy")
    done = again(folder, name="Foo")
    assert (done.dataset, done.kept) == ("Foo", 13)
    assert again(folder).dataset == "Foo"
    assert curate.to_fiftyone(folder, name="foo").name == "foo"
    assert again(folder).dataset == "foo"
    assert fo.load_dataset("foo").has_field("note")
    assert not {"twelve", "Foo"} & {*fo.list_datasets()}
    assert again(folder, name="copy").dataset == "copy", "one of several that the set has"
    assert again(folder).dataset == "copy"


def test_a_set_that_was_moved_or_renamed_gets_its_dataset_back(folder: Path, fo: Any, tmp_path: Path) -> None:
    curate.to_fiftyone(folder).tag_samples("favourite")
    moved = tmp_path / "elsewhere" / "twelve.scores"
    moved.parent.mkdir()
    folder.rename(moved)
    done = again(moved)
    assert (done.dataset, done.kept) == ("twelve", 13)
    renamed = moved.rename(tmp_path / "dozen.scores")
    done = again(renamed, name="twelve")
    assert (done.dataset, done.kept) == ("twelve", 13)
    assert again(renamed).dataset == "twelve"
    assert fo.load_dataset("twelve").count_values("tags")["favourite"] == 13


def test_a_set_of_other_pictures_does_not_take_a_dataset_over(folder: Path, fo: Any, tmp_path: Path) -> None:
    curate.to_fiftyone(folder).tag_samples("favourite")
    folder.rename(tmp_path / "unmounted")
    other = write_set(tmp_path / "other" / "twelve.scores", ["z.png"], scores(1))
    assert again(other).dataset.startswith("twelve-")
    assert fo.load_dataset("twelve").count_values("tags")["favourite"] == 13
    assert again(other, name="twelve").dataset == "twelve"
    assert again(other).dataset == "twelve"


def test_a_name_of_another_set_that_is_asked_for_is_refused(folder: Path, tmp_path: Path) -> None:
    curate.to_fiftyone(folder)
    other = write_set(tmp_path / "other.scores", ["a.png"], scores(1))
    with pytest.raises(InputError, match="twelve"):
        curate.to_fiftyone(other, name="twelve")


def test_landmarks_come_where_they_are_asked_for_and_stay(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "a.scores", ["a.png"], scores(1))
    with pytest.raises(InputError, match="no landmarks"):
        curate.to_fiftyone(folder, landmarks=True)
    mesh = np.random.default_rng(0).random((1, 478, 3), np.float32)
    rewrite(
        folder, stored(folder).with_columns(landmarks=pl.Series(mesh, dtype=pl.Array(pl.Float32, (478, 3))))
    )
    assert not curate.to_fiftyone(folder).has_field("mesh")
    sample = curate.to_fiftyone(folder, landmarks=True).first()
    np.testing.assert_array_equal(sample.mesh.reshape(478, 3), mesh[0])
    points = {part.label: part.points for part in sample.keypoints.keypoints}
    assert sum(map(len, points.values())) == 68
    assert points["nose"][3] == pytest.approx(mesh[0, 4, :2].tolist())
    assert again(folder).kept == 1


def test_a_set_without_rows_is_a_dataset_without_samples(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "none.scores", [], {})
    assert len(curate.to_fiftyone(folder)) == 0


def test_a_damaged_set_is_said_in_words(folder: Path) -> None:
    (shard,) = list_shards(folder)
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read"):
        curate.to_fiftyone(folder)


def test_what_is_imported_fits_json(folder: Path) -> None:
    assert json.loads(json.dumps(again(folder).document()))["samples"] == 13


def test_a_set_at_a_url_is_imported_from_its_mirror_and_followed(folder: Path, s3: Bucket) -> None:
    from curate.browsing.operators.faces import score_set

    def upload() -> str:
        for path in folder.iterdir():
            s3.put(f"far.scores/{path.name}", path.read_bytes())
        return f"{s3.url}/far.scores"

    dataset, imported = import_scores(upload())
    assert (dataset.name, imported.new) == ("far", 13)
    rewrite(folder, stored(folder).with_columns(au12=pl.lit(5.0, pl.Float32)))
    _, imported = import_scores(upload())
    assert (imported.new, imported.removed) == (0, 0)
    assert imported.changed > 0
    assert score_set(dataset).location == f"{s3.url}/far.scores"
