"""What the operators do, without an app, on a set that was really scored."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scoresets import scores, write_set

import curate
from curate.browsing.enabling import enable_plugin
from curate.decisions import decisions
from curate.shards import open_shard, write_shard

ROOT = Path(__file__).resolve().parents[3]
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example faces, scored once for all tests here; a test that changes it changes it back."""
    out = tmp_path_factory.mktemp("scored") / "faces.scores"
    curate.score(str(ROOT / "examples" / "faces"), out)
    return out


@pytest.fixture(scope="module")
def dataset(fo: Any, folder: Path) -> Iterator[Any]:
    from curate.browsing.dataset import to_fiftyone

    enable_plugin()
    found = to_fiftyone(folder)
    yield found
    fo.delete_dataset(found.name)


@pytest.fixture
def run(dataset: Any) -> Run:
    """Execute an operator; gives what it says, with what it asks of the app as `sent`, by name."""

    def execute(name: str, **ctx: Any) -> Any:
        import fiftyone.operators as foo

        asked = {"dataset": dataset, **ctx}
        done = foo.execute_operator(f"@curate/faces/{name}", ctx=asked)
        dataset.reload()
        found = dict(done.result or {})
        found["sent"] = {r.operator_uri.split("/")[-1]: r.params for r in done.executor._requests}
        return found

    return execute


def form(dataset: Any, name: str, **asked: Any) -> dict[str, Any]:
    """The form of an operator, by field, as the app gets it."""
    import fiftyone.operators as foo
    from fiftyone.operators.executor import ExecutionContext, Executor

    params = asked.pop("params", {})
    ctx = ExecutionContext({"dataset_name": dataset.name, "params": params, **asked}, Executor())
    found: dict[str, Any] = foo.get_operator(f"@curate/faces/{name}").resolve_input(ctx).to_json()
    fields: dict[str, Any] = found["type"]["properties"]
    return fields


def rows(folder: Path) -> pl.DataFrame:
    return curate.open_scores(folder).read()


def ids_of(view: list[dict[str, Any]]) -> list[str]:
    """The samples that a view selects."""
    (stage,) = view
    return [str(id_) for id_ in dict(stage["kwargs"])["sample_ids"]]


def test_query_shows_the_faces_that_the_command_finds(run: Run, dataset: Any, folder: Path) -> None:
    done = run("query", params={"query": "temperature > 50 and abs(yaw) < 30", "sort": "temperature desc"})
    expected = (
        rows(folder)
        .filter(pl.col("status") == "ok", pl.col("temperature") > 50, pl.col("yaw").abs() < 30)
        .sort("temperature", descending=True)
    )
    assert done["matches"] == expected.height > 0
    ids = ids_of(done["sent"]["set_view"]["view"])
    assert dataset.select(ids, ordered=True).values("sha256") == expected["sha256"].to_list()


def test_query_within_the_view_keeps_to_it(run: Run, dataset: Any, folder: Path) -> None:
    view = dataset.match({"band": "blazing"})
    done = run("query", view=view, params={"query": "temperature > 0", "within": True})
    stages = done["sent"]["set_view"]["view"]
    assert [stage["_cls"].split(".")[-1] for stage in stages] == ["Match", "Select"]


def test_a_query_that_finds_nothing_says_which_condition_is_to_blame(run: Run) -> None:
    done = run("query", params={"query": "temperature > 50 and temperature < 10"})
    assert done["matches"] == 0
    assert "set_view" not in done["sent"]
    assert "temperature < 10: " in done["sent"]["notify"]["message"]


def test_the_form_of_a_query_shows_the_place_of_an_error_or_the_count(dataset: Any) -> None:
    wrong = form(dataset, "query", params={"query": "fear > .6 and temprature > 60"})
    text = wrong["wrong"]["default"]
    assert "no column `temprature`; did you mean `temperature`?" in text
    lines = text.splitlines()
    assert lines[3].index("^") == lines[2].index("temprature")
    assert wrong["invalid"]["invalid"]
    right = form(dataset, "query", params={"query": "temperature >= 0"})
    assert "faces match" in right["matches"]["default"]
    assert "wrong" not in right
    assert "matches" not in form(dataset, "query")


def test_a_wrong_query_is_refused_in_words(run: Run) -> None:
    from fiftyone.operators.executor import ExecutionError

    with pytest.raises(ExecutionError, match="did you mean `temperature`"):
        run("query", params={"query": "temprature > 60"})


