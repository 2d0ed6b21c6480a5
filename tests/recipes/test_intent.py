from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.recipes.intent import intended_mixture, intent_columns
from curate.recipes.lexicon import load_lexicon
from curate.recipes.mentions import Mention, mentions
from curate.recipes.prompts import clauses, parse_prompt
from curate.scorers.columns import EXPRESSIONS, INTENT, schema

LEXICON = load_lexicon()
# Measured: neutral, happiness, sadness, surprise, fear, disgust, anger, contempt.
MEASURED = (0.05, 0.4, 0.1, 0.05, 0.03, 0.02, 0.3, 0.05)


def frame(**columns: list[str | None]) -> pl.DataFrame:
    rows = len(next(iter(columns.values())))
    texts = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    return texts.with_columns(
        pl.Series(name, [p] * rows, dtype=pl.Float32) for name, p in zip(EXPRESSIONS, MEASURED, strict=True)
    )


def intents(**columns: list[str | None]) -> list[str | None]:
    return intent_columns(frame(**columns), LEXICON)["intent"].to_list()


def mixture(asked: dict[str, float], refused: dict[str, float]) -> dict[str, float]:
    said = [
        [Mention(LEXICON.words[name], weight) for name, weight in words.items()] for words in (asked, refused)
    ]
    t = intended_mixture(*said)
    return {name: round(float(share), 6) for name, share in zip(EXPRESSIONS, t, strict=True) if share}


def test_the_figures_by_hand() -> None:
    told = intent_columns(frame(prompt=["an angry man", "(happy:3), sad", "amused", "a man"]), LEXICON)
    assert told.schema == pl.Schema(schema(INTENT))
    assert told["intent"].to_list() == ["anger", "happiness", "happiness", None]
    assert told["intent_words"].to_list() == ["angry", "happy, sad", "amused", None]
    # .3; .75 x .4 + .25 x .1; .8 x .4 + .2 x .05
    assert told["intent_p"].to_list() == [pytest.approx(p) for p in (0.3, 0.325, 0.33)] + [None]
    assert told["intent_rank"].to_list() == [2, 1, 1, None]


def test_a_mixture_is_the_sum_of_the_words_less_what_is_refused() -> None:
    assert mixture({"angry": 1.0}, {}) == {"anger": 1}
    assert mixture({"angry": 1.2, "happy": 0.4}, {}) == {"happiness": 0.25, "anger": 0.75}
    # happy meets 1 of refusal, sad none: 1 / 2 and 1.
    assert mixture({"happy": 1.0, "sad": 1.0}, {"happy": 1.0}) == {"happiness": 0.333333, "sadness": 0.666667}
    # 4 / (2 + .9) of happiness, 1 of sadness.
    assert mixture({"happy": 2.0, "sad": 1.0}, {"smiling": 1.0}) == {"happiness": 0.57971, "sadness": 0.42029}
    # Refused more than asked for, alone: nothing to lose to.
    assert mixture({"happy": 1.0}, {"happy": 5.0}) == {"happiness": 1}
    assert mixture({}, {"happy": 1.0}) == {}
    # A shade stays what it is: "slight smile, not laughing".
    assert mixture({"slight smile": 1.0}, {"laughing": 1.0}) == {"neutral": 0.4, "happiness": 0.6}


def test_a_negative_prompt_intends_nothing_and_takes_away() -> None:
    told = intent_columns(
        frame(
            prompt=["happy and sad face", "portrait", "crying"], negative_prompt=["smile", "smile", "not sad"]
        ),
        LEXICON,
    )
    assert told["intent"].to_list() == ["sadness", None, "sadness"]
    assert told["intent_words"].to_list() == ["happy, sad", None, "crying"]


def test_equal_shares_are_decided_by_the_order_of_the_catalogue() -> None:
    assert intents(prompt=["anger, fear", "fear, anger", "angrily disgusted", "[sad|happy|calm]"]) == [
        "fear", "fear", "disgust", "happiness",
    ]  # fmt: skip


def test_neutral_is_asked_for_in_words_and_never_assumed() -> None:
    assert intents(prompt=["expressionless", "poker face", "neutral expression", "a woman", "", None]) == [
        "neutral", "neutral", "neutral", None, None, None,
    ]  # fmt: skip


def test_where_the_prompt_says_nothing_the_folder_may() -> None:
    images = {
        "/data/angry/0001.png": "anger",
        "/data/02_Angry-Faces/0001.png": "anger",
        "/data/angry/seed 7/0001.png": "anger",
        "/data/angry/sad/0001.png": "sadness",
        "/data/sad/a/b/c/0001.png": None,
        "/data/all/angry.png": None,
        "angry.png": None,
        "sad/1.png": "sadness",
        "C:\\faces\\in pain\\1.png": "sadness",
        "/home/joy/faces/1.png": None,
        "C:\\Users\\Joy\\faces\\1.png": None,
        "/home/joy/angry/1.png": "anger",
        "/data/angry birds/1.png": None,
        "user/faces#train/12": None,
        "/data/faces/1.png": None,
    }
    assert intents(image=list(images)) == list(images.values())
    both = frame(image=["/x/angry/1.png"] * 3, prompt=["a sad man", "a man", None])
    assert intent_columns(both, LEXICON)["intent_words"].to_list() == ["sad", "angry", "angry"]


