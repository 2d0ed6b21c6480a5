from __future__ import annotations

import numpy as np
import pytest

from curate.errors import RecipeError
from curate.recipes.targets import joint_shares, level_shares, marginal_shares, shares_of, target_shares

FACES = ["neutral", "happiness", "anger", "fear"]


def test_uniform_gives_every_cell_the_same() -> None:
    shares = target_shares({"expression": FACES, "band": ["cool", "hot"]}, "uniform")
    assert shares.shape == (4, 2)
    assert np.allclose(shares, 1 / 8)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"anger": 0.4, "fear": 0.2}, [0.2, 0.2, 0.4, 0.2]),
        ({"anger": 0.5, "fear": 0.5}, [0, 0, 0.5, 0.5]),
        ({"anger": 75, "fear": 25}, [0, 0, 0.75, 0.25]),
        ({"anger": 2, "fear": 1, "neutral": 1}, [0.25, 0, 0.5, 0.25]),
        ({"neutral": 0.1, "happiness": 0.1, "anger": 0.1, "fear": 0.1}, [0.25] * 4),
        ({"neutral": 0}, [0, 1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_shares_below_one_leave_the_rest_to_those_not_named(
    given: dict[str, float], expected: list[float]
) -> None:
    assert level_shares(FACES, given, "expression").tolist() == pytest.approx(expected)


def test_ten_tenths_leave_nothing() -> None:
    levels = [str(n) for n in range(11)]
    shares = level_shares(levels, dict.fromkeys(levels[:10], 0.1), "n_faces")
    assert shares[10] == 0


def test_keys_are_read_as_yaml_has_them() -> None:
    assert level_shares(["false", "true"], {True: 3, False: 1}, "upright").tolist() == [0.25, 0.75]
    assert level_shares(["1", "2"], {1: 0.9}, "n_faces").tolist() == pytest.approx([0.9, 0.1])


def test_several_columns_are_the_product_of_their_shares() -> None:
    levels = {"expression": FACES, "band": ["cool", "hot"]}
    spec = {"band": {"hot": 0.75}}
    first, second = marginal_shares(levels, spec)
    assert first.tolist() == [0.25] * 4
    assert second.tolist() == pytest.approx([0.25, 0.75])
    assert np.allclose(target_shares(levels, spec), joint_shares([first, second]))
    assert target_shares(levels, spec).sum() == pytest.approx(1)


def test_one_column_takes_its_shares_with_and_without_its_name() -> None:
    levels = {"expression": FACES}
    alone = target_shares(levels, {"anger": 1})
    assert alone.tolist() == target_shares(levels, {"expression": {"anger": 1}}).tolist() == [0, 0, 1, 0]


def test_other_rows_lend_their_distribution() -> None:
    assert shares_of([[1, 3], [0, 4]]).tolist() == [[0.125, 0.375], [0, 0.5]]
    with pytest.raises(RecipeError, match="none of these cells"):
        shares_of([0, 0])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"angre": 1}, "never `angre`; did you mean `anger`"),
        ({"expresion": {"anger": 1}}, "never `expresion`"),
        ({"anger": -1}, "-1 is no share"),
        ({"anger": "a third"}, "'a third' is no share"),
        ({"anger": True}, "True is no share"),
        ({"anger": float("nan")}, "nan is no share"),
        ({"neutral": 0, "happiness": 0, "anger": 0, "fear": 0}, "every share is 0"),
        ("unifrom", "neither `uniform` nor shares"),
    ],
)
def test_shares_that_make_no_sense_say_why(spec: object, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        target_shares({"expression": FACES}, spec)


def test_a_column_that_is_not_balanced_by_is_named() -> None:
    levels = {"expression": FACES, "band": ["cool", "hot"]}
    with pytest.raises(RecipeError, match="`bands` is none of expression, band; did you mean `band`"):
        target_shares(levels, {"bands": "uniform"})


def test_a_column_without_any_level_is_named() -> None:
    with pytest.raises(RecipeError, match="no row has a value in `model`"):
        target_shares({"model": []}, "uniform")