def test_apply_recipe_previews_writes_and_shows_what_became_of_each_face(
    run: Run, dataset: Any, folder: Path
) -> None:
    preview = form(dataset, "apply_recipe", params={"recipe": "clean-faces"})
    expected = curate.apply("clean-faces", folder)
    kept = int(expected.choice.kept.sum())
    assert f"**{kept}** of 32 rows are kept" in preview["funnel"]["default"]
    assert "n_faces = 1" in preview["funnel"]["default"]
    out = folder.with_name("faces-clean-faces.scores")
    assert str(out) in preview["out"]["view"]["description"]
    assert not out.exists()
    done = run("apply_recipe", params={"recipe": "clean-faces"})
    assert done["kept"] == kept
    assert curate.open_scores(out).manifest.rows == kept
    said = dataset.count_values("recipe_clean_faces")
    words = expected.choice.ledger["rejected_by"].fill_null("kept")
    assert said == dict(words.value_counts().iter_rows())
    names = dataset.list_saved_views()
    assert dataset.load_saved_view("clean_faces: kept").count() == kept
    assert sum("clean_faces: rejected" in name for name in names) == len(said) - 1
    assert ids_of_match(done, dataset) == sorted(dataset.match({"recipe_clean_faces": "kept"}).values("id"))


def ids_of_match(done: Any, dataset: Any) -> list[str]:
    from fiftyone.server.view import get_view

    return sorted(get_view(dataset, stages=done["sent"]["set_view"]["view"]).values("id"))


def test_a_chosen_set_is_not_overwritten_unasked(run: Run, dataset: Any, folder: Path) -> None:
    out = folder.with_name("faces-warm-portraits.scores")
    run("apply_recipe", params={"recipe": "warm-portraits"})
    before = (out / "manifest.json").read_text()
    again = run("apply_recipe", params={"recipe": "warm-portraits"})
    assert again["error"] == "is there already"
    assert again["where"] == str(out)
    assert (out / "manifest.json").read_text() == before
    assert "overwrite" in form(dataset, "apply_recipe", params={"recipe": "warm-portraits"})
    assert "kept" in run("apply_recipe", params={"recipe": "warm-portraits", "overwrite": True})


def test_a_recipe_of_the_users_goes_where_the_user_says(run: Run, folder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("where: [temperature > 20]\n")
    params = {"recipe": "a file of mine", "path": str(recipe), "out": "sub/kept.scores"}
    done = run("apply_recipe", params=params)
    assert done["out"] == str(folder.parent / "sub" / "kept.scores")
    assert done["field"] == "recipe_mine"
    assert curate.open_scores(done["out"]).manifest.rows == done["kept"]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"recipe": "a file of mine", "path": "/nowhere/my.yaml"}, "no such file"),
        ({"recipe": "a file of mine", "path": "/etc/passwd"}, "a recipe is a .yaml file"),
    ],
)
def test_a_recipe_that_is_none_is_said_in_the_form(dataset: Any, params: dict[str, str], words: str) -> None:
    assert words in form(dataset, "apply_recipe", params=params)["wrong"]["default"]


def test_balance_keeps_at_most_so_many_of_each(run: Run, dataset: Any, folder: Path) -> None:
    offered = [choice["value"] for choice in form(dataset, "balance")["by"]["view"]["choices"]]
    assert {"expression", "band", "yaw"} <= set(offered)
    done = run("balance", params={"by": ["expression"], "count": 2, "how": "at most so many of each"})
    kept = rows(Path(done["out"]))
    counts = dict(kept["expression"].value_counts().iter_rows())
    assert counts
    assert max(counts.values()) == 2
    assert dataset.count_values("recipe_balance_expression")["kept"] == kept.height == done["kept"]


def test_balance_takes_shares_and_bins_of_numbers(run: Run) -> None:
    shares = "{neutral: .5, happiness: .5}"
    how = {"how": "so many in all, in these shares", "target": shares, "count": 4, "out": "shares.scores"}
    done = run("balance", params={"by": ["expression"], **how})
    assert rows(Path(done["out"]))["expression"].value_counts().sort("expression").rows() == [
        ("happiness", 2),
        ("neutral", 2),
    ]
    assert run("balance", params={"by": ["yaw"], "count": 1})["kept"] == 4


