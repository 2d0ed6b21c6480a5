from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.recipes.intent import intent_columns
from curate.recipes.lexicon import load_lexicon
from curate.recipes.shortfall import prompts
from curate.scorers.columns import BANDS, EXPRESSIONS

LEXICON = load_lexicon()
VIEWS = ("< -60", "-60..-30", "-30..-15", "-10..10", "15..30", "30..60", ">= 60", "all")


def missing(**columns: list[object]) -> pl.DataFrame:
    return pl.DataFrame(columns)


def test_every_expression_and_band_gets_prompts_that_ask_for_it() -> None:
    cells = missing(
        expression=[e for e in EXPRESSIONS for _ in BANDS],
        band=list(BANDS) * 8,
        wanted=[9] * 40,
        missing=[7] * 40,
    )
    table = prompts(cells, LEXICON)
    assert table.columns == ["cell", "n", "prompt", "negative_prompt"]
    assert table.group_by("cell").agg(pl.col("n").sum())["n"].to_list() == [7] * 40
    asked = table["cell"].str.extract(r"expression=(\w+)")
    # What the prompt asks for is what our own reading of it says.
    assert intent_columns(table, LEXICON)["intent"].to_list() == asked.to_list()
    assert table.group_by("cell").agg(pl.col("prompt").n_unique())["prompt"].max() == 6


@pytest.mark.parametrize(
    ("expression", "band", "words"),
    [
        ("happiness", "cool", {"slight smile"}),
        ("anger", "warm", {"annoyed"}),
        ("contempt", "hot", {"mocking"}),
        ("disgust", "blazing", {"revolted"}),
        ("neutral", "frozen", {"neutral", "calm", "stoic"}),
        ("neutral", "blazing", None),
    ],
)
def test_words_fit_expression_and_band(expression: str, band: str, words: set[str] | None) -> None:
    table = prompts(missing(expression=[expression], band=[band], missing=[20]), LEXICON)
    said = {text.split(", ")[1].removesuffix(" expression") for text in table["prompt"]}
    assert said == words if words is not None else all(text.startswith("extremely ") for text in said)


def test_a_prompt_has_words_muscles_and_a_view() -> None:
    table = prompts(
        missing(expression=["anger"], band=["warm"], yaw=["-60..-30"], model=["flux"], missing=[2]), LEXICON
    )
    assert table.rows(named=True) == [
        {
            "cell": "expression=anger, band=warm, yaw=-60..-30, model=flux",
            "n": 2,
            "prompt": "portrait photo of a person, annoyed expression, eyebrows lowered, eyelids tightened, "
            "three-quarter view, facing the left of the picture",
            "negative_prompt": "happy, surprised, exaggerated",
            "model": "flux",
        }
    ]


@pytest.mark.parametrize(
    ("label", "view"),
    [
        ("-10..10", "frontal view, facing the camera"),
        ("10..25", "head turned slightly to the right of the picture"),
        (">= 30", "three-quarter view, facing the right of the picture"),
        ("< -60", "profile view, facing the left of the picture"),
        ("-45..-20", "three-quarter view, facing the left of the picture"),
        ("all", ""),
    ],
)
def test_bins_of_yaw_become_views(label: str, view: str) -> None:
    table = prompts(missing(yaw=[label], missing=[1]), LEXICON)
    assert table["prompt"].item() == ", ".join(["portrait photo of a person", *([view] if view else [])])


def test_cells_that_lack_nothing_get_no_prompt() -> None:
    table = prompts(missing(expression=["fear", "anger"], missing=[0, 3]), LEXICON)
    assert table["cell"].unique().to_list() == ["expression=anger"]
    assert prompts(missing(expression=["fear"], missing=[0]), LEXICON).is_empty()


def test_the_seed_chooses_among_the_words() -> None:
    cells = missing(expression=["happiness"], missing=[100])
    first, again, other = (prompts(cells, LEXICON, seed)["prompt"].to_list() for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert len(set(first)) == 6


cell = st.tuples(
    st.sampled_from([*EXPRESSIONS, None]),
    st.sampled_from([*BANDS, None]),
    st.sampled_from(VIEWS),
    st.integers(0, 30),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(cell, min_size=1, max_size=6, unique_by=lambda one: one[:3]), st.integers(0, 5))
def test_any_cells_get_as_many_as_they_lack_in_any_order(
    cells: list[tuple[str | None, str | None, str, int]], seed: int
) -> None:
    table = pl.DataFrame(
        cells,
        schema={"intent": pl.String, "band": pl.String, "yaw": pl.String, "missing": pl.Int64},
        orient="row",
    )
    made = prompts(table, LEXICON, seed)
    assert made["n"].sum() == table["missing"].sum()
    assert (made["n"] > 0).all()
    assert prompts(table.reverse(), LEXICON, seed).equals(made)
