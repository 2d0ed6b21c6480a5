from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chi2 as chi_squared
from scipy.stats import chi2_contingency
from scipy.stats.contingency import association as scipy_association

from curate.errors import QueryError
from curate.recipes.association import association, cramers_v

TABLES = arrays(np.int64, st.tuples(st.integers(2, 6), st.integers(2, 8)), elements=st.integers(0, 60))


def crossed(table: dict[str, dict[str, int]], column: str = "model") -> pl.DataFrame:
    """Faces by a column's value and by expression."""
    rows = [
        (level, value) for level, values in table.items() for value, n in values.items() for _ in range(n)
    ]
    return pl.DataFrame(rows, schema=[column, "expression"], orient="row")


def row(frame: pl.DataFrame, column: str) -> dict[str, object]:
    return frame.row(by_predicate=pl.col("column") == column, named=True)


def test_v_of_a_table_worked_by_hand() -> None:
    # chi2 = 4 * 10^2 / 20 = 20 of n = 80: plain sqrt(20 / 80) = .5;
    # corrected: excess .25 - 1 / 79, both scales 1 - 1 / 79.
    corrected, plain, p = cramers_v(np.array([[30, 10], [10, 30]]))
    assert plain == pytest.approx(0.5)
    assert corrected == pytest.approx(np.sqrt((0.25 - 1 / 79) / (1 - 1 / 79)))
    assert p == pytest.approx(chi_squared.sf(20, 1))