def test_accept_and_reject_are_written_to_the_set_and_seen_at_once(
    run: Run, dataset: Any, folder: Path
) -> None:
    ids = dataset.match({"status": "ok"}).limit(3).values("id")
    keys = dict(zip(ids, dataset.select(ids, ordered=True).values("sha256"), strict=True))
    done = run("accept", selected=ids)
    assert done["faces"] == 3
    assert "reload_samples" in done["sent"]
    run("reject_open", current_sample=ids[0], selected=ids[1:])
    assert dataset.select(ids, ordered=True).values("decision") == ["reject", "accept", "accept"]
    said = dict(decisions(folder).select("sha256", "decision").iter_rows())
    assert said == {keys[ids[0]]: "reject", keys[ids[1]]: "accept", keys[ids[2]]: "accept"}
    assert run("query", params={"query": "decision = 'accept'"})["matches"] == 2
    run("undo_decision")
    assert dataset.select(ids, ordered=True).values("decision") == ["accept"] * 3
    run("undo_decision")
    assert dataset.count_values("decision") == {None: len(dataset)}
    assert not decisions(folder).height
    assert run("undo_decision")["error"] == "there is nothing to undo"


def test_nothing_selected_is_said(run: Run, dataset: Any) -> None:
    for name in ("accept", "reject"):
        assert run(name)["error"] == "no face is selected"
    assert "no face is selected" in form(dataset, "find_faces")["wrong"]["default"]


def test_find_faces_gives_the_nearest_by_action_units(run: Run, dataset: Any, folder: Path) -> None:
    from curate.recipes.vectors import au_vectors

    faces = rows(folder).filter(pl.col("status") == "ok")
    vectors = au_vectors(faces)
    sha256 = faces["sha256"][4]
    sample = dataset.match({"sha256": sha256}).first().id
    done = run("find_faces", selected=[sample], params={"count": 5})
    order = np.argsort(((vectors - vectors[4]) ** 2).sum(axis=1), kind="stable")
    expected = [faces["sha256"][int(i)] for i in order[:6]]
    ids = ids_of(done["sent"]["set_view"]["view"])
    assert dataset.select(ids, ordered=True).values("sha256") == expected
    assert ids[0] == sample


def test_export_hands_on_the_faces_of_the_view(run: Run, dataset: Any, folder: Path) -> None:
    view = dataset.match({"expression.label": "happiness"})
    out = folder.with_name("happy")
    params = {"to": "folder", "out": str(out), "by": "band"}
    foreseen = form(dataset, "export_faces", view=view._serialize(), params=params)["foreseen"]["default"]
    assert f"**{view.count()}** faces" in foreseen
    assert not out.exists()
    done = run("export_faces", view=view, params=params)
    files = [path.name for path in out.rglob("*") if path.suffix in (".jpg", ".png", ".webp")]
    assert sorted(files) == sorted({Path(path).name for path in view.values("filepath")})
    record = json.loads((out / "curate-export.json").read_text())
    assert record["rows"] == view.count()
    part = curate.open_scores(out.with_name("happy.scores"))
    assert part.manifest.rows == view.count()
    assert part.manifest.choice is not None
    assert part.manifest.choice["kind"] == "view"
    assert done["sent"]["set_progress"]["progress"] == 1
    assert done["sent"]["notify"]["variant"] == "success"


def test_export_of_the_whole_set_is_made_from_the_set_itself(run: Run, dataset: Any, folder: Path) -> None:
    run("export_faces", params={"to": "csv", "out": "table", "which": "the whole set"})
    table = pl.read_csv(folder.with_name("table") / "faces.csv")
    assert table.height == dataset.match({"status": "ok"}).count()
    assert not folder.with_name("table.scores").exists()


def test_export_overwrites_nothing_unasked(run: Run, dataset: Any, folder: Path) -> None:
    taken = folder.with_name("taken")
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    wrong = form(dataset, "export_faces", params={"to": "folder", "out": str(taken)})
    assert str(taken) in wrong["wrong"]["default"]
    assert (taken / "mine.txt").read_text() == "mine"
    empty = dataset.match({"band": "nowhere"})._serialize()
    wrong = form(dataset, "export_faces", view=empty, params={"to": "folder"})
    assert "no face" in wrong["wrong"]["default"]


def test_too_few_decisions_are_no_taste(run: Run, dataset: Any) -> None:
    wrong = form(dataset, "rank_by_taste")["wrong"]["default"]
    assert "50 decided faces are needed, and there are 0" in wrong


