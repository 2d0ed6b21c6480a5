from __future__ import annotations

from itertools import combinations

import polars as pl
import pytest

from curate.recipes.people import load_people, people_words


@pytest.mark.parametrize(
    ("prompt", "gender", "age", "ethnicity"),
    [
        ("portrait of a WOMAN, angry", "woman", "no word", "no word"),
        ("1girl, solo", "woman", "no word", "no word"),
        ("(old_man:1.2), rage", "man", "old", "no word"),
        ("woman man", "woman + man", "no word", "no word"),
        ("a 35-year-old woman", "woman", "young", "no word"),
        ("70yo fisherman", "no word", "old", "no word"),
        ("portrait, aged 7", "no word", "child", "no word"),
        ("non-binary person", "neither", "no word", "no word"),
        ("black man in a white shirt", "man", "no word", "black"),
        ("black hair, white background", "no word", "no word", "no word"),
        ("old photo of a boy", "man", "no word", "no word"),
        ("old photo, old film, old man", "man", "old", "no word"),
        ("<lora:woman_v2:0.8> mandolin, womanizer, human", "no word", "no word", "no word"),
        ("höhe, märchen", "no word", "no word", "no word"),
        ("", "no word", "no word", "no word"),
        (None, None, None, None),
    ],
)
def test_words_about_people(
    prompt: str | None, gender: str | None, age: str | None, ethnicity: str | None
) -> None:
    told = people_words(pl.Series([prompt], dtype=pl.String))
    assert told.row(0, named=True) == {"gender": gender, "age": age, "ethnicity": ethnicity}


def test_a_prompt_is_read_by_itself() -> None:
    prompts = pl.Series(["a man", None, "an old woman", "a man"])
    whole = people_words(prompts)
    assert whole.height == 4
    for i in range(4):
        assert people_words(prompts.slice(i, 1)).equals(whole.slice(i, 1))


def test_every_word_of_the_table_is_found_and_says_one_thing() -> None:
    people = load_people()
    for group, levels in people.groups.items():
        for level, words in levels.items():
            told = people_words(pl.Series(list(words)))[group]
            assert all(level in said.split(" + ") for said in told), level
        for (_, a), (_, b) in combinations(levels.items(), 2):
            assert not set(a) & set(b)


def test_every_age_is_a_level() -> None:
    people = load_people()
    assert list(people.ages) == list(people.groups["age"])