@settings(max_examples=60, deadline=None)
@given(TABLES)
def test_plain_v_is_scipys_and_both_stay_within_0_and_1(table: np.ndarray) -> None:
    corrected, plain, p = cramers_v(table)
    assert 0 <= corrected <= 1
    assert 0 <= p <= 1
    full = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(full.shape) >= 2:
        assert plain == pytest.approx(scipy_association(full, method="cramer"), abs=1e-9)
        assert corrected <= plain + 1e-9
        assert p == pytest.approx(chi2_contingency(full, correction=False).pvalue, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(TABLES, st.randoms(use_true_random=False))
def test_names_of_levels_and_their_order_do_not_matter(table: np.ndarray, random: object) -> None:
    rows, columns = list(range(table.shape[0])), list(range(table.shape[1]))
    random.shuffle(rows)  # type: ignore[attr-defined]
    random.shuffle(columns)  # type: ignore[attr-defined]
    assert cramers_v(table[rows][:, columns]) == pytest.approx(cramers_v(table))
    assert cramers_v(table.T) == pytest.approx(cramers_v(table))


def test_what_goes_together_always_is_1_and_what_never_does_is_0() -> None:
    assert cramers_v(np.diag([50, 50, 50]))[0] == pytest.approx(1)
    assert cramers_v(np.full((3, 4), 25))[:2] == (0, 0)
    assert cramers_v(np.array([[5, 7, 9]])) == (0, 0, 1)


def test_the_correction_takes_out_what_chance_leaves_in_small_tables() -> None:
    random = np.random.default_rng(0)
    tables = [random.multinomial(60, np.full(24, 1 / 24)).reshape(3, 8) for _ in range(200)]
    figures = np.array([cramers_v(table)[:2] for table in tables])
    assert figures[:, 1].mean() > 0.3  # plain V of nothing at all
    assert figures[:, 0].mean() < 0.1


def test_the_strongest_deviation_is_said_in_words() -> None:
    frame = crossed({"a": {"anger": 30, "happiness": 10}, "b": {"anger": 10, "happiness": 150}})
    told = row(association(frame), "model")
    assert (told["levels"], told["faces"]) == (2, 200)
    # 30 of a's 40 faces against 40 of all 200.
    assert told["lift"] == pytest.approx(0.75 / 0.2)
    assert told["deviation"] == "anger is 3.8x as frequent with model a as overall"


def test_a_value_that_never_occurs_with_a_level_is_said_so() -> None:
    frame = crossed(
        {"a": {"fear": 20, "sadness": 20, "neutral": 20}, "b": {"anger": 40, "fear": 20}, "c": {"anger": 60}}
        | {"d": {"anger": 60, "sadness": 20, "neutral": 20}}
    )
    assert row(association(frame), "model")["deviation"] == "anger never goes with model a"


@pytest.mark.parametrize("freedom", [1, 2, 3, 8, 49, 200, 201, 3000])
def test_p_is_the_tail_of_chi_square(freedom: int) -> None:
    random = np.random.default_rng(freedom)
    for _ in range(5):
        table = random.integers(1, 9, (2, freedom + 1))
        told = chi2_contingency(table, correction=False)
        assert told.dof == freedom
        assert cramers_v(table)[2] == pytest.approx(told.pvalue, abs=2e-4 if freedom > 200 else 1e-9)


def test_without_a_deviation_beyond_chance_nothing_is_said() -> None:
    frame = crossed({"a": {"anger": 11, "fear": 10}, "b": {"anger": 10, "fear": 10}})
    told = row(association(frame), "model")
    assert told["v"] == 0
    assert told["deviation"] is None
    assert told["lift"] is None


def test_order_of_rows_does_not_matter() -> None:
    random = np.random.default_rng(1)
    n = 400
    frame = pl.DataFrame(
        {
            "expression": random.choice(["anger", "fear", "neutral"], n),
            "model": random.choice(["a", "b", "c"], n),
            "cfg": random.choice([3.5, 5, 7], n),
            "yaw": random.normal(0, 20, n).astype(np.float32),
            "prompt": random.choice(["a man", "a woman", "1girl, angry", "a dog"], n),
        }
    )
    told = association(frame)
    assert told.equals(association(frame.sample(fraction=1, shuffle=True, seed=3)))
    assert told["column"].to_list() != []


def test_words_of_the_prompt_are_counted_by_group() -> None:
    prompts = ["an angry old man"] * 40 + ["a happy woman"] * 40 + ["a happy man"] * 10
    frame = pl.DataFrame({"prompt": prompts, "expression": ["anger"] * 40 + ["happiness"] * 50})
    told = association(frame, ["prompt"])
    assert set(told["column"]) == {"prompt: gender", "prompt: age", "prompt: ethnicity"}
    age = row(told, "prompt: age")
    assert age["v"] == pytest.approx(1)
    assert age["deviation"] == "anger is 2.2x as frequent with `old` in the prompt as overall"
    assert row(told, "prompt: ethnicity")["skipped"] == "the same for all: no word"
    alone = association(frame, ["prompt: gender"])
    assert alone["column"].to_list() == ["prompt: gender"]
    assert row(alone, "prompt: gender") == row(told, "prompt: gender")


def test_numbers_with_many_values_are_cut_into_quarters() -> None:
    yaw = np.arange(200, dtype=np.float32)
    frame = pl.DataFrame({"yaw": yaw, "expression": np.where(yaw < 50, "fear", "neutral")})
    told = row(association(frame), "yaw")
    assert (told["kind"], told["levels"]) == ("number", 4)
    assert told["deviation"] == "fear is 4x as frequent with yaw 0..50 as overall"


def test_a_number_that_is_nearly_always_the_same_has_fewer_parts() -> None:
    steps = [20] * 90 + list(range(21, 51))
    frame = pl.DataFrame({"steps": steps, "expression": ["fear", "anger", "neutral"] * 40})
    assert row(association(frame), "steps")["levels"] == 2
    told = row(association(frame.with_columns(expression=pl.Series(["fear"] * 90 + ["anger"] * 30))), "steps")
    assert told["v"] == pytest.approx(1)
    assert told["level"] == "21..50"


def test_columns_without_an_answer_say_why() -> None:
    n = 20
    frame = pl.DataFrame(
        {
            "expression": ["anger", "fear"] * 10,
            "seed": pl.Series(range(n), dtype=pl.UInt64),
            "sampler": ["Euler"] * n,
            "model": pl.Series([None] * n, dtype=pl.String),
            "prompt": pl.Series([None] * n, dtype=pl.String),
        }
    )
    told = dict(association(frame).select("column", "skipped").iter_rows())
    assert told["seed"] == "20 values for 20 faces"
    assert told["sampler"] == "the same for all: Euler"
    assert told["model"] == "no face has a value"
    assert told["prompt: age"] == "no face has a prompt"
    assert association(frame.drop("expression"))["skipped"].unique().to_list() == [
        "the set has no `expression`"
    ]
    assert association(frame.clear())["v"].null_count() == 7 - 1


def test_no_lora_is_a_level_where_the_picture_says_how_it_was_made() -> None:
    frame = pl.DataFrame(
        {
            "expression": ["anger"] * 20 + ["fear"] * 20 + ["fear"] * 5,
            "lora": ["grim"] * 20 + [None] * 25,
            "model": ["sdxl"] * 40 + [None] * 5,
        }
    )
    told = row(association(frame), "lora")
    assert (told["levels"], told["faces"]) == (2, 40)
    assert told["v"] == pytest.approx(1)


def test_rows_without_the_measured_category_are_left_out() -> None:
    frame = crossed({"a": {"anger": 20, "fear": 20}, "b": {"fear": 20}})
    more = pl.concat(
        [frame, pl.DataFrame({"model": ["c"] * 50, "expression": [None] * 50}, schema=frame.schema)]
    )
    assert association(frame).equals(association(more))


def test_the_band_can_be_asked_for_and_a_column_that_is_not_there_is_named() -> None:
    frame = crossed({"a": {"anger": 20}, "b": {"fear": 20}}).with_columns(band=pl.lit("hot"))
    assert row(association(frame, of="band"), "model")["v"] == 0
    with pytest.raises(QueryError, match="did you mean `model`"):
        association(frame, ["modle"])
