from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import RecipeError
from curate.recipes.captions import SHIPPED, load_captions, phrases, plain_prompt, strengths, words
from curate.scorers.columns import INTENSITY_AUS, PRESENCE_AUS, PRESENCE_ONLY_AUS

TABLE = load_captions()
INTENSITIES = st.fixed_dictionaries(
    {f"au{n:02}": st.none() | st.floats(0, 5) | st.just(float("nan")) for n in INTENSITY_AUS}
)
PRESENCES = st.fixed_dictionaries({f"au{n:02}_p": st.none() | st.floats(0, 1) for n in PRESENCE_AUS})
ROWS = st.builds(lambda x, q: {**x, **q}, INTENSITIES, PRESENCES)


def row(**values: Any) -> dict[str, Any]:
    """A face at rest, with these values."""
    rest: dict[str, Any] = {f"au{n:02}": 0.0 for n in INTENSITY_AUS}
    return rest | {f"au{n:02}_p": 0.0 for n in PRESENCE_AUS} | values


def there(**intensities: float) -> dict[str, Any]:
    """A face with these intensities, and the presences that go with them."""
    return row(**intensities, **{f"{name}_p": 0.9 for name in intensities if int(name[2:]) in PRESENCE_AUS})


def test_action_units_become_words() -> None:
    face = there(au04=2.4, au05=2.2) | {"au24_p": 0.8}
    assert phrases(face, TABLE) == ["brow lowered", "eyes wide", "lips pressed"]


@pytest.mark.parametrize(
    ("points", "said"),
    [(0.99, []), (1, ["slight smile"]), (2, ["smile"]), (3.49, ["smile"]), (3.5, ["broad smile"])],
)  # fmt: skip
def test_how_strongly_goes_by_the_points(points: float, said: list[str]) -> None:
    assert phrases(there(au12=points), TABLE) == said


def test_a_pattern_uses_its_action_units_up() -> None:
    assert phrases(there(au01=2.5, au02=2.5), TABLE) == ["eyebrows raised"]
    assert phrases(there(au12=4, au25=3, au26=1.5), TABLE) == ["broad open-mouthed smile"]


def test_an_intensity_whose_presence_is_unlikely_is_not_said() -> None:
    assert phrases(there(au04=3.0) | {"au04_p": 0.4}, TABLE) == []
    assert phrases(there(au04=3.0) | {"au04_p": None}, TABLE) == ["brow lowered"]


def test_of_contrary_action_units_the_weaker_is_left_out() -> None:
    assert phrases(there(au25=1.2) | {"au24_p": 0.9}, TABLE) == ["lips pressed"]
    assert phrases(there(au25=2.2) | {"au24_p": 0.9}, TABLE) == ["lips parted"]


def test_slight_stretching_is_not_said() -> None:
    assert phrases(there(au20=1.5), TABLE) == []
    assert phrases(there(au20=2.5), TABLE) == ["lips stretched"]


@given(ROWS)
def test_phrases_are_few_distinct_and_the_same_every_time(face: dict[str, Any]) -> None:
    said = phrases(face, TABLE)
    assert said == phrases(dict(reversed(face.items())), TABLE)
    assert len(said) <= TABLE.most
    assert len(set(said)) == len(said)
    assert all(phrase and phrase.isprintable() for phrase in said)


@given(ROWS)
def test_only_what_is_sure_counts_and_none_of_a_contrary_pair_beside_the_other(face: dict[str, Any]) -> None:
    found = strengths(face, TABLE)
    for number, points in found.items():
        q = face.get(f"au{number:02}_p")
        assert q is None or q >= TABLE.sure.presence
        if number in PRESENCE_ONLY_AUS:
            assert points == 2 * q
        else:
            assert TABLE.degrees.slightly <= points <= 5
    assert not any(set(pair) <= found.keys() for pair in TABLE.contrary)


@given(ROWS, st.sampled_from(INTENSITY_AUS))
def test_the_strongest_comes_first(face: dict[str, Any], number: int) -> None:
    alone = TABLE.model_copy(
        update={"phrases": tuple(p for p in TABLE.phrases if len(p.aus) == 1), "contrary": ()}
    )
    by_words = {w: p.aus[0] for p in alone.phrases for w in (p.slightly, p.clearly, p.strongly, p.there) if w}
    found = strengths(face, alone)
    points = [found[by_words[phrase]] for phrase in phrases(face, alone)]
    assert points == sorted(points, reverse=True)


