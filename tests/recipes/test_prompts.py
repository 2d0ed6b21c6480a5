from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.recipes.prompts import clauses, parse_prompt


def weights(text: str) -> dict[str, float]:
    """Words of a prompt and the weight of each."""
    return {
        word: round(piece.weight, 4)
        for piece in parse_prompt(text)
        for word in piece.text.replace(",", " ").replace("(", " ").replace(")", " ").split()
    }


@pytest.mark.parametrize(
    ("text", "read"),
    [
        # AUTOMATIC1111, Forge, ComfyUI
        ("angry", {"angry": 1}),
        ("(angry)", {"angry": 1.1}),
        ("((angry))", {"angry": 1.21}),
        ("[angry]", {"angry": 0.9091}),
        ("[[angry]]", {"angry": 0.8264}),
        ("(angry:1.3)", {"angry": 1.3}),
        ("(angry: 1.3 )", {"angry": 1.3}),
        ("(very angry:.5) man", {"very": 0.5, "angry": 0.5, "man": 1}),
        ("((angry:1.3) man)", {"angry": 1.43, "man": 1.1}),
        ("(a, (b:2):0.5)", {"a": 0.5, "b": 1}),
        ("(angry:-1)", {"angry": -1}),
        ("(time: noon)", {"time:": 1.1, "noon": 1.1}),
        (r"angry \(series\)", {"angry": 1, "series": 1}),
        (r"(angry \(very\):1.2)", {"angry": 1.2, "very": 1.2}),
        # NovelAI
        ("{angry}", {"angry": 1.05}),
        ("{{angry}}", {"angry": 1.1025}),
        ("1.3::angry, man:: calm", {"angry": 1.3, "man": 1.3, "calm": 1}),
        ("2::angry 0.5::calm", {"angry": 2, "calm": 0.5}),
        ("-1.5::angry::", {"angry": -1.5}),
        # InvokeAI, Compel
        ("angry+++ man", {"angry": 1.331, "man": 1}),
        ("an angry-- man", {"an": 1, "angry": 0.81, "man": 1}),
        ("(angry man)1.3, x", {"angry": 1.3, "man": 1.3, "x": 1}),
        ("(angry man)++", {"angry": 1.21, "man": 1.21}),
        # shares of the steps, or of the pictures
        ("[angry:happy:0.3]", {"angry": 0.3, "happy": 0.7}),
        ("[angry:0.25]", {"angry": 0.75}),
        ("[angry::0.25]", {"angry": 0.25}),
        ("[angry:happy:12]", {"angry": 0.5, "happy": 0.5}),
        ("[angry|happy|sad|calm]", {"angry": 0.25, "happy": 0.25, "sad": 0.25, "calm": 0.25}),
        ("{angry|happy}", {"angry": 0.5, "happy": 0.5}),
        ("(([angry|happy]))", {"angry": 0.605, "happy": 0.605}),
        ("{(angry:1.5)|happy}", {"angry": 0.75, "happy": 0.5}),
        # names are no words
        ("a <lora:angry_eyes:0.8> man", {"a": 1, "man": 1}),
        ("<hypernet:sad:1><embedding:happy> x", {"x": 1}),
        ("(embedding:angry_eyes:1.2), embedding:sad.pt x", {"x": 1}),
        ("a __moods/sad__ man", {"a": 1, "man": 1}),
        # brackets without a partner
        ("(angry", {"angry": 1}),
        ("angry)", {"angry": 1}),
        ("(angry]", {"angry": 1}),
        ("([angry) x", {"angry": 1.1, "x": 1}),
        ("(angry:1.3", {"angry:1.3": 1}),
        (">_< <3 :o", {">_<": 1, "<3": 1, ":o": 1}),
        # what looks like a weight and is none
        ("Mary--Ann, no-one, a - b", {"Mary--Ann": 1, "no-one": 1, "a": 1, "-": 1, "b": 1}),
        ("16:9, f/1.8", {"16:9": 1, "f/1.8": 1}),
        ("", {}),
    ],
)
def test_prompts_are_read_as_their_programs_read_them(text: str, read: dict[str, float]) -> None:
    assert weights(text) == read


