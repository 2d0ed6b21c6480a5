from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from curate.recipes.measures import measure_columns, prototypes
from curate.scorers.columns import EXPRESSIONS, INTENSITY_AUS, MEASURES, PRESENCE_AUS, schema

AUS = [f"au{n:02}" for n in INTENSITY_AUS]
PRESENCES = [f"au{n:02}_p" for n in PRESENCE_AUS]
NUMBERS = [*AUS, *PRESENCES]


def measured(**columns: Any) -> dict[str, Any]:
    """One face; what is not named rests."""
    row: dict[str, Any] = dict.fromkeys(NUMBERS, 0.0) | {"expression": "neutral"} | columns
    frame = pl.DataFrame([row], schema_overrides=dict.fromkeys(NUMBERS, pl.Float32))
    return frame.select(**measure_columns(frame.columns)).row(0, named=True)


def _table(drawn: np.ndarray[Any, np.dtype[np.float32]]) -> pl.DataFrame:
    frame = pl.DataFrame(drawn, schema=NUMBERS).with_columns(pl.col(AUS) * 5)
    return frame.with_columns(expression=pl.Series([EXPRESSIONS[i % 8] for i in range(frame.height)]))


many = hnp.arrays(np.float32, (8, len(NUMBERS)), elements=st.floats(0, 1, width=32)).map(_table)
modest = settings(max_examples=15, deadline=None)


