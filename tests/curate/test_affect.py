"""Derived columns: when they are stored, when they are made anew, and with what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pictures import noise
from plugin import Log
from runs import rows, run
from scoresets import scores, write_set

from curate import CurateError, InputError, open_scores, score
from curate import affect as derived
from curate.manifest import read_manifest
from curate.recipes.affect import SHIPPED as TABLE
from curate.scorers.columns import AFFECT, EXPRESSIONS, INTENT, MEASURES, schema
from curate.shards import list_shards, open_shard


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A table of one's own, by which muscles count for less."""
    path = tmp_path / "mine.yaml"
    text = TABLE.read_text(encoding="utf-8").replace("name: russell-mehrabian", "name: mine")
    path.write_text(text.replace("scale: 5", "scale: 50"), encoding="utf-8")
    return path


def stored(out: Path) -> pl.DataFrame:
    """What stands in its files, and the column that does not: nobody decided anything here."""
    rows = pl.concat([pl.read_parquet(path, glob=False) for path in list_shards(out)])
    return rows.sort("image", "face").with_columns(decision=pl.lit(None, pl.String))


def written(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in list_shards(out)}


def test_a_scored_set_has_the_columns_of_the_catalogue_and_says_how_they_were_made(
    pictures: Path, tmp_path: Path
) -> None:
    run(pictures, tmp_path / "out")
    found = stored(tmp_path / "out")
    types = schema((*AFFECT, *MEASURES, *INTENT))
    assert {name: found.schema[name] for name in types} == types
    assert found["temperature"].null_count() == found["muscles"].null_count() == 0
    manifest = open_scores(tmp_path / "out").manifest
    tables = derived.open_tables()
    assert manifest.affect is not None
    assert manifest.lexicon is not None
    assert (manifest.affect.name, manifest.affect.version) == ("russell-mehrabian", "1")
    assert manifest.affect.sha256 == tables.affect.sha256
    assert manifest.affect.energy.split()[:2] == ["au01", "au02"]
    assert manifest.lexicon.sha256 == tables.lexicon.sha256
    assert manifest.derived == tables.fingerprint
    assert {open_shard(path).derived for path in list_shards(tmp_path / "out")} == {tables.fingerprint}


def test_a_set_without_expressions_has_no_affect_and_says_so(
    pictures: Path, tmp_path: Path, log: Log
) -> None:
    run(pictures, tmp_path / "out", "width")
    assert "temperature" not in rows(tmp_path / "out").columns
    assert open_scores(tmp_path / "out").manifest.affect is None


def test_without_action_units_the_manifest_says_what_temperature_is() -> None:
    record = derived.open_tables().records(EXPRESSIONS)["affect"]
    assert record is not None
    assert record.model_dump()["energy"] == "none: temperature is 100 I"


def test_another_table_rewrites_columns_and_scores_nothing(
    pictures: Path, tmp_path: Path, log: Log, mine: Path
) -> None:
    out = tmp_path / "out"
    run(pictures, out, "fake", "width")
    before = rows(out)
    log()
    summary = run(pictures, out, "fake", "width", affect=mine)
    assert log() == []
    assert (summary.scored, summary.kept) == (0, 6)
    after = stored(out)
    assert (after["energy"] < before["energy"]).all()
    assert after.drop(schema(AFFECT)).equals(before.drop(schema(AFFECT)))
    manifest = read_manifest(out)
    assert manifest.affect is not None
    assert (manifest.affect.name, manifest.affect.file) == ("mine", str(mine))
    # The set keeps its table, here and in what reads it, until it is told otherwise.
    at = written(out)
    run(pictures, out, "fake", "width")
    assert written(out) == at
    assert rows(out).equals(after)
    run(pictures, out, "fake", "width", affect="shipped")
    assert stored(out).equals(before)


def test_a_table_that_makes_no_sense_is_said_before_anything_is_written(
    pictures: Path, tmp_path: Path, mine: Path
) -> None:
    mine.write_text("name: nothing\n")
    with pytest.raises(CurateError, match=r"mine\.yaml"):
        run(pictures, tmp_path / "out", affect=mine)
    assert not (tmp_path / "out").exists()


def strip(out: Path) -> None:
    """Make of a set what an older version wrote: no derived columns, and nobody who speaks of them."""
    from curate.shards import Shard, write_shard

    for path in list_shards(out):
        shard = open_shard(path)
        frame = pl.read_parquet(path, glob=False).drop(schema(derived.DERIVED), strict=False)
        write_shard(Shard(path, shard.rows, shard.scorers), frame)
    manifest = read_manifest(out)
    manifest.model_copy(update={"affect": None, "lexicon": None, "derived": None}).write(out)


def test_an_older_set_is_derived_when_it_is_read_and_brought_up_to_date_by_the_next_run(
    pictures: Path, tmp_path: Path, log: Log
) -> None:
    out = tmp_path / "out"
    run(pictures, out, "fake", "width")
    new = rows(out)
    strip(out)
    assert "temperature" not in stored(out).columns
    assert rows(out).equals(new)
    log()
    run(pictures, out, "fake", "width")
    assert log() == []
    assert stored(out).equals(new)