def test_rows_without_a_face_have_no_intent() -> None:
    rows = frame(prompt=["sad"] * 4, status=["ok", "no_face", "ok", None])
    rows = rows.with_columns(anger=pl.Series([0.3, 0.3, None, 0.3], dtype=pl.Float32))
    told = intent_columns(rows, LEXICON)
    assert told.height == 4
    assert told.null_count().row(0) == (3, 3, 3, 3)
    assert told.row(0)[:2] == ("sadness", "sad")


def test_a_set_without_expressions_has_intents_alone() -> None:
    told = intent_columns(pl.DataFrame({"prompt": ["sad", None]}), LEXICON)
    assert told.rows() == [("sadness", "sad", None, None), (None, None, None, None)]
    assert intent_columns(frame(prompt=[]), LEXICON).schema == pl.Schema(schema(INTENT))
    assert intent_columns(pl.DataFrame({"seed": [1, 2]}), LEXICON).null_count().row(0) == (2, 2, 2, 2)


def test_equally_probable_expressions_share_a_rank() -> None:
    rows = frame(prompt=["contempt", "surprise", "anger", "disgust"])
    assert intent_columns(rows, LEXICON)["intent_rank"].to_list() == [4, 4, 2, 8]


texts = st.one_of(
    st.none(),
    st.sampled_from(["sad", "(angry:1.4), happy", "not happy", "a man", "", "wistful", "smile, furious"]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_every_row_has_what_it_would_have_alone(
    rows: list[tuple[str | None, str | None, str | None]], random: object
) -> None:
    images = [None if folder is None else f"/{folder}/x.png" for *_, folder in rows]
    whole = frame(prompt=[p for p, _, _ in rows], negative_prompt=[n for _, n, _ in rows], image=images)
    told = intent_columns(whole, LEXICON)
    order = np.random.default_rng(len(rows)).permutation(len(rows))
    assert intent_columns(whole[order], LEXICON).equals(told[order])
    last = len(rows) - 1
    assert intent_columns(whole[last:], LEXICON).equals(told[last:])
    p = told["intent_p"].drop_nulls()
    assert ((p >= 0) & (p <= 1)).all()


def test_many_rows_with_few_prompts_are_read_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    from curate.recipes import intent

    read = []

    def counted(text: str) -> object:
        read.append(text)
        return parse(text)

    parse = intent.parse_prompt
    monkeypatch.setattr(intent, "parse_prompt", counted)
    rows = frame(prompt=["sad", "happy", None] * 2000, negative_prompt=["smile", "sad", "smile"] * 2000)
    assert intent_columns(rows, LEXICON)["intent"].null_count() == 2000
    assert sorted(read) == ["happy", "sad", "smile"]


def test_what_people_searched_for_in_the_demo_faces_is_understood(shared: Path) -> None:
    rows = pl.read_csv(shared / "data" / "demo_faces" / "manifest.csv").filter(pl.col("clip_query") != "")
    queries = rows.unique("clip_query").sort("clip_query")
    told = intent_columns(queries.select(prompt="clip_query"), LEXICON)["intent"].to_list()
    assert dict(zip(queries["clip_query"], told, strict=True)) == {
        "angry": "anger", "disgusted": "disgust", "fearful": "fear", "grim": "anger", "happy": "happiness",
        "neutral": "neutral", "sad": "sadness", "smiling": "happiness", "surprised": "surprise", "tongue_out": None,
    }  # fmt: skip


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            ["not", "smiling", "or", "sad", "slight smile", "a", "only", "(angry:1.3)", "[happy|sad]", "unsmiling", ",",
             "joyless", "neutral", "background", "looking", ".", "(no, joy)", "::", "1.2::", "never"]
        )
    ).map(" ".join)
)  # fmt: skip
def test_a_prompt_mentions_what_its_clauses_mention(text: str) -> None:
    together = [mention for clause in clauses(text) for mention in mentions(parse_prompt(clause), LEXICON)]
    assert together == mentions(parse_prompt(text), LEXICON)


def test_a_clause_that_comes_again_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noted(text: str) -> object:
        read.append(text)
        return parse_prompt(text)

    monkeypatch.setattr("curate.recipes.intent.parse_prompt", noted)
    shown = ["angry", "a slight smile", "(sad:1.2)"]
    prompts = [f"photo {i % 10}, {shown[i % 3]}, in a {i % 7} room, (sharp:1.2)" for i in range(200)]
    told = intents(prompt=list(prompts))
    assert told[:3] == ["anger", "happiness", "sadness"]
    assert len(read) == len(set(read)) == 10 + 3 + 7 + 1
