from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scoresets import scores

from curate.errors import RecipeError
from curate.recipes.taste import ENOUGH, fit_taste, taste_columns


def faces(count: int, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng([seed, 1])
    return pl.DataFrame(scores(count, seed)).with_columns(
        pl.Series("sha256", [f"{n:06}" for n in random.permutation(count)]),
        pl.Series("yaw", random.normal(0, 20, count)),
        pl.Series("sharpness", random.random(count)),
        face=pl.lit(0, pl.Int32),
    )


def likes(
    rows: pl.DataFrame, taste: dict[str, float], noise: float = 0.5, seed: int = 0
) -> NDArray[np.bool_]:
    """Thumbs of somebody who goes by these columns, in standard deviations, and by chance."""
    drawn = np.random.default_rng([seed, 2]).logistic(0, noise, rows.height)
    for name, weight in taste.items():
        values = rows[name].to_numpy()
        drawn = drawn + weight * (values - values.mean()) / values.std()
    return drawn > 0


@pytest.mark.parametrize("seed", range(5))
def test_sign_and_rank_of_what_somebody_goes_by_are_found(seed: int) -> None:
    rows = faces(600, seed)
    taste = fit_taste(rows, likes(rows, {"au12": 3.0, "sharpness": 1.5, "au04": -2.2}, seed=seed))
    top = taste.weights.head(3)
    assert top["column"].to_list() == ["au12", "au04", "sharpness"]
    assert np.sign(top["weight"]).to_list() == [1, -1, 1]
    assert taste.auc > 0.9
    assert taste.better_than_chance
    assert taste.verdict.startswith("in 9")
    assert taste.accepted + taste.rejected == 600


@pytest.mark.parametrize(("count", "scatter"), [(60, 0.1), (400, 0.04)])
def test_thumbs_at_random_are_no_taste_and_it_says_so(count: int, scatter: float) -> None:
    found = []
    for seed in range(8):
        rows = faces(count, seed)
        found.append(fit_taste(rows, np.random.default_rng([seed, 3]).random(count) < 0.5))
    assert np.mean([taste.auc for taste in found]) == pytest.approx(0.5, abs=3 * scatter / 8**0.5)
    assert sum(taste.better_than_chance for taste in found) <= 1
    assert all("no better than chance" in t.verdict for t in found if not t.better_than_chance)


def test_fifty_thumbs_are_enough_for_a_strong_taste() -> None:
    rows = faces(ENOUGH, 3)
    taste = fit_taste(rows, likes(rows, {"happiness": 4.0}, noise=0.2))
    assert taste.weights["column"][0] == "happiness"
    assert taste.better_than_chance


def test_how_far_a_head_is_turned_is_seen_whatever_the_side() -> None:
    rows = faces(400)
    frontal = (rows["yaw"].abs() < 14).to_numpy()
    top = fit_taste(rows, frontal).weights.row(0)
    assert top[0] == "abs(yaw)"
    assert top[1] < 0


def test_the_score_ranks_new_faces_and_is_a_probability() -> None:
    rows, new = faces(600), faces(500, 7)
    going_by = {"au12": 3.0, "au04": -2.0}
    taste = fit_taste(rows, likes(rows, going_by))
    score = taste.score(new)
    assert (score.dtype, score.name, score.null_count()) == (pl.Float64, "taste", 0)
    assert score.is_between(0, 1).all()
    liked = likes(new, going_by, noise=0.01)
    assert score.filter(pl.Series(liked)).mean() > 0.75  # type: ignore[operator]
    assert score.filter(pl.Series(~liked)).mean() < 0.25  # type: ignore[operator]


def test_a_score_does_not_depend_on_the_other_rows_and_null_is_average() -> None:
    rows = faces(300)
    taste = fit_taste(rows, likes(rows, {"au12": 3.0}))
    assert taste.score(rows[5:6])[0] == pytest.approx(taste.score(rows)[5])
    unknown = rows[:1].with_columns(au12=pl.lit(None, pl.Float64))
    average = rows[:1].with_columns(au12=rows["au12"].mean())
    assert taste.score(unknown)[0] == pytest.approx(taste.score(average)[0])
    assert taste.score(unknown.drop("au12"))[0] == pytest.approx(taste.score(average)[0])
    assert taste.score(unknown.with_columns(au12=float("nan")))[0] == pytest.approx(taste.score(average)[0])


def test_nothing_is_said_of_a_face_of_which_nothing_is_known() -> None:
    rows = faces(300)
    taste = fit_taste(rows, likes(rows, {"au12": 3.0}))
    empty = rows[:2].with_columns(
        pl.lit(None, pl.Float64).alias(name) for name in taste_columns(rows.columns)
    )
    assert taste.score(empty).to_list() == [None, None]
    assert taste.score(rows.clear()).to_list() == []


def test_the_order_of_rows_and_copies_of_a_face_change_nothing() -> None:
    rows = faces(200)
    liked = likes(rows, {"au12": 2.0})
    taste = fit_taste(rows, liked)
    turned = np.concatenate([np.random.default_rng(4).permutation(200), [3, 3, 17]])
    again = fit_taste(rows[turned], pl.Series(liked[turned]))
    assert again.auc == taste.auc
    assert again.weights.equals(taste.weights)
    assert again.accepted == taste.accepted


def test_identity_prompt_and_seed_are_never_read() -> None:
    rows = faces(200)
    liked = likes(rows, {"au12": 2.0})
    telling = rows.with_columns(
        seed=pl.Series(liked).cast(pl.UInt64),
        width=pl.Series(liked).cast(pl.Int32),
        prompt=pl.Series(["good" if like else "bad" for like in liked]),
        phash=pl.Series(liked).cast(pl.UInt64),
        box_x=pl.Series(liked).cast(pl.Float32),
        intent_p=pl.Series(liked).cast(pl.Float32),
    )
    assert fit_taste(telling, liked).weights.equals(fit_taste(rows, liked).weights)


def test_whether_a_value_is_missing_in_what_it_is_tried_on_does_not_leak() -> None:
    """Values that are there for a third of the faces only, and mean nothing."""
    rows = faces(300, 2)
    liked = np.random.default_rng(5).random(300) < 0.5
    holes = pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.col("yaw"))
    assert fit_taste(rows.with_columns(yaw=holes), liked).auc == pytest.approx(0.5, abs=0.12)


