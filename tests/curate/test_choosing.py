"""Recipes on real scored pictures, through the files they leave."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from curate import InputError, QueryError, RecipeError, apply, open_scores, score
from curate.decisions import decide
from curate.recipes.recipe import built_in_recipes

ROOT = Path(__file__).resolve().parents[2]
MINE = """\
description: test
where: [abs(yaw) < 30, confidence > .3]
dedupe: {hash_bits: 6, au_distance: .15}
balance: {by: expression, per_cell: 2}
pick: {order: confidence desc, diversity: au}
shortfall: prompts
"""


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scored") / "faces.scores"
    score(str(ROOT / "examples" / "faces"), folder, workers=1)
    rows = open_scores(folder).scan().filter(pl.col("status") == "ok").select("sha256", "face")
    decide(folder, rows.head(3).collect().rows(), "accept")
    return folder


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE, encoding="utf-8")
    return path


def kept_and_rejected(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    kept = open_scores(folder).read()
    rejected = folder / "_rejected"
    return kept, pl.read_parquet(rejected) if rejected.exists() else kept.clear()


@pytest.mark.parametrize("name", built_in_recipes())
def test_every_recipe_chooses_from_a_real_set_and_accounts_for_every_row(
    name: str, scored: Path, tmp_path: Path
) -> None:
    applied = apply(name, scored, tmp_path / "keep.scores")
    kept, rejected = kept_and_rejected(tmp_path / "keep.scores")
    rows = open_scores(scored).read()
    assert kept.height == applied.choice.kept.sum() > 0
    assert sorted([*kept["image"], *rejected["image"]]) == sorted(rows["image"])
    assert rejected["rejected_by"].null_count() == rejected["reason"].null_count() == 0
    assert set(rejected["rejected_by"]) <= {step.clause for step in applied.choice.steps}
    assert kept.equals(rows.join(kept, on="image", how="semi").select(kept.columns))


def test_a_chosen_set_is_a_score_set_and_says_how_it_was_chosen(
    scored: Path, mine: Path, tmp_path: Path
) -> None:
    applied = apply(mine, scored, tmp_path / "keep.scores")
    chosen = open_scores(tmp_path / "keep.scores")
    choice = chosen.manifest.choice
    assert choice is not None
    assert choice["recipe"] == MINE
    assert choice["source"]["folder"] == str(scored)
    assert choice["kept"] + choice["rejected"] == 32
    assert [step["clause"] for step in choice["steps"]][1:3] == ["abs(yaw) < 30", "confidence > .3"]
    assert sum(cell["kept"] for cell in choice["balance"]["cells"]) == choice["kept"]
    assert (tmp_path / "keep.scores" / "recipe.yaml").read_text(encoding="utf-8") == MINE
    assert set(applied.files) >= {"_rejected/", "recipe.yaml", "shortfall.csv", "prompts.csv"}
    # One table of the set's own files, for whoever globs them.
    assert pl.read_parquet(tmp_path / "keep.scores" / "*.parquet").height == choice["kept"]
    again = apply("clean-faces", tmp_path / "keep.scores")
    assert again.choice.ledger.height == choice["kept"]


def test_the_shortfall_names_the_cells_and_has_a_prompt_for_each_missing_face(
    scored: Path, mine: Path, tmp_path: Path
) -> None:
    apply(mine, scored, tmp_path / "keep.scores")
    missing = pl.read_csv(tmp_path / "keep.scores" / "shortfall.csv")
    prompts = pl.read_csv(tmp_path / "keep.scores" / "prompts.csv")
    assert (missing["missing"] == missing["wanted"] - missing["kept"]).all()
    assert (missing["missing"] > 0).all()
    assert prompts.height > 0
    assert prompts["prompt"].null_count() == 0


def test_what_a_manifest_says_can_be_done_again(scored: Path, mine: Path, tmp_path: Path) -> None:
    from curate.choosing import repeat

    apply(mine, scored, tmp_path / "keep.scores")
    mine.unlink()
    repeat(tmp_path / "keep.scores", tmp_path / "again.scores")
    first, second = (kept_and_rejected(tmp_path / f"{name}.scores") for name in ("keep", "again"))
    assert first[0].equals(second[0])
    assert first[1].equals(second[1])


def test_another_input_is_not_taken_for_the_same(scored: Path, mine: Path, tmp_path: Path) -> None:
    import shutil

    from curate.choosing import repeat

    copy = tmp_path / "copy.scores"
    shutil.copytree(scored, copy)
    apply(mine, copy, tmp_path / "keep.scores")
    shard = next(copy.glob("part-*.parquet"))
    pl.read_parquet(shard).head(20).write_parquet(shard)
    with pytest.raises(InputError, match="has changed since"):
        repeat(tmp_path / "keep.scores", tmp_path / "again.scores")
    with pytest.raises(InputError, match="not chosen by a recipe"):
        repeat(scored, tmp_path / "again.scores")


def test_a_target_may_be_another_set_on_disk(scored: Path, mine: Path, tmp_path: Path) -> None:
    from curate.choosing import repeat

    apply(mine, scored, tmp_path / "other.scores")
    like = f"balance: {{by: expression, target: {{like: {tmp_path / 'other.scores'}}}, total: 8}}"
    mine.write_text(like, encoding="utf-8")
    applied = apply(mine, scored, tmp_path / "keep.scores")
    assert applied.choice.kept.sum() == 8
    assert repeat(tmp_path / "keep.scores").choice.ledger.equals(applied.choice.ledger)


def test_an_input_that_has_moved_can_be_named(scored: Path, mine: Path, tmp_path: Path) -> None:
    import shutil

    from curate.choosing import repeat

    shutil.copytree(scored, tmp_path / "copy.scores")
    first = apply(mine, tmp_path / "copy.scores", tmp_path / "keep.scores")
    moved = (tmp_path / "copy.scores").rename(tmp_path / "moved.scores")
    with pytest.raises(InputError, match="is gone"):
        repeat(tmp_path / "keep.scores")
    assert repeat(tmp_path / "keep.scores", scores=moved).choice.ledger.equals(first.choice.ledger)


def test_nothing_chosen_is_still_a_set_with_columns(scored: Path, mine: Path, tmp_path: Path) -> None:
    mine.write_text("where: yaw > 500", encoding="utf-8")
    apply(mine, scored, tmp_path / "none.scores")
    chosen = open_scores(tmp_path / "none.scores")
    assert chosen.read().shape == (0, open_scores(scored).read().width)
    assert apply(mine, tmp_path / "none.scores").choice.kept.sum() == 0


def test_sets_that_are_read_or_lie_around_are_never_written_to(
    scored: Path, mine: Path, tmp_path: Path
) -> None:
    apply(mine, scored, tmp_path / "a.scores")
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "link.scores").symlink_to(tmp_path / "a.scores")
    mine.write_text(
        f"balance: {{by: expression, target: {{like: {tmp_path / 'a.scores'}}}}}", encoding="utf-8"
    )
    for place in ("a.scores", "a.scores/in.scores", "file", "link.scores"):
        with pytest.raises(InputError):
            apply(mine, scored, tmp_path / place, overwrite=True)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
    assert open_scores(tmp_path / "a.scores").manifest.choice is not None


def test_prompts_for_several_distributions_name_the_levels_that_ran_dry(scored: Path, mine: Path) -> None:
    mine.write_text(
        "balance: {marginals: [{by: expression}, {by: band, target: {hot: .5}}], total: 200}\nshortfall: prompts",
        encoding="utf-8",
    )
    made = apply(mine, scored).prompts
    assert made is not None
    assert "expression=anger" in made["cell"]
    assert "band=hot" in made["cell"]
    assert made.filter(pl.col("cell") == "expression=anger")["prompt"].n_unique() > 1


def test_a_check_against_a_set_finds_what_only_its_rows_can_tell(scored: Path, mine: Path) -> None:
    from curate.choosing import check

    for text in (
        "target: {angr: .3}, by: expression",
        "by: yaw",
        "by: expression, target: {like: no.scores}",
    ):
        mine.write_text(f"balance: {{{text}, total: 3}}", encoding="utf-8")
        with pytest.raises((RecipeError, InputError)):
            check(mine, scored)
    mine.write_text("where: [temprature > 5]", encoding="utf-8")
    with pytest.raises(QueryError) as error:
        check(mine)
    assert error.value.where == str(mine)


def test_a_dry_run_writes_nothing(scored: Path, mine: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert apply(mine, scored).folder is None
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_that_is_there_is_replaced_unasked(scored: Path, mine: Path, tmp_path: Path) -> None:
    apply(mine, scored, tmp_path / "keep.scores")
    with pytest.raises(InputError, match="there already"):
        apply(mine, scored, tmp_path / "keep.scores")
    apply("clean-faces", scored, tmp_path / "keep.scores", overwrite=True)
    choice = open_scores(tmp_path / "keep.scores").manifest.choice
    assert choice is not None
    assert choice["name"] == "clean-faces"
    with pytest.raises(InputError, match="onto, into or around"):
        apply(mine, scored, scored, overwrite=True)


def test_a_recipe_that_does_not_fit_the_set_names_its_file(mine: Path, scored: Path, tmp_path: Path) -> None:
    mine.write_text("balance: {by: modell, per_cell: 3}", encoding="utf-8")
    with pytest.raises(RecipeError) as error:
        apply(mine, scored)
    assert error.value.where == str(mine)
    assert "did you mean `model`" in error.value.message
    mine.write_text("balance: {by: expression, target: {angry: 1}, total: 3}", encoding="utf-8")
    with pytest.raises(RecipeError, match="did you mean `anger`") as error:
        apply(mine, scored)
    assert error.value.where == str(mine)


def test_another_table_of_affect_decides_and_is_kept(scored: Path, tmp_path: Path) -> None:
    table = (ROOT / "recipes" / "tables" / "affect.yaml").read_text(encoding="utf-8")
    (tmp_path / "cold.yaml").write_text(table.replace("scale: 5", "scale: 500"), encoding="utf-8")
    (tmp_path / "r.yaml").write_text("where: temperature > 60", encoding="utf-8")
    hot = apply(tmp_path / "r.yaml", scored).choice.kept.sum()
    applied = apply(tmp_path / "r.yaml", scored, tmp_path / "keep.scores", affect=tmp_path / "cold.yaml")
    assert applied.choice.kept.sum() < hot
    chosen = open_scores(tmp_path / "keep.scores")
    assert chosen.manifest.affect is not None
    assert chosen.manifest.affect.file == str(tmp_path / "cold.yaml")
    assert chosen.read().equals(chosen.stored().sort("image", "face").collect())


def test_landmarks_stay_with_what_is_kept(tmp_path: Path) -> None:
    score(
        str(ROOT / "examples" / "faces"),
        tmp_path / "f.scores",
        workers=1,
        scorers=["mesh", "quality"],
        landmarks=True,
        limit=4,
    )
    (tmp_path / "r.yaml").write_text("pick: {total: 2, order: sharpness}", encoding="utf-8")
    apply(tmp_path / "r.yaml", tmp_path / "f.scores", tmp_path / "keep.scores")
    kept, rejected = kept_and_rejected(tmp_path / "keep.scores")
    assert kept["landmarks"].null_count() == 0
    assert "landmarks" not in rejected.columns


def test_the_document_is_plain_json(scored: Path, mine: Path) -> None:
    document = apply(mine, scored).document()
    assert json.loads(json.dumps(document, allow_nan=False))["kept"] == document["kept"]
