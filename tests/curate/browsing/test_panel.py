"""What the panel shows are the figures of the score set, and a click shows just the faces behind what was clicked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scoresets import certain, scores, write_set

import curate
from curate.browsing import colours
from curate.browsing import panel_choice as choice
from curate.browsing import panel_data as data
from curate.browsing import panel_plots as plots
from curate.scorers.columns import BANDS, EXPRESSIONS

ROOT = Path(__file__).resolve().parents[3]
COUNT = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [f"{i}.png" for i in range(COUNT)]
    folder = tmp_path_factory.mktemp("panel") / "panel.scores"
    return write_set(folder, names, scores(COUNT, seed=5), status={"7.png": "no_face", "9.png": "unreadable"})


@pytest.fixture(scope="module")
def rows(folder: Path) -> pl.DataFrame:
    """The faces, as they stand in the score set."""
    return curate.open_scores(folder).read().filter(pl.col("status") == "ok")


@pytest.fixture(scope="module")
def dataset(fo: Any, folder: Path) -> Any:
    from curate.browsing.dataset import to_fiftyone

    return to_fiftyone(folder)


def shas(view: Any) -> list[str]:
    return list(view.values("sha256"))


def test_bars_count_each_expression_in_steps_of_five_degrees(dataset: Any, rows: pl.DataFrame) -> None:
    counts = data.bars(data.read_faces(dataset))
    for i, name in enumerate(EXPRESSIONS):
        heat = rows.filter(pl.col("expression") == name)["temperature"].cast(pl.Float64).to_numpy()
        assert counts[i].tolist() == np.histogram(heat, bins=20, range=(0, 100))[0].tolist()
    assert counts.sum() == COUNT - 2
    assert not counts[-1].any()


def test_the_hottest_face_there_can_be_is_in_the_last_bar() -> None:
    nothing = np.zeros(2, np.int8)
    heat = np.array([100.0, 0.0])
    faces = data.Faces(2, np.array(["a", "b"], object), nothing, nothing, heat, None, None)
    counts = data.bars(faces)
    assert counts[0, -1] == 1
    assert counts[0, 0] == 1


def test_the_table_counts_expression_and_band(dataset: Any, rows: pl.DataFrame) -> None:
    counts = data.table(data.read_faces(dataset))
    for i, name in enumerate(EXPRESSIONS):
        for j, band in enumerate(BANDS):
            expected = rows.filter((pl.col("expression") == name) & (pl.col("band") == band)).height
            assert counts[i, j] == expected


def test_cells_hold_every_face_once_with_its_mean_place(dataset: Any, rows: pl.DataFrame) -> None:
    cells = data.cells(data.read_faces(dataset))
    valence, arousal = (
        rows["valence"].cast(pl.Float64).to_numpy(),
        rows["arousal"].cast(pl.Float64).to_numpy(),
    )
    edges = np.linspace(-1, 1, 41)
    counts, *_ = np.histogram2d(valence, arousal, bins=[edges, edges])
    flat = counts.ravel().astype(int)
    assert dict(zip(cells.cell.tolist(), cells.count.tolist(), strict=True)) == {
        int(cell): int(flat[cell]) for cell in np.flatnonzero(flat)
    }
    assert np.isclose((cells.valence * cells.count).sum(), valence.sum())
    assert np.isclose((cells.arousal * cells.count).sum(), arousal.sum())


def test_means_of_action_units_are_shares_of_the_scale(dataset: Any, rows: pl.DataFrame) -> None:
    means = data.whole_means(dataset)
    assert list(means) == [*(f"au{n:02}" for n in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)),
                           *(f"au{n:02}_p" for n in (7, 10, 14, 23, 24))]  # fmt: skip
    for name, mean in means.items():
        top = 1 if name.endswith("_p") else 5
        assert mean == pytest.approx(rows[name].cast(pl.Float64).mean() / top)  # type: ignore[operator]


def test_means_of_the_whole_set_are_read_anew_when_a_sample_changes(fo: Any, tmp_path: Path) -> None:
    from curate.browsing.dataset import to_fiftyone

    dataset = to_fiftyone(write_set(tmp_path / "change.scores", ["a.png"], scores(1)))
    before = data.whole_means(dataset)["au12"]
    dataset.set_values("au12", [0.0])
    assert before
    assert data.whole_means(dataset)["au12"] == 0.0


def test_a_click_on_a_bar_shows_the_faces_it_counts(dataset: Any) -> None:
    faces = data.read_faces(dataset)
    counts = data.bars(faces)
    for trace in plots.histogram(faces):
        for x, y in zip(trace["x"], trace["y"], strict=True):
            view = choice.of_bar(dataset, trace["name"], x)
            assert view.count() == y == counts[EXPRESSIONS.index(trace["name"].lower())][int(x // 5)]
            assert view.distinct("expression.label") == [trace["name"].lower()]


def test_a_click_on_a_cell_shows_the_faces_it_counts(dataset: Any) -> None:
    (trace,) = plots.heatmap(data.read_faces(dataset))
    found = 0
    for name, texts in zip(trace["y"], trace["customdata"], strict=True):
        for band, count in zip(trace["x"], texts, strict=True):
            assert choice.of_cell(dataset, name, band).count() == count
            found += count
    assert found == COUNT - 2


def test_a_region_of_dots_shows_these_faces(dataset: Any) -> None:
    trace = plots.map_(data.read_faces(dataset))[0]
    view = choice.of_region(dataset, trace["ids"][:5])
    assert sorted(view.values("id")) == sorted(trace["ids"][:5])


def test_many_faces_are_put_together_and_a_region_shows_all_of_them(
    dataset: Any, rows: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "DOTS", 100)
    traces = plots.map_(data.read_faces(dataset))
    assert sum(sum(trace["customdata"]) for trace in traces) == COUNT - 2
    inside = [
        (id_, n)
        for trace in traces
        for id_, n, x in zip(trace["ids"], trace["customdata"], trace["x"], strict=True)
        if x > 0
    ]
    view = choice.of_region(dataset, [id_ for id_, _ in inside])
    pleasant = rows.filter(pl.col("valence") >= 0)
    assert sorted(shas(view)) == sorted(pleasant["sha256"])
    assert view.count() == sum(n for _, n in inside)


def test_a_click_on_an_action_unit_shows_where_it_moves_strongest_first(
    dataset: Any, rows: pl.DataFrame
) -> None:
    view = choice.of_action_unit(dataset, "AU12 lip corner puller")
    expected = rows.filter(pl.col("au12") >= 1).sort("au12", descending=True)
    assert shas(view) == expected["sha256"].to_list()
    view = choice.of_action_unit(dataset, "AU14 dimpler")
    assert view.count() == rows.filter(pl.col("au14_p") >= 0.5).height
    assert choice.of_action_unit(dataset, "AU99 ear wiggler") is None


def context(dataset: Any, **asked: Any) -> Any:
    """What a panel is given by the app."""
    from fiftyone.operators.executor import ExecutionContext, Executor

    params = {"panel_id": "p", "panel_state": asked.pop("state", {}), **asked.pop("params", {})}
    request = {"dataset_name": dataset.name, "params": params, **asked}
    return ExecutionContext(request, Executor())


def drawn(dataset: Any, **asked: Any) -> dict[str, Any]:
    from curate.browsing.panel import EmotionalTemperature

    panel = EmotionalTemperature()
    panel.plugin_name = "@curate/faces"
    found: dict[str, Any] = panel.render(context(dataset, **asked)).to_json()["type"]["properties"]
    return found


def test_the_panel_follows_view_filters_and_saved_views(dataset: Any, rows: pl.DataFrame) -> None:
    def faces(**asked: Any) -> int:
        plot = drawn(dataset, **asked)["histogram"]["view"]["data"]
        return sum(sum(trace["y"]) for trace in plot)

    def there(*conditions: pl.Expr) -> int:
        return rows.filter(*conditions).height

    band, expression = pl.col("band"), pl.col("expression")
    hot = dataset.match({"band": "hot"})
    sad = {"expression.label": {"values": ["sadness"], "exclude": False, "isMatching": True}}
    both = there(band == "hot", expression == "sadness")
    assert 0 < both < min(there(band == "hot"), there(expression == "sadness"))
    assert faces() == COUNT - 2
    assert faces(view=hot._serialize()) == there(band == "hot")
    assert faces(filters=sad) == there(expression == "sadness")
    assert faces(view=hot._serialize(), filters=sad) == both
    assert faces(view_name="band: hot", filters=sad) == both


def test_a_click_sets_the_view_and_back_returns(dataset: Any) -> None:
    from curate.browsing.panel import EmotionalTemperature

    panel = EmotionalTemperature()
    panel.plugin_name = "@curate/faces"
    warm = dataset.match({"band": "warm"})
    trace = plots.histogram(data.read_faces(warm))[0]
    clicked = context(dataset, view=warm._serialize(), params={"x": trace["x"][0], "trace": trace["name"]})
    panel.on_bar(clicked)
    sent = {r.operator_uri.split("/")[-1]: r.params for r in clicked.executor._requests}
    assert len(sent["set_view"]["view"]) == 3
    assert sent["patch_panel_state"]["state"] == {"back": [warm._serialize()]}
    back = context(dataset, view=sent["set_view"]["view"], state={"back": [warm._serialize()]})
    panel.on_back(back)
    sent = {r.operator_uri.split("/")[-1]: r.params for r in back.executor._requests}
    assert [stage["_cls"] for stage in sent["set_view"]["view"]] == ["fiftyone.core.stages.Match"]
    assert sent["patch_panel_state"]["state"] == {"back": []}


def test_an_empty_selection_and_a_stray_click_do_nothing(dataset: Any) -> None:
    from curate.browsing.panel import EmotionalTemperature

    panel = EmotionalTemperature()
    for event, params in (
        (panel.on_region, {"data": []}),
        (panel.on_region, {}),
        (panel.on_dot, {"id": None}),
        (panel.on_bar, {"x": None}),
        (panel.on_cell, {}),
        (panel.on_action_unit, {"y": None}),
        (panel.on_back, {}),
    ):
        ctx = context(dataset, params=params)
        event(ctx)
        assert not ctx.executor._requests


def test_a_click_where_no_face_is_does_nothing(dataset: Any) -> None:
    from curate.browsing.panel import EmotionalTemperature

    panel = EmotionalTemperature()
    warm = dataset.match({"band": "warm"})._serialize()
    fear = {"expression.label": {"values": ["fear"], "exclude": False, "isMatching": True}}
    (full,) = (t for t in plots.histogram(data.read_faces(dataset)) if t["name"] == "Fear")
    bar = {"trace": "Fear", "x": full["x"][0]}
    for event, params, asked in (
        (panel.on_cell, {"y": "Fear", "x": "hot"}, {"view": warm}),
        (panel.on_cell, {"y": "Happiness", "x": "warm"}, {"filters": fear}),
        (panel.on_bar, bar | {"trace": "Happiness"}, {"filters": fear}),
    ):
        ctx = context(dataset, params=params, **asked)
        event(ctx)
        assert not ctx.executor._requests
    there = context(dataset, params=bar, filters=fear)
    panel.on_bar(there)
    assert there.executor._requests


def test_an_empty_view_is_drawn(dataset: Any) -> None:
    shown = drawn(dataset, view=dataset.match({"band": "nowhere"})._serialize())
    assert shown["histogram"]["view"]["data"] == []
    assert shown["map"]["view"]["data"] == []
    assert "0 faces" in shown["headline"]["default"]


def test_what_a_set_does_not_have_is_said(fo: Any, tmp_path: Path) -> None:
    from curate.browsing.dataset import to_fiftyone

    no_units = to_fiftyone(write_set(tmp_path / "no-units.scores", ["a.png"], certain(["fear"])))
    shown = drawn(no_units)
    assert "no_profile" in shown
    assert "action units" in shown["no_profile"]["default"]
    assert "histogram" in shown
    nothing = to_fiftyone(write_set(tmp_path / "nothing.scores", ["a.png"], {}))
    shown = drawn(nothing)
    assert {"no_histogram", "no_map", "no_heatmap", "no_profile"} <= set(shown)


def test_every_expression_has_its_own_colour_everywhere() -> None:
    assert list(colours.EXPRESSION_COLOURS) == list(EXPRESSIONS)
    assert list(colours.BAND_COLOURS) == list(BANDS)
    assert len({*colours.EXPRESSION_COLOURS.values(), colours.NONE}) == len(EXPRESSIONS) + 1


def test_the_lines_of_the_histogram_are_the_limits_of_the_bands() -> None:
    from curate.recipes.affect import load_affect

    shipped = load_affect().bands
    assert shipped == plots.BANDS_BEGIN
    assert all(begin % data.BAR == 0 for begin in shipped.values())
    layout = plots.histogram_layout({**shipped, "hot": 55})
    assert [line["x0"] for line in layout["shapes"]] == [15, 35, 55, 80]


def test_the_panel_draws_the_bands_of_the_sets_own_table(fo: Any, tmp_path: Path) -> None:
    from curate.browsing.dataset import to_fiftyone

    table = tmp_path / "mine.yaml"
    shipped = (ROOT / "recipes" / "tables" / "affect.yaml").read_text()
    assert "hot: 60" in shipped
    table.write_text(shipped.replace("hot: 60", "hot: 55"))
    folder = write_set(tmp_path / "own-bands.scores", ["a.png", "b.png"], scores(2))
    recipe = tmp_path / "all.yaml"
    recipe.write_text("where: [temperature >= 0]\n")
    curate.apply(recipe, folder, tmp_path / "kept.scores", affect=table)
    for made, limits in ((folder, [15, 35, 60, 80]), (tmp_path / "kept.scores", [15, 35, 55, 80])):
        layout = drawn(to_fiftyone(made))["histogram"]["view"]["layout"]
        assert [line["x0"] for line in layout["shapes"]] == limits


def test_the_whole_of_a_chosen_set_is_what_is_kept(fo: Any, tmp_path: Path) -> None:
    from curate.browsing.dataset import to_fiftyone

    folder = write_set(tmp_path / "both.scores", [f"{i}.png" for i in range(30)], scores(30))
    recipe = tmp_path / "smiles.yaml"
    recipe.write_text("where: [au12 > 3]\n")
    curate.apply(recipe, folder, tmp_path / "smiles.scores")
    kept = curate.open_scores(tmp_path / "smiles.scores").read()
    assert 0 < kept.height < 30
    dataset = to_fiftyone(tmp_path / "smiles.scores")
    assert len(dataset) == 30
    mean = kept["au12"].cast(pl.Float64).mean()
    assert data.whole_means(dataset)["au12"] == pytest.approx(mean / 5)  # type: ignore[operator]
