from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.recipes.signal import dead_heads
from curate.scorers.columns import EXPRESSIONS, INTENSITY_AUS, PRESENCE_AUS

AUS = [f"au{n:02}" for n in INTENSITY_AUS]
PRESENCES = [f"au{n:02}_p" for n in PRESENCE_AUS]


def healthy(count: int = 200, seed: int = 0) -> pl.DataFrame:
    """Faces from neutral to certain of one emotion, whose muscles move as much as the expression says."""
    random = np.random.default_rng(seed)
    heat = random.random(count)
    shares = np.zeros((count, 8))
    shares[:, 0] = 1 - heat
    shares[np.arange(count), random.integers(1, 8, count)] += heat
    points = 4 * heat[:, None] * random.random((count, len(AUS)))
    present = np.clip(heat[:, None] * random.random((count, len(PRESENCES))) * 1.2, 0.01, 0.99)
    return pl.DataFrame(shares, schema=list(EXPRESSIONS)).hstack(
        pl.DataFrame(points, schema=AUS).hstack(pl.DataFrame(present, schema=PRESENCES)).get_columns()
    )


@given(st.integers(0, 10_000), st.integers(0, 400))
@settings(max_examples=25, deadline=None)
def test_a_healthy_set_of_any_size_gives_no_warning(seed: int, count: int) -> None:
    assert dead_heads(healthy(count, seed)) == []


def test_outputs_that_never_change_are_dead() -> None:
    dead = healthy().with_columns(pl.lit(0.7).alias(name) for name in [*AUS, *PRESENCES])
    (warning,) = dead_heads(dead)
    assert "all action units are the same for all 200 faces" in warning
    assert "curate models verify" in warning


def test_a_single_output_that_never_changes_is_named() -> None:
    (warning,) = dead_heads(healthy().with_columns(au05=pl.lit(2.5), au14_p=pl.lit(0.5)))
    assert warning.startswith("au05, au14_p: the same for all 200 faces")


def test_an_intensity_that_is_always_nought_is_rare_and_not_dead() -> None:
    assert dead_heads(healthy().with_columns(au09=pl.lit(0.0))) == []


def test_outputs_that_stay_near_nought_are_dead() -> None:
    (warning,) = dead_heads(healthy().with_columns(pl.col(AUS) * 0.2))
    assert "no action unit reaches 1 point of 5" in warning


def test_a_set_of_calm_faces_is_calm_and_not_dead() -> None:
    calm = healthy().with_columns(pl.col(AUS) * 0.2, neutral=1 - (1 - pl.col("neutral")) * 0.1)
    calm = calm.with_columns(pl.col(EXPRESSIONS[1:]) * 0.1)
    assert dead_heads(calm) == []


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_action_units_of_other_faces_are_dead(seed: int) -> None:
    faces = healthy(400, seed)
    heads = [*AUS, *PRESENCES]
    elsewhere = faces.select(heads).sample(fraction=1, shuffle=True, seed=seed)
    (warning,) = dead_heads(faces.drop(heads).hstack(elsewhere.get_columns()))
    assert "hardly go with the expressions" in warning


def test_few_faces_and_copies_of_one_face_say_nothing() -> None:
    dead = healthy(10).with_columns(pl.lit(0.7).alias(name) for name in [*AUS, *PRESENCES])
    assert dead_heads(dead) == []
    assert dead_heads(pl.concat([healthy(1)] * 100)) == []


def test_faces_without_an_answer_are_passed_over() -> None:
    none = pl.DataFrame({name: [None] * 50 for name in healthy(1).columns}, schema=healthy(1).schema)
    assert dead_heads(none) == []
    assert dead_heads(pl.concat([healthy(), none])) == []


def test_a_set_without_action_units_or_expressions_gives_no_warning() -> None:
    assert dead_heads(healthy().select(EXPRESSIONS)) == []
    assert dead_heads(healthy().select(AUS)) == []
