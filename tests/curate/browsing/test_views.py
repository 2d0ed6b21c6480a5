"""The saved views and the sidebar of a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scoresets import scores, write_set

import curate
from curate.browsing import store
from curate.browsing.colours import BAND_COLOURS, EXPRESSION_COLOURS
from curate.browsing.sidebar import INDEXED
from curate.browsing.views import first_view, whole_set
from curate.scorers.columns import BANDS, EXPRESSIONS

NAMES = [f"{i}.png" for i in range(40)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("views")


@pytest.fixture(scope="module")
def dataset(fo: Any, place: Path) -> Iterator[Any]:
    """Forty pictures, of which three are not scored."""
    status = {"0.png": "no_face", "1.png": "unreadable", "2.png": "crashed"}
    yield curate.to_fiftyone(write_set(place / "forty.scores", NAMES, scores(40), status=status))
    fo.delete_dataset("forty")


@pytest.fixture(scope="module")
def chosen(fo: Any, place: Path) -> Iterator[Any]:
    folder = write_set(place / "all.scores", NAMES, scores(40))
    recipe = place / "hot.yaml"
    recipe.write_text("where: [valence > 0, au12 > 2.5]\n")
    curate.apply(recipe, folder, place / "keep.scores")
    yield curate.to_fiftyone(place / "keep.scores")
    fo.delete_dataset("keep")


def test_views_are_there_for_what_people_look_for(dataset: Any) -> None:
    views = set(dataset.list_saved_views())
    assert {"hottest", "coldest", "ambivalent faces", "suspicious faces", "not scored", *EXPRESSIONS} <= views
    assert {f"band: {band}" for band in BANDS} <= views


def test_views_show_what_they_say(dataset: Any) -> None:
    heat = dataset.load_saved_view("hottest").values("temperature")
    assert len(heat) == 37
    assert heat == sorted(heat, reverse=True)
    assert dataset.load_saved_view("coldest").values("temperature") == heat[::-1]
    assert set(dataset.load_saved_view("not scored").values("status")) == {"no_face", "unreadable", "crashed"}
    counts = dataset.count_values("expression.label")
    assert {name: len(dataset.load_saved_view(name)) for name in EXPRESSIONS if name in counts} == {
        name: count for name, count in counts.items() if name is not None
    }
    bands = [len(dataset.load_saved_view(f"band: {band}")) for band in BANDS]
    assert sum(bands) == 37
    for conflicts, agreement in zip(
        *dataset.load_saved_view("suspicious faces").values(["au_conflicts", "agreement"]), strict=True
    ):
        assert (conflicts or 0) >= 1 or (agreement is not None and agreement < 0.5)


def test_a_set_without_expressions_has_no_views_of_them(fo: Any, place: Path) -> None:
    bare = curate.to_fiftyone(write_set(place / "bare.scores", ["a.png"], {"yaw": [3.0]}))
    views = set(bare.list_saved_views())
    assert "not scored" in views
    assert not views & {"hottest", "anger", "band: hot", "suspicious faces", "true to prompt"}
    fo.delete_dataset("bare")


def test_a_chosen_set_shows_what_is_kept_and_what_rejected_the_rest(
    chosen: Any, place: Path, fo: Any
) -> None:
    kept = curate.open_scores(place / "keep.scores").read().height
    assert 0 < kept < 40
    assert len(chosen) == 40
    assert len(chosen.load_saved_view("hot: kept")) == kept
    counts = chosen.count_values("recipe_hot")
    clauses = {name: n for name, n in counts.items() if name != "kept"}
    views = [name for name in chosen.list_saved_views() if "rejected" in name]
    assert len(views) == len(clauses) == 2
    assert sum(len(chosen.load_saved_view(name)) for name in views) == 40 - kept
    assert {name.split(", ", 1)[1] for name in views} == set(clauses)


def test_the_app_opens_a_chosen_set_on_what_is_kept(chosen: Any, dataset: Any, place: Path) -> None:
    keep = curate.open_scores(place / "keep.scores")
    assert len(first_view(chosen, keep)) == keep.read().height
    assert first_view(dataset, curate.open_scores(place / "forty.scores")) is None


def test_views_of_a_chosen_set_leave_out_what_its_recipe_rejected(chosen: Any, dataset: Any) -> None:
    kept = set(chosen.load_saved_view("hot: kept").values("id"))
    assert set(whole_set(chosen).values("id")) == kept
    assert set(chosen.load_saved_view("hottest").values("id")) == kept
    for name in chosen.list_saved_views():
        if not name.startswith(("hot:", "decided", "not scored")):
            assert set(chosen.load_saved_view(name).values("id")) <= kept, name
    bands = [len(chosen.load_saved_view(f"band: {band}")) for band in BANDS]
    assert sum(bands) == len(kept)
    assert len(whole_set(dataset)) == 40


def test_samples_of_ones_own_are_not_counted_as_not_scored(dataset: Any, fo: Any) -> None:
    mine = dataset.add_sample(fo.Sample(filepath="/mine.png"))
    view = dataset.load_saved_view("not scored")
    assert len(view) == 3
    dataset.delete_samples([mine])


def test_views_of_ones_own_stay_and_ours_are_mended(dataset: Any, place: Path) -> None:
    dataset.save_view("mine", dataset.limit(3))
    dataset.save_view("hottest", dataset.limit(1), overwrite=True)
    dataset.delete_saved_view("coldest")
    curate.to_fiftyone(place / "forty.scores")
    dataset.reload()
    assert len(dataset.load_saved_view("mine")) == 3
    assert len(dataset.load_saved_view("hottest")) == 37
    assert dataset.has_saved_view("coldest")


def test_a_view_of_ones_own_may_have_the_name_of_one_of_ours(fo: Any, place: Path) -> None:
    folder = write_set(place / "named.scores", NAMES[:5], {"yaw": [1.0] * 5})
    named = curate.to_fiftyone(folder)
    named.save_view("anger", named.limit(2))
    write_set(place / "again.scores", NAMES[:5], scores(5))
    for path in (place / "again.scores").iterdir():
        path.replace(folder / path.name)
    curate.to_fiftyone(folder)
    named.reload()
    assert len(named.load_saved_view("anger")) == 2
    assert named.has_saved_view("fear")
    fo.delete_dataset("named")


def test_a_view_of_ones_own_may_differ_from_one_of_ours_in_case_and_signs_alone(fo: Any, place: Path) -> None:
    folder = write_set(place / "slug.scores", NAMES[:5], scores(5))
    recipe = place / "warm.yaml"
    recipe.write_text("where: [valence > 0]\n")
    curate.apply(recipe, folder, place / "warm.scores")
    warm = curate.to_fiftyone(place / "warm.scores")
    for ours, mine in {"hottest": "Hottest", "warm: kept": "Warm kept"}.items():
        warm.delete_saved_view(ours)
        warm.save_view(mine, warm.limit(1))
    curate.to_fiftyone(place / "warm.scores")
    warm.reload()
    assert len(warm.load_saved_view("Hottest")) == len(warm.load_saved_view("Warm kept")) == 1
    assert not warm.has_saved_view("hottest")
    keep = curate.open_scores(place / "warm.scores")
    assert len(first_view(warm, keep)) == keep.read().height
    fo.delete_dataset("warm")


def test_what_has_not_changed_is_not_saved_again(dataset: Any, place: Path) -> None:
    curate.to_fiftyone(place / "forty.scores")
    dataset.reload()
    before = {view.name: view.last_modified_at for view in dataset._doc.get_saved_views()}
    curate.to_fiftyone(place / "forty.scores")
    dataset.reload()
    assert {view.name: view.last_modified_at for view in dataset._doc.get_saved_views()} == before
    assert store.saved_views(dataset)["anger"] == store.stages_of(dataset.load_saved_view("anger"))


def test_the_sidebar_is_in_groups_and_has_every_field_once(dataset: Any) -> None:
    groups = {group.name: group.paths for group in dataset.app_config.sidebar_groups}
    assert list(groups)[:4] == ["tags", "Choice", "Temperature", "Expression"]
    assert groups["Temperature"][:3] == ["temperature", "tone", "band"]
    assert groups["Action units"][0] == "au01"
    paths = [path for members in groups.values() for path in members]
    assert len(paths) == len(set(paths))
    assert set(dataset.get_field_schema()) - {"tags", "metadata"} <= set(paths)
    assert {path for path in paths if not dataset.has_field(path)} == set()


def test_few_fields_are_on_and_each_expression_has_its_colour(dataset: Any) -> None:
    config = dataset.app_config
    assert not config.active_fields.exclude
    assert {"temperature", "band", "expression", "decision"} <= set(config.active_fields.paths)
    assert 5 <= len(config.active_fields.paths) <= 11
    colours = {field["path"]: field for field in config.color_scheme.fields}
    told = {entry["value"]: entry["color"] for entry in colours["expression"]["valueColors"]}
    assert told == EXPRESSION_COLOURS
    assert {entry["value"]: entry["color"] for entry in colours["band"]["valueColors"]} == BAND_COLOURS
    scales = {scale["path"]: scale["list"] for scale in config.color_scheme.colorscales}
    assert [step["value"] for step in scales["valence"]] == [0, 0.25, 0.5, 0.75, 1]


def test_what_people_slide_has_an_index(dataset: Any) -> None:
    wanted = {path for path in INDEXED if dataset.has_field(path)}
    assert {"temperature", "valence", "au12", "expression.label"} <= wanted
    assert wanted <= set(dataset.list_indexes())