def test_rank_by_taste_puts_first_what_is_like_the_accepted(fo: Any, tmp_path: Path) -> None:
    import fiftyone.operators as foo

    from curate.browsing.dataset import to_fiftyone
    from curate.decisions import decide

    names = [f"{i}.png" for i in range(160)]
    folder = write_set(tmp_path / "taste.scores", names, scores(160, seed=3))
    faces = rows(folder)
    liked = faces["au12"] > 2.5
    for decision, those in (("accept", liked), ("reject", ~liked)):
        keys = faces.with_row_index().filter(those, pl.col("index") < 100).select("sha256", "face").rows()
        decide(folder, keys, decision)  # type: ignore[arg-type]
    enable_plugin()
    dataset = to_fiftyone(folder)
    done = foo.execute_operator("@curate/faces/rank_by_taste", ctx={"dataset": dataset, "params": {}}).result
    dataset.reload()
    assert done["auc"] > 0.8
    assert done["weights"][0]["column"] == "au12"
    assert "au12" in done["said"]
    rest = dataset.match({"decision": None})
    taste, smile = (np.array(rest.values(name)) for name in ("taste", "au12"))
    assert taste[smile > 2.5].mean() > taste[smile <= 2.5].mean() + 0.2
    fo.delete_dataset(dataset.name)


class Browsed:
    """A score set in the app, for what the operators do to it."""

    def __init__(self, folder: Path) -> None:
        from curate.browsing.dataset import to_fiftyone

        enable_plugin()
        self.folder = folder
        self.dataset = to_fiftyone(folder)

    def form(self, name: str, **asked: Any) -> dict[str, Any]:
        return form(self.dataset, name, **asked)

    def run(self, name: str, **ctx: Any) -> Any:
        """What an operator says, with its notice as `told`."""
        import fiftyone.operators as foo

        done = foo.execute_operator(f"@curate/faces/{name}", ctx={"dataset": self.dataset, **ctx})
        self.dataset.reload()
        sent = {r.operator_uri.split("/")[-1]: r.params for r in done.executor._requests}
        return {**(done.result or {}), "told": sent.get("notify", {}).get("message", ""), "sent": sent}


@pytest.fixture
def chosen(fo: Any, tmp_path: Path) -> Iterator[Browsed]:
    """Of ten faces those that smile; the others were rejected."""
    folder = write_set(tmp_path / "ten.scores", [f"{i}.png" for i in range(10)], scores(10))
    recipe = tmp_path / "smiles.yaml"
    recipe.write_text("where: [au12 > 2.5]\n")
    curate.apply(recipe, folder, tmp_path / "smiles.scores")
    browsed = Browsed(tmp_path / "smiles.scores")
    yield browsed
    fo.delete_dataset(browsed.dataset.name)


@pytest.fixture
def few(fo: Any, tmp_path: Path) -> Iterator[Browsed]:
    """Four rows: a picture, two copies of another, and one without a face."""
    names = ["a.png", "b.png", "copies/b.png", "c.png"]
    folder = write_set(tmp_path / "few.scores", names, scores(4), status={"c.png": "no_face"})
    (part,) = folder.glob("part-*.parquet")
    frame = pl.read_parquet(part)
    content = frame["sha256"].to_list()
    same = pl.Series("sha256", [content[0], content[1], content[1], content[3]])
    write_shard(open_shard(part), frame.with_columns(same))
    browsed = Browsed(folder)
    yield browsed
    fo.delete_dataset(browsed.dataset.name)


def rejected(browsed: Browsed, field: str = "recipe_smiles") -> list[str]:
    from fiftyone import ViewField as F

    return list(browsed.dataset.match(F(field) != "kept").values("id"))


def test_a_rejected_face_is_decided_where_it_is_a_row(chosen: Browsed) -> None:
    from curate.decisions import decide

    source = chosen.folder.with_name("ten.scores")
    ids = rejected(chosen)
    kept = chosen.dataset.match({"recipe_smiles": "kept"}).first().id
    keys = dict(zip(ids, chosen.dataset.select(ids, ordered=True).values("sha256"), strict=True))
    assert len(ids) > 1
    decide(source, [(keys[ids[0]], 0)], "reject")
    done = chosen.run("accept", selected=[*ids, kept])
    assert done["in_source"] == len(ids)
    assert str(source) in done["told"]
    said = dict(decisions(source).select("sha256", "decision").iter_rows())
    assert said == dict.fromkeys(keys.values(), "accept")
    assert decisions(chosen.folder).height == len(ids) + 1
    asked = curate.open_scores(source).read().filter(pl.col("decision") == "accept")
    assert set(asked["sha256"]) == set(keys.values())
    chosen.run("undo_decision")
    assert decisions(source).rows() == [(keys[ids[0]], 0, "reject")]
    assert not decisions(chosen.folder).height


