from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import ExportError
from curate.recipes.caption_template import parse_template

KNOWN = ("prompt", "aus", "expression", "trigger", "yaw", "seed", "tone")
NUMBERS = ("yaw", "seed", "tone")


def filled(text: str, words: dict[str, str] | None = None, **values: Any) -> str:
    return parse_template(text, KNOWN, numbers=NUMBERS).fill(values, words or {})


def test_fields_are_filled_and_words_stand_for_columns() -> None:
    said = filled(
        "photo of {trigger}, {expression} face",
        {"expression": "happy"},
        trigger="sks",
        expression="happiness",
    )
    assert said == "photo of sks, happy face"


@pytest.mark.parametrize(
    "text", ["{prompt}, {aus}, {expression} expression", "{prompt},{aus},{expression} expression,,"]
)
def test_a_part_whose_fields_are_empty_goes_with_its_comma(text: str) -> None:
    assert filled(text, {"prompt": "a man", "aus": "", "expression": ""}) == "a man"
    assert filled(text, {"prompt": "", "aus": "smile", "expression": "happy"}) == "smile, happy expression"
    assert filled(text, {"prompt": "", "aus": "", "expression": ""}) == ""


def test_a_part_with_some_field_filled_stays() -> None:
    assert filled("{tone} {expression} face", {"tone": "pleasant", "expression": ""}) == "pleasant face"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{yaw:.1f}", "12.3"),
        ("{yaw:d}", "12"),
        ("{yaw:.0%}", "1235%"),
        ("{yaw}", "12.35"),
        ("{seed}", "18446744073709551615"),
    ],
)
def test_numbers(text: str, said: str) -> None:
    assert filled(text, yaw=12.345678, seed=2**64 - 1) == said


def test_a_number_format_asks_for_the_number_and_none_for_the_word() -> None:
    assert filled("{tone}, {tone:.0f}", {"tone": "pleasant"}, tone=88.8) == "pleasant, 89"


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_is_no_number_is_empty(value: float | None) -> None:
    assert filled("x {yaw:.1f}", yaw=value) == ""


def test_what_is_said_is_not_said_again() -> None:
    words = {"prompt": "a man, Mouth open, smiling", "aus": "eyes wide, mouth open", "expression": "smiling"}
    assert filled("{prompt}, {aus}, {expression}", words) == "a man, Mouth open, smiling, eyes wide"


def test_values_are_never_read_as_templates_and_stay_on_one_line() -> None:
    assert (
        filled("{prompt}", {"prompt": "a {seed} {0.__class__}\n%s\x1b[31m, "}, seed=7)
        == "a {seed} {0.__class__} %s [31m"
    )


def test_braces_of_their_own() -> None:
    assert filled("{{x}} {prompt}", {"prompt": "y"}) == "{x} y"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{expresion}", "there is no field `expresion`; did you mean `expression`?"),
        ("{aus", "the braces do not match"),
        ("aus}", "the braces do not match"),
        ("{}", "is no plain name"),
        ("{0}", "there is no field `0`"),
        ("{aus.__class__}", "is no plain name"),
        ("{aus[0]}", "is no plain name"),
        ("{aus!r}", "is no plain name"),
        ("{yaw:{seed}}", "is no plain name"),
        ("{yaw:>999999999}", "is no number format"),
        ("{yaw:.99f}", "is no number format"),
        ("{prompt:.1f}", "`prompt` is no number"),
        ("{aus}" * 1000, "longer than 2,000 characters"),
    ],
)
def test_what_is_no_template_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(ExportError) as error:
        parse_template(text, KNOWN, numbers=NUMBERS)
    assert message in error.value.message
    assert error.value.where == "--template"
    assert error.value.hint


@given(st.text(alphabet="ab ,.{}:[]!_01\n", max_size=40))
def test_any_text_is_a_template_or_refused(text: str) -> None:
    try:
        template = parse_template(text, ("a", "b"), numbers=("a",))
    except ExportError:
        return
    assert template.names <= {"a", "b"}
    said = template.fill({"a": 1.5, "b": "x, y"}, {})
    assert "\n" not in said
    assert not re.search(r"^[ ,]|[ ,]$", said)


@given(st.dictionaries(st.sampled_from(["prompt", "aus", "expression"]), st.text(max_size=30)))
def test_captions_are_one_clean_line_whatever_the_values(values: dict[str, str]) -> None:
    said = filled("{prompt}, {aus}, {expression} expression", values)
    assert said.isprintable()
    assert not re.search(r"^[ ,]|[ ,]$|  ", said)
