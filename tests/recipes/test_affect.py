from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from curate.errors import RecipeError
from curate.recipes.affect import (
    SHIPPED,
    Affect,
    affect_columns,
    energy,
    expressivity,
    load_affect,
)
from curate.scorers.columns import (
    AFFECT,
    BANDS,
    EXPRESSIONS,
    INTENSITY_AUS,
    PRESENCE_AUS,
    PRESENCE_ONLY_AUS,
    schema,
)

AUS = [f"au{n:02}" for n in INTENSITY_AUS]
PRESENCES = [f"au{n:02}_p" for n in PRESENCE_AUS]
COUNTED = [f"au{n:02}_p" for n in PRESENCE_ONLY_AUS]
EMOTIONS = EXPRESSIONS[1:]

Row = dict[str, Any]


def face(aus: dict[int, float] | None = None, present: tuple[int, ...] = (), **shares: float) -> Row:
    """A row: what is not named rests, and the remaining probability is neutral's."""
    row: Row = dict.fromkeys([*AUS, *PRESENCES, *EXPRESSIONS], 0.0)
    row |= {f"au{n:02}": x for n, x in (aus or {}).items()}
    row |= {f"au{n:02}_p": 1.0 for n in present}
    return row | {"neutral": 1 - sum(shares.values())} | shares


def derived(rows: list[Row], affect: Affect | None = None) -> pl.DataFrame:
    """What the formulas say, of probabilities and points in single precision as they are stored."""
    frame = pl.DataFrame(rows, schema_overrides=dict.fromkeys(rows[0], pl.Float32))
    return frame.select(**affect_columns(affect or load_affect(), frame.columns))


def one(row: Row) -> Row:
    return derived([row]).row(0, named=True)


NUMBERS = [*AUS, *PRESENCES, *EXPRESSIONS]


def _table(drawn: np.ndarray[Any, np.dtype[np.float32]]) -> pl.DataFrame:
    """A row a face of shares in [0, 1]: intensities are fifths, probabilities are made to sum to 1."""
    frame = pl.DataFrame(drawn.astype(np.float64), schema=NUMBERS)
    total = pl.sum_horizontal(EXPRESSIONS)
    shares = [pl.when(total > 0).then(pl.col(p) / total).otherwise(1 / 8).alias(p) for p in EXPRESSIONS]
    return frame.with_columns(*(pl.col(name) * 5 for name in AUS), *shares).cast(pl.Float32)


many = hnp.arrays(np.float32, (8, len(NUMBERS)), elements=st.floats(0, 1, width=32)).map(_table)
modest = settings(max_examples=25, deadline=None)


