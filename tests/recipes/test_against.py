from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import energy_distance as scipy_energy

from curate.recipes.against import compare, difference_of_shares, energy_distance, furthest, standardised
from curate.recipes.sample import by_content
from curate.recipes.stats import statistics
from curate.scorers.columns import EXPRESSIONS

NUMBERS = arrays(np.float64, st.tuples(st.integers(1, 15), st.just(1)), elements=st.floats(0, 1))


def faces(expressions: list[str], name: str = "a", **au: float) -> pl.DataFrame:
    """Faces that are sure of their expression, all with these action units."""
    n = len(expressions)
    columns = {
        "image": [f"{name}{i}.png" for i in range(n)],
        "sha256": [f"{i:02x}{ord(name):062x}" for i in range(n)],
        "face": [0] * n,
        "status": ["ok"] * n,
        "expression": expressions,
        "band": ["warm"] * n,
        "temperature": [40.0] * n,
        "valence": [0.1 * EXPRESSIONS.index(e) for e in expressions],
        "arousal": [0.2] * n,
        "au06": [0.0] * n,
        "au12": [float(i % 3) for i in range(n)],
    }
    columns |= {e: [float(e == said) for said in expressions] for e in EXPRESSIONS}
    return pl.DataFrame(columns).with_columns(pl.lit(x).alias(c) for c, x in au.items())


@settings(max_examples=40, deadline=None)
@given(NUMBERS, NUMBERS)
def test_energy_distance_in_one_dimension_is_scipys(x: np.ndarray, y: np.ndarray) -> None:
    """scipy's is the root of half of ours: sqrt(2 E|X - Y| - ...) of the same expectations."""
    told = energy_distance(x, y)
    assert told is not None
    apart = 2 * np.abs(x - y.T).mean()
    assert told.coefficient * apart == pytest.approx(scipy_energy(x[:, 0], y[:, 0]) ** 2, abs=1e-6)
    assert 0 <= told.coefficient <= 1
    assert 1 / 200 <= told.p <= 1
    back = energy_distance(y, x)
    assert back is not None
    assert back.coefficient == pytest.approx(told.coefficient, abs=1e-6)


def test_energy_distance_at_its_ends() -> None:
    random = np.random.default_rng(0)
    cloud = random.normal(size=(80, 3))
    same, far = energy_distance(cloud, cloud), energy_distance(cloud, cloud + 1000)
    assert same is not None
    assert far is not None
    assert (same.coefficient, same.p) == (pytest.approx(0, abs=1e-6), 1)
    assert far.coefficient == pytest.approx(1, abs=0.01)
    assert far.p == 1 / 200
    wider = energy_distance(cloud, random.normal(size=(80, 3)) * 4)
    assert wider is not None
    assert wider.p == 1 / 200  # the same mean, another shape
    assert energy_distance(cloud, np.full((3, 3), np.nan)) is None
    assert energy_distance(np.zeros((3, 0)), np.zeros((3, 0))) is None


def test_random_halves_of_one_set_are_rarely_apart() -> None:
    random = np.random.default_rng(1)
    told = [energy_distance(random.random((20, 2)), random.random((20, 2))) for _ in range(60)]
    assert 0 < sum(one is not None and one.p <= 0.1 for one in told) < 15


@pytest.mark.parametrize(
    ("counts", "interval"),
    [  # Newcombe 1998, table II, method 10
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((0, 10, 0, 10), (-0.2775, 0.2775)),
        ((10, 10, 0, 10), (0.6075, 1.0)),
    ],
)
def test_the_interval_of_a_difference_is_newcombes(
    counts: tuple[int, ...], interval: tuple[float, float]
) -> None:
    x, n, y, m = counts
    difference, low, high = difference_of_shares(x, n, y, m)
    assert difference == pytest.approx(x / n - y / m)
    assert (low, high) == pytest.approx(interval, abs=5e-5)