@given(st.dictionaries(st.text(max_size=8), st.none()))
def test_a_row_without_scores_says_nothing(face: dict[str, Any]) -> None:
    assert set(words(face, TABLE).values()) == {""}


def test_words_of_a_happy_and_of_a_neutral_face() -> None:
    happy = words({"expression": "happiness", "confidence": 0.9, "temperature": 85.0, "tone": 90.0}, TABLE)
    assert happy == {
        "aus": "",
        "expression": "happy",
        "temperature": "intense",
        "tone": "pleasant",
        "prompt": "",
    }
    unsure = words({"expression": "happiness", "confidence": 0.4, "temperature": 20.0, "tone": 50.0}, TABLE)
    assert (unsure["expression"], unsure["temperature"], unsure["tone"]) == ("", "subtle", "")
    neutral = words({"expression": "neutral", "confidence": 0.9, "temperature": 20.0}, TABLE)
    assert (neutral["expression"], neutral["temperature"]) == ("neutral", "")


@pytest.mark.parametrize(
    ("prompt", "plain"),
    [
        ("(angry man:1.2), <lora:foo:0.8>, ((dark)) light", "angry man, dark light"),
        ("a woman,\nsmiling,  \n8k", "a woman, smiling, 8k"),
        ("{happy} girl BREAK garden", "happy girl, garden"),
        ("", ""),
        (",,,", ""),
    ],
)
def test_prompts_lose_the_marks_of_programs(prompt: str, plain: str) -> None:
    assert plain_prompt(prompt) == plain


@given(st.text(max_size=200))
def test_a_prompt_is_one_line_whatever_it_is(prompt: str) -> None:
    plain = plain_prompt(prompt)
    assert "\n" not in plain
    assert not re.search(r"  |^ | $|,,|^,|,$", plain)


def refused(tmp_path: Path, old: str, new: str) -> RecipeError:
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    mine = tmp_path / "mine.yaml"
    mine.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(RecipeError) as error:
        load_captions(mine)
    return error.value


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{aus: [4], slightly:", "{aus: [4], slihtly:", "no field `phrases.3.slihtly`; did you mean `slightly`?"),
        ("{aus: [7], there", "{aus: [8], there", "no scorer gives AU8"),
        ("{aus: [7], there", "{aus: [7], clearly", "only a presence is scored of AU7"),
        ("{aus: [9], slightly: nose slightly wrinkled, clearly", "{aus: [9], there", "an intensity is scored of AU9"),
        ("slightly: 1,", "slightly: 3,", "slightly, clearly, strongly have to rise"),
        ("{from: 15, word: subtle}", "{from: 70, word: subtle}", "the steps have to begin at 0 and rise"),
        ("happiness: happy", "hapiness: happy", "there is no expression `hapiness`; did you mean `happiness`?"),
        ("word: subtle", 'word: "sub\\ntle"', "a wording is one line"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    error = refused(tmp_path, old, new)
    assert message in error.message
    assert re.search(r"mine\.yaml, line \d+$", error.where)


def test_a_table_of_ones_own_takes_the_place_of_the_shipped(tmp_path: Path) -> None:
    mine = tmp_path / "deutsch.yaml"
    mine.write_text(
        "most: 2\nsure: {presence: .5, expression: .5}\ndegrees: {slightly: 1, clearly: 2, strongly: 4}\n"
        "phrases: [{aus: [12], slightly: leichtes Lächeln, clearly: Lächeln}]\nexpressions: {happiness: fröhlich}\n"
        "temperature: [{from: 0, word: ''}]\ntone: [{from: 0, word: ''}]\n",
        encoding="utf-8",
    )
    table = load_captions(mine)
    assert phrases(there(au12=4.5), table) == ["Lächeln"]
    assert words({"expression": "anger", "confidence": 0.9}, table)["expression"] == ""
    assert table.sha256 != TABLE.sha256
