from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.recipes.lexicon import load_lexicon
from curate.recipes.mentions import mentions
from curate.recipes.prompts import parse_prompt

LEXICON = load_lexicon()


def said(text: str) -> list[str]:
    """Words of the lexicon in a prompt; those that are refused with a minus."""
    found = mentions(parse_prompt(text), LEXICON)
    return [f"{'-' if mention.refused else ''}{mention.word.name}" for mention in found]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("an angry man", ["angry"]),
        ("ANGRY MAN", ["angry"]),
        ("1girl, light_smile, closed-mouth_smile", ["slight smile", "slight smile"]),
        ("a happily surprised woman", ["happily surprised"]),
        ("sad and angry", ["sadly angry"]),
        ("sad (and angry:1.2)", ["sadly angry"]),
        ("sad, angry", ["sad", "angry"]),
        ("sad\nangry", ["sad", "angry"]),
        ("in (pain:1.3)", ["in pain"]),
        ("expressionless, poker face, neutral expression", ["neutral", "neutral", "neutral"]),
        ("no expression", ["neutral"]),
        ("unhappy", ["sad"]),
        # whole words
        ("sadhu, angrybird, smileys, impressive", []),
        ("<lora:angry_eyes:1> portrait", []),
        ("a portrait of a woman, 85mm, bokeh", []),
        # things
        ("angry birds, happy hour, neutral background, serene landscape, neutral grey", []),
        ("smiling light-haired woman", ["smiling"]),
        ("happy, birthday cake", ["happy"]),
        ("a sad puppy, a happy dog, a man in a sad mask", []),
        ("tears of joy", ["joyful"]),
        # refused
        ("not smiling", ["-smiling"]),
        ("no smile", ["-smiling"]),
        ("without a smile", ["-smiling"]),
        ("without any trace of a smile", ["-smiling"]),
        ("never angry", ["-angry"]),
        ("he isn't happy", ["-happy"]),
        ("he isn’t very happy", ["-happy"]),
        ("isnt happy", ["-happy"]),
        ("does not look angry", ["-angry"]),
        ("doesn't have a happy expression", ["-happy"]),
        ("unsmiling, joyless, fearless", ["-smiling", "-happy", "-fearful"]),
        ("non-smiling", ["-smiling"]),
        ("not ((smiling))", ["-smiling"]),
        ("(angry:-1)", ["-angry"]),
        ("not happy or sad but angry", ["-happy", "-sad", "angry"]),
        ("neither happy nor sad", ["-happy", "-sad"]),
        ("not happy, sad", ["-happy", "sad"]),
        ("not smiling and crying", ["-smiling", "crying"]),
        ("no. smiling", ["smiling"]),
        ("not unhappy", ["-sad"]),
        ("not joyless", ["happy"]),
        # not refused
        ("not only happy but ecstatic", ["happy", "ecstatic"]),
        ("no glasses smiling", ["smiling"]),
        ("can't stop laughing", ["laughing"]),
        ("not a photo, sad", ["sad"]),
        ("", []),
    ],
)
def test_words_are_found_and_refusals_are_heard(text: str, words: list[str]) -> None:
    assert said(text) == words


def test_a_word_weighs_what_its_brackets_say() -> None:
    found = mentions(parse_prompt("(angry:1.3), [sad|happy], ((fear)), (calm:-2), (bored:0)"), LEXICON)
    read = [(mention.word.name, round(mention.weight, 3), mention.refused) for mention in found]
    assert read == [
        ("angry", 1.3, False),
        ("sad", 0.5, False),
        ("happy", 0.5, False),
        ("fearful", 1.21, False),
        ("calm", 2.0, True),
    ]


phrases = st.lists(
    st.sampled_from(["not", "no", "a", ",", "(", ")", "sad", "in", "pain", "smile", "un", "|", "x", "or"])
)


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(max_size=60), phrases.map(" ".join)))
def test_any_text_has_its_words(text: str) -> None:
    for mention in mentions(parse_prompt(text), LEXICON):
        assert mention.weight > 0


@pytest.mark.parametrize("unit", ["not ", "in ", "sad or ", "a'", "un", "no hint of a "])
def test_long_texts_take_no_longer_than_their_length(unit: str) -> None:
    began = time.process_time()
    mentions(parse_prompt(unit * (20_000 // len(unit))), LEXICON)
    assert time.process_time() - began < 5


def test_a_users_word_cannot_take_the_meaning_from_what_refuses(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("words:\n  not: {mixture: {anger: 1}, valence: 0, arousal: 0}\n", encoding="utf-8")
    found = mentions(parse_prompt("not smiling"), load_lexicon(path))
    assert [(mention.word.name, mention.refused) for mention in found] == [("smiling", True)]