def affected(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(**affect_columns(load_affect(), frame.columns))


def test_a_blank_neutral_face_has_no_temperature() -> None:
    row = one(face())
    assert (row["temperature"], row["tone"], row["energy"], row["band"]) == (0, 50, 0, "frozen")
    assert (row["valence"], row["arousal"], row["ambivalence"], row["agreement"]) == (0, 0, 0, 1)


def test_certain_happiness_with_eight_points_is_89_degrees() -> None:
    row = one(face({6: 3, 12: 5}, happiness=1))
    assert row["temperature"] == pytest.approx(89.3, abs=0.05)
    assert row["tone"] == 100


# Worked by hand where the formulas were written down (design notes, "worked values"): I, S -> E, T, G.
WORKED = [
    ("blank neutral", 0.04, 0.2, 0.04, 4, 1.00),
    ("polite smile", 0.55, 1.8, 0.30, 40, 0.75),
    ("contempt", 0.37, 2.6, 0.41, 39, 0.97),
    ("quiet sadness", 0.57, 5, 0.63, 60, 0.94),
    ("rage", 0.82, 11.4, 0.90, 86, 0.92),
    ("Duchenne laugh", 0.97, 8, 0.80, 88, 0.83),
    ("terror", 0.90, 21, 0.99, 94, 0.92),
    ("anger on a blank face", 0.73, 0.2, 0.04, 17, 0.31),
    ("half happy, half angry", 0.91, 5, 0.63, 76, 0.72),
]


@pytest.mark.parametrize(
    ("said", "points", "moved", "heat", "agree"), [w[1:] for w in WORKED], ids=[w[0] for w in WORKED]
)
def test_worked_values(said: float, points: float, moved: float, heat: float, agree: float) -> None:
    # Happiness is the unit: its probability is the expressivity.
    left, aus = points, {}
    for n in (12, 6, 4, 1, 2):
        aus[n] = min(left, 5.0)
        left -= aus[n]
    row = one(face(aus, happiness=said))
    assert row["energy"] == pytest.approx(moved, abs=0.01)
    assert row["temperature"] == pytest.approx(heat, abs=1)
    assert row["agreement"] == pytest.approx(agree, abs=0.015)


def test_a_duchenne_laugh_from_its_action_units() -> None:
    row = one(face({6: 3, 12: 4, 25: 2}, happiness=0.97))
    assert row["temperature"] == pytest.approx(88, abs=0.5)
    assert (row["valence"], row["arousal"]) == (pytest.approx(0.79, abs=0.01), pytest.approx(0.49, abs=0.01))


def test_half_happy_half_angry_is_hot_and_ambivalent_not_cold() -> None:
    row = one(face({12: 5}, happiness=0.5, anger=0.5))
    assert (row["valence"], row["arousal"]) == (pytest.approx(0.15), pytest.approx(0.55))
    assert row["temperature"] == pytest.approx(76, abs=1)
    assert row["ambivalence"] == pytest.approx(0.31, abs=0.01)


def test_action_units_without_intensity_count_from_even_odds_on() -> None:
    def energy_at(q: float) -> float:
        return float(one(face() | dict.fromkeys(COUNTED, q))["energy"])

    assert energy_at(0.5) == 0
    assert energy_at(1) == pytest.approx(1 - math.exp(-5 * 2 / 5))
    assert energy_at(0.75) == pytest.approx(1 - math.exp(-5 * 1 / 5))
    # The presence of an action unit that has an intensity says nothing more.
    others = [name for name in PRESENCES if name not in COUNTED]
    assert one(face() | dict.fromkeys(others, 1.0))["energy"] == 0


def test_lips_part_and_jaw_drop_count_half() -> None:
    assert one(face({25: 4, 26: 2}))["energy"] == pytest.approx(1 - math.exp(-3 / 5))


@given(many)
@modest
def test_every_value_lies_in_its_range(frame: pl.DataFrame) -> None:
    found = affected(frame)
    assert found.schema == schema(AFFECT)
    assert sum(found.null_count().row(0)) == 0
    for column in AFFECT:
        if column.low is not None:
            assert column.high is not None
            assert found[column.name].is_between(column.low, column.high).all(), column.name
    assert set(found["band"]) <= set(BANDS)


@given(many, st.sampled_from(AUS + COUNTED), st.floats(0, 1))
@modest
def test_more_of_a_muscle_is_never_colder(frame: pl.DataFrame, name: str, share: float) -> None:
    most = 1.0 if name.endswith("_p") else 5.0
    more = frame.with_columns(pl.col(name) + share * (most - pl.col(name)))
    assert (affected(more)["temperature"] >= affected(frame)["temperature"]).all()


@given(many, st.sampled_from(EMOTIONS), st.floats(0, 1))
@modest
def test_more_of_an_emotion_and_less_of_neutral_is_never_colder(
    frame: pl.DataFrame, name: str, share: float
) -> None:
    moved = pl.col("neutral") * share
    more = frame.with_columns(pl.col("neutral") - moved, pl.col(name) + moved)
    assert (affected(more)["temperature"] >= affected(frame)["temperature"]).all()


def test_more_of_either_is_hotter_where_the_other_is_there() -> None:
    rows = [face({12: 2}, happiness=0.5), face({12: 2.5}, happiness=0.5), face({12: 2}, happiness=0.6)]
    plain, muscle, emotion = derived(rows)["temperature"]
    assert min(muscle, emotion) > plain + 1


@given(many, st.integers(0, 2**32))
@modest
def test_the_order_of_columns_and_rows_does_not_matter(frame: pl.DataFrame, seed: int) -> None:
    names = random.Random(seed).sample(NUMBERS, len(NUMBERS))
    assert affected(frame.select(names).reverse()).equals(affected(frame).reverse())


@given(many)
@modest
def test_temperature_is_the_geometric_mean_of_what_is_said_and_what_moves(frame: pl.DataFrame) -> None:
    said = frame.select(expressivity(load_affect())).to_series()
    moved = frame.select(energy(load_affect(), frame.columns)).to_series()
    product = affected(frame)["temperature"].cast(pl.Float64) ** 2 / 1e4
    assert product.to_list() == pytest.approx((said * moved).to_list(), abs=1e-5)


@pytest.mark.parametrize("without", ["columns", "answers"])
def test_without_action_units_temperature_is_what_the_classifier_says(without: str) -> None:
    row = face(anger=0.5, happiness=0.25)
    silent = {name: None for name in row if name.startswith("au")}
    row = {n: v for n, v in row.items() if n not in silent} if without == "columns" else row | silent
    found = one(row)
    assert (found["energy"], found["agreement"]) == (None, None)
    lengths = 0.5 * math.hypot(0.51, 0.59) + 0.25 * math.hypot(0.81, 0.51)
    assert found["temperature"] == pytest.approx(100 * lengths / math.hypot(0.81, 0.51))
    assert found["band"] == "hot"


def test_a_face_that_was_not_scored_has_no_affect() -> None:
    row = dict.fromkeys(face(), None)
    assert set(one(row).values()) == {None}
    assert affect_columns(load_affect(), AUS) == {}


def test_at_an_edge_the_upper_band_begins() -> None:
    # Without action units temperature is 100 I, and happiness alone is I.
    shares = [0.0, 0.149, 0.15, 0.349, 0.35, 0.599, 0.6, 0.799, 0.8, 1.0]
    rows = [{**dict.fromkeys(EXPRESSIONS, 0.0), "neutral": 1 - p, "happiness": p} for p in shares]
    frame = pl.DataFrame(rows)
    bands = frame.select(**affect_columns(load_affect(), frame.columns))["band"]
    assert bands.to_list() == [band for band in BANDS for _ in range(2)]


def test_numbers_out_of_range_do_not_leave_the_ranges() -> None:
    row = one(face({12: 70.0, 4: -3.0}, happiness=1) | {"au07_p": -2.0, "anger": 0.4})
    assert (row["energy"], row["temperature"]) == (
        pytest.approx(1 - math.exp(-1)),
        pytest.approx(79.5, abs=0.1),
    )


def test_every_number_of_the_shipped_table_has_a_source() -> None:
    table = load_affect()
    assert all(point.source for point in table.coordinates.values())
    assert [name for name, point in table.coordinates.items() if point.provisional] == ["contempt"]


# --- a table of one's own


def own(tmp_path: Path, old: str, new: str) -> Path:
    text = SHIPPED.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / "my.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_another_table_gives_other_numbers_and_another_hash(tmp_path: Path) -> None:
    mine = load_affect(own(tmp_path, "scale: 5", "scale: 10"))
    row = face({12: 5, 6: 5}, happiness=1)
    assert derived([row], mine)["energy"].item() == pytest.approx(1 - math.exp(-1))
    assert mine.sha256 != load_affect().sha256


def test_comments_do_not_change_the_hash(tmp_path: Path) -> None:
    assert (
        load_affect(own(tmp_path, "name: russell", "# mine\nname:   russell")).sha256 == load_affect().sha256
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  happiness: {valence: .81", "  joy: {valence: .81", r"coordinates.*no `joy`"),
        ("happiness: {valence: .81", "happiness: {valence: 8.1", r"my\.yaml, line \d+: coordinates\.happiness"),
        ("neutral: {valence: 0,", "neutral: {valence: .1,", r"neutral.*origin"),
        ("fear: {valence: -.64", "fear: {valence: -.99", r"fear .* farther"),
        ("tone: happiness", "tone: fear", r"not pleasant"),
        ("tone: happiness", "tone: happyness", r"unit\.tone.*did you mean `happiness`"),
        ("intensity: {1: 1", "intensity: {3: 1", r"line \d+: energy\.intensity.*no action unit 3"),
        ("presence: {7: 2", "presence: {1: 2", r"action unit 1 would count twice"),
        ("cool: 15", "cool: 40", r"begin at 0 and rise"),
        ("scale: 5", "scale: 0", r"line \d+: energy\.scale"),
        ("scale: 5", "scale: .nan", r"energy\.scale"),
        ("description:", "descripton:", r"line \d+: there is no field `descripton`; did you mean `description`"),
    ],
)  # fmt: skip
def test_a_table_that_makes_no_sense_is_refused_with_the_place(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        load_affect(own(tmp_path, old, new))


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nowhere\.yaml: cannot be read"):
        load_affect(tmp_path / "nowhere.yaml")