def test_a_run_on_some_pictures_brings_the_others_up_to_date_too(
    pictures: Path, tmp_path: Path, mine: Path
) -> None:
    out = tmp_path / "out"
    run(pictures, out)
    noise(tmp_path / "extra.png", 70)
    score(str(tmp_path / "extra.png"), out, scorers=["fake"], workers=1, affect=mine)
    found, table = stored(out), derived.open_tables(mine)
    assert found.height == 7
    assert found.equals(derived.derive(found.lazy(), table).select(found.columns).collect())
    assert read_manifest(out).derived == table.fingerprint


def test_shards_of_two_tables_are_read_with_one(pictures: Path, tmp_path: Path, mine: Path) -> None:
    """As a run leaves them that was killed while it brought a set up to date."""
    out = tmp_path / "out"
    run(pictures, out)
    new = rows(out)
    noise(tmp_path / "extra.png", 70)
    first = list_shards(out)[0]
    half = first.read_bytes()
    run(pictures, out, affect=mine)
    score(str(tmp_path / "extra.png"), out, scorers=["fake"], workers=1)
    first.write_bytes(half)
    # What the beginning of that run wrote down.
    manifest = read_manifest(out)
    manifest.model_copy(update={"affect": None, "lexicon": None, "derived": None}).write(out)
    found = rows(out)
    assert found.height == 7
    assert found.filter(pl.col("image").is_in(new["image"].to_list())).equals(new)
    run(pictures, out)
    assert stored(out).equals(found)
    assert read_manifest(out).derived == derived.open_tables().fingerprint


def test_stored_columns_are_read_and_not_made_again(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mine: Path
) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("made again")

    run(pictures, tmp_path / "out")
    opened = open_scores(tmp_path / "out")
    monkeypatch.setattr(derived, "derive", never)
    monkeypatch.setattr(derived, "load_lexicon", never)  # nor are the words read
    assert opened.scan().select("temperature", "intent").collect().height == 6
    monkeypatch.undo()
    monkeypatch.setattr(derived, "derive", never)
    assert opened.read(tables=derived.open_tables()).height == 6
    with pytest.raises(AssertionError, match="made again"):
        opened.scan(derived.open_tables(mine))


def test_a_query_on_temperature_reads_no_prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("an intent was looked up")

    out = write_set(tmp_path / "old.scores", [f"{i}.png" for i in range(5)], scores(5))
    monkeypatch.setattr(derived, "intent_columns", never)
    found = open_scores(out).scan().filter(pl.col("temperature") > 0).select("image").collect()
    assert found.height == 5
    with pytest.raises(Exception, match="an intent was looked up"):
        open_scores(out).scan().select("intent").collect()


def test_an_intent_is_derived_from_the_folder_or_the_prompt(tmp_path: Path) -> None:
    columns = scores(2)
    out = write_set(tmp_path / "set.scores", ["angry/1.png", "x/2.png"], columns)
    assert rows(out)["intent"].to_list() == ["anger", None]
    prompted = derived.derive(
        pl.LazyFrame(columns).with_columns(
            image=pl.lit("x/1.png"), status=pl.lit("ok"), prompt=pl.Series(["a sad man", None])
        ),
        derived.open_tables(),
    ).collect()
    assert prompted["intent"].to_list() == ["sadness", None]
    assert prompted["intent_p"][0] == pytest.approx(columns["sadness"][0], abs=1e-6)


def test_a_chosen_set_is_not_scored_into(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "chosen.scores"
    run(pictures, out)
    read_manifest(out).model_copy(update={"choice": {"recipe": "warm-portraits"}}).write(out)
    at = written(out)
    with pytest.raises(InputError, match="chosen from others by a recipe") as refused:
        run(pictures, out)
    assert "apply the recipe again" in refused.value.hint
    with pytest.raises(InputError, match="chosen from others"):
        run(pictures / "0.png", out)
    assert written(out) == at


def test_action_units_without_signal_are_warned_of_after_scoring(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(60):
        noise(folder / f"{i}.png", 40, seed=i)
    # The numbers of `fake` are drawn by lot: muscles know nothing of expressions.
    summary = run(folder, tmp_path / "out")
    assert len(summary.warnings) == 1
    assert "hardly go with the expressions" in summary.warnings[0]


def test_a_set_goes_by_its_copy_of_a_table_whatever_becomes_of_the_file(
    pictures: Path, tmp_path: Path, mine: Path
) -> None:
    out = tmp_path / "out"
    run(pictures, out, affect=mine)
    before = rows(out)
    mine.write_text("nonsense", encoding="utf-8")
    assert rows(out).equals(before)
    mine.unlink()
    moved = out.rename(tmp_path / "moved")
    assert rows(moved).equals(before)
    run(pictures, moved)
    assert rows(moved).equals(before)
    run(pictures, moved, affect="shipped")
    assert not rows(moved).equals(before)
    assert [path.name for path in moved.glob("*.yaml")] == []