def test_constant_and_empty_columns_have_no_weight() -> None:
    rows = faces(120).with_columns(au20=pl.lit(1.0), au25=pl.lit(None, pl.Float64))
    weights = fit_taste(rows, likes(rows, {"au12": 2.0})).weights
    assert not {"au20", "au25"} & set(weights["column"])
    assert weights["weight"].is_finite().all()


def test_too_few_and_one_sided_decisions_are_refused_with_what_is_missing() -> None:
    rows = faces(60)
    with pytest.raises(RecipeError, match="49 decisions say too little") as few:
        fit_taste(rows[:49], np.arange(49) % 2 == 0)
    assert few.value.hint == "accept or reject 1 more faces"
    with pytest.raises(RecipeError, match="nearly all faces were accepted, and only 4 rejected") as one_sided:
        fit_taste(rows, np.arange(60) >= 4)
    assert one_sided.value.hint == "reject at least 5"
    with pytest.raises(RecipeError, match="only 0 accepted"):
        fit_taste(rows, np.zeros(60, bool))
    with pytest.raises(RecipeError, match="60 faces and 59 decisions"):
        fit_taste(rows, np.ones(59, bool))
    with pytest.raises(RecipeError, match="nothing to go by"):
        fit_taste(rows.select("sha256", "face"), np.arange(60) % 2 == 0)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    real = importlib.import_module

    def without(name: str, *more: Any) -> Any:
        if name.startswith(("sklearn", "threadpoolctl")):
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(importlib, "import_module", without)
    rows = faces(60)
    with pytest.raises(RecipeError, match="needs scikit-learn") as missing:
        fit_taste(rows, np.arange(60) % 2 == 0)
    assert "curate-faces[app]" in missing.value.hint
