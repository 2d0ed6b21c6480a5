from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoresets import scores

from curate.errors import RecipeError
from curate.recipes.neighbours import neighbours
from curate.recipes.vectors import au_vectors


def frame(count: int, seed: int = 0) -> pl.DataFrame:
    content = [f"{n * 7919 % 1000:04}" for n in range(count)]
    return pl.DataFrame(scores(count, seed)).with_columns(
        pl.Series("sha256", content), face=pl.lit(0, pl.Int32)
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(0, 99), st.data())
def test_they_are_those_that_a_full_table_of_distances_has_nearest(
    count: int, seed: int, data: st.DataObject
) -> None:
    rows = frame(count, seed)
    asked = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=3, unique=True))
    vectors = au_vectors(rows).astype(np.float64)
    apart = np.sqrt(((vectors[:, None] - vectors[asked]) ** 2).mean(axis=2)).min(axis=1)
    found = neighbours(rows, asked, 10)
    others = np.setdiff1d(np.arange(count), asked)
    assert set(found["row"]) <= set(others.tolist())
    assert found.height == min(10, len(others))
    assert found["distance"].to_numpy() == pytest.approx(np.sort(apart[others])[:10], abs=1e-3)
    assert found["distance"].to_numpy() == pytest.approx(apart[found["row"].to_numpy()], abs=1e-3)
    assert found["distance"].is_sorted()


def test_equals_come_by_content_wherever_they_stand() -> None:
    rows = pl.concat([frame(1), *(frame(1, 5).with_columns(sha256=pl.lit(word)) for word in "dbca")])
    turned = rows[[0, 4, 3, 2, 1]]
    for table in (rows, turned):
        found = neighbours(table, [0], 2)
        assert table["sha256"].gather(found["row"]).to_list() == ["a", "b"]
    bare = rows.drop("sha256", "face")
    assert neighbours(bare, [0], 3)["row"].to_list() == [1, 2, 3]


def test_a_row_without_action_units_is_nobodys_neighbour_and_has_none() -> None:
    rows = frame(5).with_columns(au12=pl.Series([1.0, None, 2.0, float("nan"), 3.0]))
    assert sorted(neighbours(rows, [0], 10)["row"]) == [2, 4]
    with pytest.raises(RecipeError, match="row 1 has no action units"):
        neighbours(rows, [0, 1], 10)


def test_a_copy_is_at_no_distance_and_the_ends_of_the_scale_at_one() -> None:
    units = [name for name in frame(1).columns if name.startswith("au")]
    rows = pl.DataFrame({name: [0.0, 0.0, 5.0] for name in units})
    assert neighbours(rows, [0], 5).rows() == [(1, 0.0), (2, 1.0)]


def test_nothing_left_and_nothing_asked_for_give_empty_tables() -> None:
    for found in (neighbours(frame(1), [0], 5), neighbours(frame(5), [0], 0), neighbours(frame(5), [], 3)):
        assert found.schema == {"row": pl.UInt32, "distance": pl.Float64}
        assert found.height == 0


def test_what_cannot_be_asked_is_said() -> None:
    with pytest.raises(RecipeError, match="need action units"):
        neighbours(pl.DataFrame({"yaw": [1.0]}), [0], 1)
    for row in (5, -1):
        with pytest.raises(RecipeError, match=f"no row {row}"):
            neighbours(frame(5), [row], 1)