def test_a_rejected_face_whose_set_is_gone_is_said_to_count_nowhere(chosen: Browsed) -> None:
    source = chosen.folder.with_name("ten.scores")
    shutil.rmtree(source)
    ids = rejected(chosen)
    done = chosen.run("accept", selected=ids)
    assert done["unseen"] == len(ids)
    assert f"{len(ids)} are rows that the recipe rejected" in done["told"]
    assert f"curate browse {source}" in done["told"]
    assert done["sent"]["notify"]["variant"] == "warning"
    assert not source.exists()


def test_faces_like_one_that_the_set_does_not_have_are_not_looked_for(chosen: Browsed) -> None:
    kept = chosen.dataset.match({"recipe_smiles": "kept"}).first().id
    done = chosen.run("find_faces", selected=[kept, rejected(chosen)[0]], params={})
    assert done["error"] == "1 of these 2 faces is not in the score set"
    assert "ten.scores" in done["hint"]
    assert "set_view" not in done["sent"]
    alone = chosen.run("find_faces", selected=rejected(chosen)[:1], params={})
    assert alone["error"] == "this face is not in the score set"


def test_faces_like_a_picture_without_one_are_not_looked_for(few: Browsed) -> None:
    none = few.dataset.match({"status": "no_face"}).first().id
    done = few.run("find_faces", selected=[none], params={})
    assert done["error"].startswith("this face has no action units")
    assert "row" not in done["told"]


def test_copies_of_a_picture_are_decided_together(few: Browsed) -> None:
    (first,) = few.dataset.match({"filepath": "/pictures/b.png"}).values("id")
    done = few.run("accept", selected=[first])
    assert (done["faces"], done["copies"]) == (1, 1)
    assert "1 byte-identical copy" in done["told"]
    marked = few.dataset.match({"decision": "accept"})
    assert sorted(Path(path).parent.name for path in marked.values("filepath")) == ["copies", "pictures"]
    few.run("undo_decision")
    assert few.dataset.count_values("decision") == {None: 4}
    assert not decisions(few.folder).height


def test_faces_that_are_gone_and_samples_of_ones_own_are_not_decided(fo: Any, few: Browsed) -> None:
    mine = few.dataset.add_sample(fo.Sample(filepath="/pictures/mine.png"))
    there = few.dataset.match({"status": "ok"}).first().id
    for name in ("accept", "reject"):
        stale = few.run(name, selected=["0" * 24])
        assert stale["error"] == "these faces are gone"
        assert "reload the page" in stale["hint"]
        some = few.run(name, selected=[there, "0" * 24])
        assert some["error"] == "1 of these 2 faces is gone"
        foreign = few.run(name, selected=[there, mine])
        assert foreign["error"] == "1 of these is not of this score set"
    assert "gone" in few.run("find_faces", selected=["0" * 24], params={})["error"]
    assert not decisions(few.folder).height


def test_what_is_not_scored_is_no_decided_face(few: Browsed) -> None:
    few.run("accept", selected=few.dataset.values("id"))
    shown = few.form("rank_by_taste")
    assert "there are 3" in shown["wrong"]["default"]
    assert "**3** accepted" in shown["decided"]["default"]