def test_pieces_hold_the_text_in_order() -> None:
    pieces = parse_prompt("a portrait, (angry:1.3) BREAK film grain")
    assert [(piece.text, piece.weight) for piece in pieces] == [
        ("a portrait, ", 1),
        ("angry", 1.3),
        (" ,  film grain", 1),
    ]


def test_alternatives_never_make_one_phrase() -> None:
    assert "".join(piece.text for piece in parse_prompt("[in:pain:0.5]")) == "in, pain"
    assert "".join(piece.text for piece in parse_prompt("[in|pain]")) == "in, pain"
    assert "".join(piece.text for piece in parse_prompt("in AND pain")).split(",")[0].strip() == "in"
    # A line's end that a program wrote as two characters parts words.
    assert parse_prompt(r"happy\nsmile")[0].text == "happy nsmile"


syntax = st.text(st.sampled_from(list("()[]{}<>:|\\+-_.,0123456789 \nabBREAKND")), max_size=60)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=60), syntax))
def test_any_text_has_a_reading(text: str) -> None:
    pieces = parse_prompt(text)
    assert all(piece.text for piece in pieces)
    assert all(math.isfinite(piece.weight) and abs(piece.weight) <= 10 for piece in pieces)
    # Nothing is made up: what is read stands in the text, apart from commas and spaces between parts.
    assert sum(c.isalnum() for piece in pieces for c in piece.text) <= sum(c.isalnum() for c in text)


@pytest.mark.parametrize(
    "unit",
    ["(", ")", "[", "{", "(a ", "((a)", "[a:", "[a|", "(a:1.1", "1.5::", "::", "|", "\\", "a+", "+", "a", "1", "1.",
     "<", "<a:", "<lora:", "__", "__a", "embedding:", "-", "((((angry:1.5)", "[a:b:0.5", "{a|"],
)  # fmt: skip
def test_hostile_text_takes_no_longer_than_its_length(unit: str) -> None:
    size = 100_000 if unit == "(" else 20_000
    text = unit * (size // len(unit))
    for hostile in (text, text + "angry" + ")" * size + "]" * size + "}" * size):
        began = time.process_time()
        parse_prompt(hostile)
        assert (
            time.process_time() - began < 5
        )  # a tenth of it as a rule; with the square of the length it would be minutes


@settings(max_examples=500)
@given(
    st.lists(
        st.sampled_from([*"\\\\<>()[]{}:|+-_.,.5 a,,", "::", "1.2", "angry", "<lora:x:0.5>", "(a:1.3)", "BREAK",
                         "__x__", "not ", " - ", "embedding:x", "[a|b]", "((b, c))", "{d}", ", ", "happy,"])
    ).map("".join)
)  # fmt: skip
def test_clauses_are_read_alone_as_they_are_read_within_the_prompt(text: str) -> None:
    def letters(*parts: str) -> list[tuple[str, float]]:
        return [
            (letter, piece.weight) for part in parts for piece in parse_prompt(part) for letter in piece.text
        ]

    assert "".join(clauses(text)) == text
    assert letters(*clauses(text)) == letters(text)


def test_a_prompt_is_cut_at_its_own_commas_alone() -> None:
    text = "photo, (angry, (very:1.2)), <lora:x:0.8> eyes, 1, [a(b], c, d"
    assert clauses(text) == ["photo,", " (angry, (very:1.2)),", " <lora:x:0.8> eyes,", " 1,", " [a(b], c, d"]


def test_cutting_takes_time_in_proportion_to_the_length() -> None:
    for text in ("(" * 50_000, "([{" * 20_000, "(a," * 20_000, "<a:" * 20_000, "(<a:b>" * 10_000 + ","):
        began = time.process_time()
        clauses(text)
        assert time.process_time() - began < 1