def test_differences_are_in_pooled_deviations() -> None:
    a = pl.DataFrame({"au01": [1.0, 2, 3], "au12": [0.0, 0, 0], "au02": [1.0, 2, 3]})
    b = pl.DataFrame({"au01": [3.0, 4, 5], "au12": [0.0, 0, 0], "au02": [1.0, 2, None]})
    told = standardised(a, b)
    assert told["column"].to_list() == ["au01", "au02", "au12"]
    assert told.row(0) == ("au01", 2, 4, -2)  # both deviations are 1
    # Variances 1 and .5 with 2 and 1 degrees of freedom: 2.5 / 3.
    assert told.row(1)[3] == pytest.approx(0.5 / np.sqrt(2.5 / 3))
    assert told.row(2)[3] is None


def test_the_faces_that_only_one_set_has() -> None:
    a = faces(["neutral"] * 9 + ["anger", "anger", "fear"])
    b = faces(["neutral"] * 9 + ["happiness"], "b")
    told = furthest(a, b)
    # The second angry face does what the first does, but for its mouth: the frightened one comes before it.
    assert told["expression"].to_list() == ["anger", "fear", "anger"]
    # Of 10 numbers (2 AUs, 8 probabilities) two differ, by 1: sqrt(2 / 10).
    assert told["distance"].to_list() == pytest.approx([np.sqrt(0.2), np.sqrt(0.2), np.sqrt(0.2)])
    assert furthest(b, a)["image"].to_list() == ["b9.png"]
    assert furthest(a, a).is_empty()
    assert furthest(a, b.clear()).is_empty()


def test_two_sets_side_by_side() -> None:
    a, b = faces(["neutral"] * 30 + ["anger"] * 10), faces(["neutral"] * 10 + ["anger"] * 30, "b")
    told = compare(a, b, statistics(a), statistics(b))
    # 30:10 against 10:30; H(1/2, 1/2) - H(1/4, 3/4) = 1 - .8113 bit.
    assert told.expressions == pytest.approx((0.5, 1 - 0.811278))
    assert told.bands == pytest.approx((0, 0))
    assert told.flat is not None
    assert told.flat[0] == pytest.approx(0.5)
    assert told.affect is not None
    assert told.affect.p == 1 / 200
    assert told.action_units is not None
    assert told.action_units.p > 0.1
    assert set(told.columns["column"][:3]) == {"neutral", "anger", "valence"}
    json.dumps(told.as_dict(), allow_nan=False)


def test_order_of_rows_does_not_matter() -> None:
    a, b = faces(["neutral", "anger", "fear"] * 7), faces(["happiness", "fear"] * 8, "b")
    mixed = [f.sample(fraction=1, shuffle=True, seed=2) for f in (a, b)]
    first = compare(a, b, statistics(a), statistics(b)).as_dict()
    second = compare(*mixed, *(statistics(f) for f in mixed)).as_dict()
    assert first["only_a"] == second["only_a"]
    assert first["energy_distance"] == second["energy_distance"]
    assert first["expressions"] == second["expressions"]


def test_a_set_without_action_units_and_an_empty_one_are_compared_as_far_as_they_go() -> None:
    a = faces(["neutral", "anger"])
    bare = a.drop("au06", "au12")
    told = compare(a, bare, statistics(a), statistics(bare))
    assert told.action_units is None
    assert told.expressions == (0, 0)
    none = a.clear()
    told = compare(a, none, statistics(a), statistics(none))
    assert (told.expressions, told.flat, told.affect) == (None, None, None)
    json.dumps(told.as_dict(), allow_nan=False)


def test_a_sample_is_of_the_first_hashes_in_any_order() -> None:
    random = np.random.default_rng(0)
    n = 5000
    frame = pl.DataFrame(
        {
            "sha256": [random.bytes(32).hex() for _ in range(n)],
            "face": [0] * n,
            "image": [str(i) for i in range(n)],
        }
    )
    first = frame.sort("sha256").head(300)
    assert by_content(frame, 300).equals(first)
    assert by_content(frame.reverse(), 300).equals(first)
    assert by_content(frame, n + 1).equals(frame.sort("sha256"))
    # Hashes that are not spread evenly, as in a set that was chosen by them.
    late = frame.filter(pl.col("sha256") > "f")
    assert by_content(late, 20).equals(late.sort("sha256").head(20))