def test_a_field_of_the_users_own_is_not_ranked_over(fo: Any, tmp_path: Path) -> None:
    from fiftyone.operators.executor import ExecutionError

    from curate.decisions import decide

    folder = write_set(tmp_path / "own-taste.scores", [f"{i}.png" for i in range(80)], scores(80, seed=3))
    for decision, those in (("accept", pl.col("au12") > 2.5), ("reject", pl.col("au12") <= 2.5)):
        decide(folder, rows(folder).filter(those).select("sha256", "face").rows(), decision)  # type: ignore[arg-type]
    browsed = Browsed(folder)
    dataset = browsed.dataset
    dataset.add_sample_field("taste", fo.StringField)
    dataset.set_values("taste", ["sweet"] * 80)
    with pytest.raises(ExecutionError, match="a field `taste` that curate did not make"):
        browsed.run("rank_by_taste", params={})
    assert dataset.count_values("taste") == {"sweet": 80}
    assert "did not make" in browsed.form("rank_by_taste")["wrong"]["default"]
    dataset.delete_sample_field("taste")
    for _ in range(2):
        assert browsed.run("rank_by_taste", params={})["faces"] == 80
    dataset.delete_sample_field("taste")
    dataset.add_sample_field("taste", fo.FloatField)
    dataset.set_values("taste", [0.5] * 80)
    with pytest.raises(ExecutionError, match="rename_sample_field"):
        browsed.run("rank_by_taste", params={})
    assert dataset.count_values("taste") == {0.5: 80}
    fo.delete_dataset(dataset.name)


def test_a_recipe_writes_into_no_field_of_the_users_own(few: Browsed, fo: Any, tmp_path: Path) -> None:
    from fiftyone.operators.executor import ExecutionError

    recipe = tmp_path / "smiles.yaml"
    recipe.write_text("where: [au12 > 0]\n")
    params = {"recipe": "a file of mine", "path": str(recipe)}
    few.dataset.add_sample_field("recipe_smiles", fo.StringField)
    few.dataset.set_values("recipe_smiles", ["mine"] * 4)
    with pytest.raises(ExecutionError, match="a field `recipe_smiles` that curate did not make"):
        few.run("apply_recipe", params=params)
    assert few.dataset.count_values("recipe_smiles") == {"mine": 4}
    assert not few.folder.with_name("few-smiles.scores").exists()
    few.dataset.rename_sample_field("recipe_smiles", "mine")
    for _ in range(2):
        assert few.run("apply_recipe", params={**params, "overwrite": True})["field"] == "recipe_smiles"
    assert few.dataset.count_values("mine") == {"mine": 4}


def test_without_its_score_set_every_operator_says_so(fo: Any, run: Run, tmp_path: Path) -> None:
    from curate.browsing.dataset import to_fiftyone

    folder = write_set(tmp_path / "gone.scores", ["a.png"], scores(1))
    dataset = to_fiftyone(folder)
    shutil.rmtree(folder)
    done = run("accept", dataset=dataset, selected=dataset.values("id"))
    assert done["error"] == "the score set that these faces are from is gone"
    assert done["where"] == str(folder)
    assert "curate browse" in done["hint"]
    assert "is gone" in done["sent"]["notify"]["message"]
    for name in ("query", "apply_recipe", "balance", "export_faces", "find_faces", "rank_by_taste"):
        assert "is gone" in form(dataset, name)["wrong"]["default"]
    fo.delete_dataset(dataset.name)


def test_a_dataset_of_somebody_elses_is_refused_and_gets_no_buttons(fo: Any) -> None:
    import fiftyone.operators as foo
    from fiftyone.operators.executor import ExecutionContext, Executor

    enable_plugin()
    other = fo.Dataset()
    done = foo.execute_operator("@curate/faces/accept", ctx={"dataset": other, "selected": ["0" * 24]}).result
    assert "is of no score set" in done["error"]
    ctx = ExecutionContext({"dataset_name": other.name}, Executor())
    assert foo.get_operator("@curate/faces/accept").resolve_placement(ctx) is None
    other.delete()


@pytest.mark.parametrize(
    ("name", "place", "asks"),
    [
        ("query", "samples-grid-secondary-actions", True),
        ("accept", "samples-grid-secondary-actions", False),
        ("reject", "samples-grid-secondary-actions", False),
        ("find_faces", "samples-grid-secondary-actions", True),
        ("accept_open", "samples-viewer-actions", False),
        ("reject_open", "samples-viewer-actions", False),
        ("find_like_open", "samples-viewer-actions", True),
    ],
)
def test_faces_of_ours_have_buttons_in_the_grid_and_over_an_open_one(
    dataset: Any, name: str, place: str, asks: bool
) -> None:
    import fiftyone.operators as foo
    from fiftyone.operators.executor import ExecutionContext, Executor

    operator = foo.get_operator(f"@curate/faces/{name}")
    placement = operator.resolve_placement(ExecutionContext({"dataset_name": dataset.name}, Executor()))
    said = placement.to_json()
    assert said["place"] == place
    assert placement.view._kwargs["prompt"] is asks
    assert placement.view._kwargs["icon"] == operator.config.icon