def of(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(**measure_columns(frame.columns))


@given(many)
@modest
def test_every_measure_lies_in_its_range(frame: pl.DataFrame) -> None:
    found = of(frame)
    assert found.schema == schema(MEASURES)
    for column in MEASURES:
        values = found[column.name].drop_nulls()
        if column.low is not None:
            assert values.is_between(column.low, column.high or 99).all(), column.name
        if column.values:
            assert set(values) <= set(column.values)
    assert found["pspi_lite"].null_count() == found["muscles"].null_count() == 0
    # There is no pattern of a neutral face; every eighth is one.
    assert found["congruence"].is_null().to_list() == [i % 8 == 0 for i in range(8)]


@given(many)
@modest
def test_pain_and_smile_as_their_formulas_say(frame: pl.DataFrame) -> None:
    found = of(frame)
    for row, measure in zip(frame.iter_rows(named=True), found.iter_rows(named=True), strict=True):
        cheeks = max(row["au06"], 2 * (row["au07_p"] > 0.5))
        nose = max(row["au09"], 2 * (row["au10_p"] > 0.5))
        assert measure["pspi_lite"] == pytest.approx(row["au04"] + cheeks + nose, abs=1e-5)
        if row["au12"] < 1:
            assert measure["duchenne"] is None
        else:
            assert measure["duchenne"] == pytest.approx(row["au06"] / (row["au06"] + row["au12"]), abs=1e-6)


@given(many, st.sampled_from(AUS), st.floats(0, 1))
@modest
def test_more_of_a_muscle_is_never_less_congruent(frame: pl.DataFrame, name: str, share: float) -> None:
    more = frame.with_columns(pl.col(name) + share * (5 - pl.col(name)))
    before, after = of(frame), of(more)
    assert (after["congruence"].fill_null(0) >= before["congruence"].fill_null(0) - 1e-6).all()
    assert (after["pspi_lite"] >= before["pspi_lite"] - 1e-5).all()


def test_a_smile_with_the_eyes_and_one_without() -> None:
    assert measured(au06=3, au12=3)["duchenne"] == 0.5
    assert measured(au06=0, au12=4)["duchenne"] == 0
    assert measured(au06=3, au12=0.9)["duchenne"] is None


def test_pain_as_far_as_it_can_be_seen() -> None:
    assert measured(au04=4, au06=3, au09=2)["pspi_lite"] == 9
    assert measured(au04=1, au07_p=0.9, au10_p=0.6)["pspi_lite"] == 5
    assert measured(au04=5, au06=5, au09=5, au07_p=1, au10_p=1)["pspi_lite"] == 15


# The strong forms of table 11-1 at C, and those of EMFACS: each is wholly its own expression's.
SHOWN = {
    "happiness": {"au06": 3, "au12": 3},
    "sadness": {"au01": 3, "au04": 3, "au15": 3},
    "surprise": {"au01": 3, "au02": 3, "au05": 3, "au26": 3},
    "fear": {"au01": 3, "au02": 3, "au04": 3, "au05": 3, "au20": 3, "au25": 3},
    "disgust": {"au09": 3, "au15": 3},
    "anger": {"au04": 3, "au05": 3, "au07_p": 1, "au24_p": 1},
    "contempt": {"au14_p": 1},
}


@pytest.mark.parametrize("expression", EXPRESSIONS[1:])
def test_the_pattern_of_an_expression_agrees_with_it_and_names_it(expression: str) -> None:
    found = measured(expression=expression, **SHOWN[expression])
    assert found["congruence"] == 1
    assert found["muscles"] == expression


def test_a_label_without_its_muscles_is_hollow() -> None:
    assert measured(expression="anger")["congruence"] == 0
    found = measured(expression="anger", au06=3, au12=3)
    assert (found["congruence"], found["muscles"]) == (0, "happiness")
    half = measured(expression="happiness", au06=1.5, au12=1.5)
    assert half["congruence"] == 0.5


def test_a_face_without_any_pattern_is_neutral() -> None:
    assert measured()["muscles"] == "neutral"
    assert measured(au06=1.4, au12=1.5)["muscles"] == "neutral"  # .48 of a smile
    assert measured(au06=1.5, au12=1.6)["muscles"] == "happiness"


def test_every_expression_but_neutral_has_a_pattern_of_measured_action_units() -> None:
    assert tuple(prototypes()) == EXPRESSIONS[1:]
    used = {number for patterns in prototypes().values() for aus in patterns for number in aus}
    assert used <= {*INTENSITY_AUS, *PRESENCE_AUS}
    (congruence,) = (column for column in MEASURES if column.name == "congruence")
    for name, patterns in prototypes().items():
        said = ", ".join("+".join(map(str, aus)) for aus in patterns)
        assert f"{name} {said}" in congruence.formula


def test_suspicious_pairs_and_contradictions_are_counted() -> None:
    assert measured()["au_conflicts"] == 0
    assert measured(au12=3, au12_p=0.9, au15=3, au15_p=0.9)["au_conflicts"] == 1
    assert measured(au24_p=0.9, au25=2, au26=2)["au_conflicts"] == 2
    # The two answers on AU4: surely there, and no trace of it; not there, and plainly so.
    assert measured(au04_p=0.9, au04=0.2)["au_conflicts"] == 1
    assert measured(au04_p=0.1, au04=2)["au_conflicts"] == 1
    assert measured(au04_p=0.9, au04=2)["au_conflicts"] == 0
    assert measured(au04_p=0.1, au04=1.9)["au_conflicts"] == 0


def test_fear_with_both_brows_up_and_drawn_together_is_no_conflict() -> None:
    brows = {f"au{n:02}": 3 for n in (1, 2, 4)} | {f"au{n:02}_p": 0.9 for n in (1, 2, 4)}
    assert measured(**brows)["au_conflicts"] == 0


def test_without_an_answer_there_is_no_measure() -> None:
    silent = dict.fromkeys([*NUMBERS, "expression"], None)
    assert set(measured(**silent).values()) == {None}
    found = measured(au06=None, au12=3, expression="happiness")
    assert (found["duchenne"], found["pspi_lite"], found["congruence"]) == (None, None, None)


def test_a_set_has_the_measures_that_its_columns_allow() -> None:
    assert set(measure_columns(["au06", "au12"])) == {"duchenne"}
    assert set(measure_columns([*AUS, "au07_p", "au10_p"])) == {"duchenne", "pspi_lite"}
    assert measure_columns(EXPRESSIONS) == {}
