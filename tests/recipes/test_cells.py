from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curate.errors import RecipeError
from curate.recipes.cells import MAX_LEVELS, By, cell_counts, cell_labels, cell_numbers, levels, settled
from curate.scorers.columns import BANDS, EXPRESSIONS


def by(value: Any) -> By:
    return By.model_validate(value)


ROWS = pl.DataFrame(
    {
        "expression": ["anger", "fear", None, "anger"],
        "yaw": pl.Series([-40, -30, float("nan"), 29.9], dtype=pl.Float32),
        "n_faces": pl.Series([10, 2, None, 1], dtype=pl.Int32),
        "upright": [True, False, None, True],
        "model": pl.Series(["b", "a", None, "b"], dtype=pl.Categorical),
    }
)


def test_labels_are_words_and_a_missing_value_has_none() -> None:
    clauses = [
        by("expression"),
        by({"column": "yaw", "edges": [-30, -10, 10, 30]}),
        by("n_faces"),
        by("upright"),
    ]
    assert cell_labels(ROWS, clauses).rows() == [
        ("anger", "< -30", "10", "true"),
        ("fear", "-30..-10", "2", "false"),
        (None, None, None, None),
        ("anger", "10..30", "1", "true"),
    ]


def test_a_catalogue_column_has_all_its_levels_and_what_else_occurs() -> None:
    assert levels(ROWS, by("expression")) == list(EXPRESSIONS)
    odd = pl.DataFrame({"band": ["hot", "lukewarm"]})
    assert levels(odd, by("band")) == [*BANDS, "lukewarm"]


def test_levels_stand_in_natural_order() -> None:
    assert levels(ROWS, by("n_faces")) == ["1", "2", "10"]
    assert levels(ROWS, by("upright")) == ["false", "true"]
    assert levels(ROWS, by("model")) == ["a", "b"]
    edges = by({"column": "yaw", "edges": [-30, 0.5, 12345]})
    assert levels(ROWS, edges) == ["< -30", "-30..0.5", "0.5..12345", ">= 12345"]


def test_edges_that_are_close_get_the_digits_that_tell_them_apart() -> None:
    edges = by({"column": "yaw", "edges": [1.12345671, 1.12345672]})
    assert levels(ROWS, edges) == ["< 1.12345671", "1.12345671..1.12345672", ">= 1.12345672"]


def test_quantiles_are_values_of_the_rows() -> None:
    frame = pl.DataFrame({"t": [float(n) for n in range(1, 9)]})
    assert settled(frame, [by({"column": "t", "quantiles": 4})]) == [By(column="t", edges=(3, 5, 7))]


def test_few_values_give_fewer_bins_and_a_constant_one() -> None:
    quarters = by({"column": "t", "quantiles": 4})
    three = pl.DataFrame({"t": [0.0] * 6 + [1.0] * 2 + [2.0]})
    assert levels(three, quarters) == ["< 1", ">= 1"]
    constant = pl.DataFrame({"t": [5.0, 5.0, None]})
    assert levels(constant, quarters) == ["all"]
    assert cell_labels(constant, [quarters])["t"].to_list() == ["all", "all", None]
    empty = pl.DataFrame({"t": [None, None]}, schema={"t": pl.Float32})
    assert cell_labels(empty, [quarters])["t"].to_list() == [None, None]


def test_quantile_bins_once_settled_take_other_rows() -> None:
    here, there = pl.DataFrame({"t": [1.0, 2, 3, 4]}), pl.DataFrame({"t": [-9.0, 99.0]})
    fixed = settled(here, [by({"column": "t", "quantiles": 2})])
    assert cell_labels(there, fixed)["t"].to_list() == ["< 3", ">= 3"]


def test_rows_are_counted_by_cell_in_the_order_of_the_levels() -> None:
    clauses = [by("model"), by("upright")]
    known = [levels(ROWS, one) for one in clauses]
    labels = cell_labels(ROWS, clauses)
    assert cell_numbers(labels, known).tolist() == [3, 0, -1, 3]
    assert cell_counts(labels, known).tolist() == [[1, 0], [0, 2]]
    assert cell_numbers(labels, [["b"], ["true"]]).tolist() == [0, -1, -1, 0]


@given(
    st.lists(st.floats(-5, 5) | st.sampled_from([0.0, 1.0]) | st.none(), max_size=40),
    st.integers(2, 6),
    st.randoms(),
)
@settings(max_examples=80, deadline=None)
def test_quantile_bins_hold_equal_parts_but_for_ties_in_any_order(
    values: list[float | None], bins: int, random: Any
) -> None:
    frame = pl.DataFrame({"t": values}, schema={"t": pl.Float64})
    clause = by({"column": "t", "quantiles": bins})
    labels = cell_labels(frame, [clause])["t"]
    order = list(range(len(values)))
    random.shuffle(order)
    shuffled = cell_labels(frame[order] if order else frame, [clause])["t"]
    assert shuffled.to_list() == [labels[i] for i in order]
    assert set(labels.drop_nulls()) == set(levels(frame, clause)) or not len(labels.drop_nulls())
    present = [v for v in values if v is not None]
    if len(set(present)) == len(present) >= bins:
        sizes = np.unique(labels.drop_nulls().to_numpy().astype(str), return_counts=True)[1]
        assert len(sizes) == bins
        assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("expresion", "no column `expresion`; did you mean `expression`", "curate columns"),
        ("yaw", "`yaw` is a fraction", "quantiles: 4"),
        ({"column": "expression", "quantiles": 4}, "`expression` is no number", "without edges"),
        ("box", r"cannot be balanced by `box` \(List", "expression"),
    ],
)
def test_a_column_that_cannot_be_balanced_by_says_why(value: Any, message: str, hint: str) -> None:
    frame = ROWS.with_columns(pl.Series("box", [[1], [2], [3], [4]]))
    with pytest.raises(RecipeError, match=message) as raised:
        cell_labels(frame, [by(value)])
    assert hint in raised.value.hint


def test_too_many_values_are_refused_and_just_enough_are_not() -> None:
    for count, column in ((MAX_LEVELS, "seed"), (MAX_LEVELS, "prompt")):
        values = list(range(count + 1)) if column == "seed" else [f"face {n}" for n in range(count + 1)]
        frame = pl.DataFrame({column: values})
        assert len(levels(frame.head(count), by(column))) == count
        with pytest.raises(RecipeError, match="201 different values"):
            cell_labels(frame, [by(column)])


def test_a_column_stands_once() -> None:
    with pytest.raises(RecipeError, match="`expression` stands twice"):
        cell_labels(ROWS, [by("expression"), by("expression")])


@pytest.mark.parametrize(
    "value",
    [
        {"column": "yaw", "edges": [1, 1]},
        {"column": "yaw", "edges": []},
        {"column": "yaw", "edges": [float("inf")]},
        {"column": "yaw", "edges": [1], "quantiles": 3},
        {"column": "yaw", "quantiles": 1},
        {"column": "yaw", "bins": 3},
        {"edges": [1]},
        "",
    ],
)
def test_bins_that_make_no_sense_are_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        by(value)
