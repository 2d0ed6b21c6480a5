from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import QueryError, RecipeError
from curate.recipes.lexicon import Word, ideal_faces, load_lexicon, tokens, word_score
from curate.scorers.columns import EXPRESSIONS, INTENSITY_AUS, PRESENCE_AUS, PRESENCE_ONLY_AUS

LEXICON = load_lexicon()
WORDS = list(LEXICON.words.values())
ASKED_FOR = (
    "happy", "joyful", "smiling", "grinning", "laughing", "content", "wistful", "furious", "annoyed",
    "awed", "smirking", "terrified", "anxious", "bored", "calm", "stoic", "tired", "crying", "pouting",
    "shocked", "amazed", "disgusted", "contemptuous", "proud", "embarrassed", "flirty", "sceptical",
    "determined",
)  # fmt: skip
COMPOUND = (
    "happily surprised", "happily disgusted", "sadly fearful", "sadly angry", "sadly surprised", "sadly disgusted",
    "fearfully angry", "fearfully surprised", "fearfully disgusted", "angrily surprised", "angrily disgusted",
    "disgustedly surprised", "appalled", "hateful", "awed",
)  # fmt: skip


def face(expressions: dict[str, float], units: dict[int, float] | None = None) -> pl.DataFrame:
    """One face: shares of expressions; strengths of action units, for a presence its probability."""
    units = units or {}
    row = {name: expressions.get(name, 0.0) for name in EXPRESSIONS}
    row |= {f"au{n:02}": float(units.get(n, 0)) for n in INTENSITY_AUS}
    row |= {f"au{n:02}_p": float(units.get(n, 0)) for n in PRESENCE_ONLY_AUS}
    return pl.DataFrame(row)


def score(name: str, faces: pl.DataFrame) -> list[float | None]:
    return faces.select(word_score(LEXICON.words[name], faces.columns).alias("score"))["score"].to_list()


def test_there_are_words_enough_for_every_expression() -> None:
    assert len(WORDS) >= 80
    assert not [name for name in (*ASKED_FOR, "in pain", *COMPOUND) if name not in LEXICON.words]
    for expression in EXPRESSIONS:
        assert sum(word.mixture.get(expression, 0) > 0.5 for word in WORDS) >= 3


def test_no_word_is_said_twice() -> None:
    said = [tokens(text) for word in WORDS for text in (word.name, *word.synonyms)]
    assert len(said) == len(set(said)) == len(LEXICON.phrases)


def test_every_word_says_where_it_is_from_and_what_is_provisional() -> None:
    table = (Path(__file__).parents[2] / "recipes" / "tables" / "lexicon.yaml").read_text(encoding="utf-8")
    for word in WORDS:
        assert set(word.sources) == {"mixture", "aus", "affect"}
        for source in word.sources.values():
            assert f"\n  {source.split()[0].rstrip(',')}:" in table
    assert {word.name for word in WORDS if word.sources["aus"] == "du14-provisional"} == {
        "happily surprised", "happily disgusted", "sadly angry", "sadly surprised", "fearfully angry",
        "fearfully surprised", "angrily surprised", "angrily disgusted", "disgustedly surprised", "awed",
        "appalled", "hateful",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("happy", {6, 12}),
        ("sad", {1, 4, 15}),
        ("surprised", {1, 2, 5, 26}),
        ("fearful", {1, 2, 4, 5, 20, 25}),
        ("angry", {4, 5, 7, 24}),
        ("happily surprised", {1, 2, 12, 25}),
        ("sadly angry", {4, 7, 15}),
        ("fearfully surprised", {1, 2, 5, 20, 25}),
        ("angrily disgusted", {4, 10, 17}),
        ("disgustedly surprised", {1, 2, 5, 10}),
        ("awed", {1, 2, 5, 25}),
        ("in pain", {4, 6, 7, 9, 10}),
    ],
)
def test_patterns_are_those_of_their_source(name: str, pattern: set[int]) -> None:
    assert set(LEXICON.words[name].aus) == pattern


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("happiness", "happy"), ("HAPPILY", "happy"), ("smiles", "smiling"), ("Poker-Face", "neutral"),
        ("poker_face", "neutral"), ("straight face", "neutral"), ("in-pain", "in pain"), ("In_Pain", "in pain"),
        ("agonised", "in pain"), ("skeptical", "sceptical"), ("afraid", "fearful"), (" sad ", "sad"),
        ("02_angry", "angry"), ("Happily Surprised", "happily surprised"), ("chair", None), ("", None),
        ("angry man", None), ("unhappy", "sad"),
    ],
)  # fmt: skip
def test_words_are_found_however_they_are_spelled(text: str, name: str | None) -> None:
    found = LEXICON.find(text)
    assert (found.name if found else None) == name


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_eight_expressions_have_a_plain_word_each(expression: str) -> None:
    word = LEXICON.find(expression)
    assert word is not None
    assert word.mixture == {expression: 1}


def test_a_word_is_at_its_best_on_the_face_that_it_describes() -> None:
    faces = ideal_faces(WORDS)
    table = faces.select(word_score(word, faces.columns).alias(word.name) for word in WORDS).to_numpy()
    assert np.allclose(np.diag(table), 1)
    others = table - 2 * np.eye(len(WORDS))
    # Row: a word's face; no other word fits it as well.
    assert (others.max(axis=1) < 0.99).all()


def test_shades_of_one_expression_are_told_apart_both_ways() -> None:
    faces = ideal_faces([LEXICON.words[name] for name in ("annoyed", "angry", "furious")])
    annoyed, angry, furious = (score(name, faces) for name in ("annoyed", "angry", "furious"))
    assert annoyed == sorted(annoyed, reverse=True)
    assert furious == sorted(furious)
    assert angry[1] == max(angry)
    # By hand: M_e = .6; of the furious face 2 of AU4 and all of AU7 are met, 3 + 4 + 2 + 2 + 2 are surplus.
    met = 2 + 2
    surplus = (5 - 2) + 4 + 2 + 2
    assert annoyed[2] == pytest.approx((0.6 * met / (4 + 0.25 * surplus)) ** 0.5)


def test_the_formula_by_hand() -> None:
    # polite smile: happiness .55, neutral .45, AU12 of 2.
    one = face({"happiness": 0.2, "neutral": 0.5, "anger": 0.3}, {12: 1.5, 4: 1, 14: 0.75})
    expression = ((0.2 * 0.55) ** 0.5 + (0.5 * 0.45) ** 0.5) ** 2
    muscles = 1.5 / (2 + 0.25 * (1 + 2 * (2 * 0.75 - 1)))
    assert score("polite smile", one)[0] == pytest.approx((expression * muscles) ** 0.5)
    # Without action units, or for a word without a pattern, the expressions alone.
    bare = one.select(EXPRESSIONS)
    assert score("polite smile", bare)[0] == pytest.approx(expression)
    assert score("happy", bare)[0] == pytest.approx(0.2)
    assert score("neutral", one)[0] == pytest.approx(0.5)


def test_a_presence_that_is_asked_for_counts_as_its_probability() -> None:
    some = face({"anger": 0.6, "neutral": 0.25, "contempt": 0.15}, {4: 2, 7: 0.5})
    assert score("annoyed", some)[0] == pytest.approx((3 / 4) ** 0.5)


def test_what_is_null_has_no_score_and_without_expressions_there_is_none_at_all() -> None:
    some = pl.concat([face({"anger": 1.0}, {4: 3})] * 3)
    some = some.with_columns(
        anger=pl.Series([1.0, None, 1.0], dtype=pl.Float32), au04=pl.Series([3, 3, None], dtype=pl.Float32)
    )
    first, second, third = score("angry", some)
    assert first is not None
    assert (second, third) == (None, None)
    with pytest.raises(QueryError, match="affect\\('sad'\\)"):
        word_score(LEXICON.words["sad"], ["au04", "neutral"])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0, 1, width=32), min_size=8, max_size=8).filter(lambda p: sum(p) > 0.01),
    st.lists(st.floats(0, 5, width=32), min_size=12, max_size=12),
    st.lists(st.floats(0, 1, width=32), min_size=12, max_size=12),
    st.sampled_from(WORDS),
)
def test_scores_of_any_face_lie_between_0_and_1(
    p: list[float], x: list[float], q: list[float], word: Word
) -> None:
    shares = np.array(p, np.float32) / np.float32(sum(p))
    row = dict(zip(EXPRESSIONS, shares.tolist(), strict=True))
    row |= {f"au{n:02}": value for n, value in zip(INTENSITY_AUS, x, strict=True)}
    row |= {f"au{n:02}_p": value for n, value in zip(PRESENCE_AUS, q, strict=True)}
    faces = pl.DataFrame(row).cast(pl.Float32)
    scores = faces.select(word_score(word, faces.columns).alias("score"))["score"]
    assert scores.dtype == pl.Float64
    assert 0 <= scores.item() <= 1


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([w for w in WORDS if w.aus]), st.data())
def test_more_of_an_asked_muscle_never_hurts_until_there_is_enough(word: Word, data: st.DataObject) -> None:
    number = data.draw(st.sampled_from(sorted(word.aus)))
    most = 1.0 if number in PRESENCE_ONLY_AUS else word.aus[number]
    low, high = sorted(data.draw(st.tuples(st.floats(0, most), st.floats(0, most))))
    weak, strong = (face(dict(word.mixture), {number: value}) for value in (low, high))
    assert score(word.name, weak)[0] <= score(word.name, strong)[0] + 1e-12  # type: ignore[operator]


def own(folder: Path, text: str) -> Path:
    path = folder / "words.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_users_add_words_and_replace_ours(tmp_path: Path) -> None:
    path = own(
        tmp_path,
        """
words:
  hangry: {synonyms: [hungry and angry, grim], mixture: {anger: .7, sadness: .3}, valence: -.5, arousal: .5}
  Furious: {synonyms: [berserk], mixture: {anger: .9, disgust: .1}, valence: -.8, arousal: .9}
things: [panda]
""",
    )
    lexicon = load_lexicon(path)

    def name(text: str) -> str:
        found = lexicon.find(text)
        return found.name if found else ""

    assert [name(text) for text in ("hangry", "grim", "grimly")] == ["hangry", "hangry", "grim"]
    assert [name(text) for text in ("furious", "berserk", "enraged")] == ["Furious"] * 3
    assert lexicon.words["Furious"].mixture == {"anger": 0.9, "disgust": 0.1}
    assert "furious" not in lexicon.words
    assert len(lexicon.words) == len(WORDS) + 1
    assert "panda" in lexicon.things
    assert lexicon.sha256 != LEXICON.sha256
    assert lexicon.words["hangry"].sources == {"mixture": "ours", "aus": "ours", "affect": "ours"}
    assert load_lexicon().sha256 == LEXICON.sha256


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("words:\n  a:\n    mixture: {joy: 1}\n    valence: 0\n    arousal: 0\n", 3, "no expression `joy`"),
        ("words:\n  a:\n    mixture: {anger: .5}\n    valence: 0\n    arousal: 0\n", 3, "sum to 0.5, not to 1"),
        ("words:\n  a:\n    mixture: {angr: 1}\n    valence: 0\n    arousal: 0\n", 3, "did you mean `anger`"),
        ("words:\n  a:\n    mixture: {fear: 1}\n    aus: {3: 1}\n    valence: 0\n    arousal: 0\n", 4, "AU3"),
        ("words:\n  a:\n    mixture: {fear: 1}\n    aus: {4: 9}\n    valence: 0\n    arousal: 0\n", 4, "words.a.aus.4"),
        ("words:\n  a:\n    mixture: {fear: 1}\n    valence: -2\n    arousal: 0\n", 4, "words.a.valence"),
        ("words:\n  a:\n    mixture: {fear: 1}\n    valence: 0\n", 2, "`words.a.arousal` is missing"),
        ("words:\n  a:\n    mixtur: {fear: 1}\n    valence: 0\n    arousal: 0\n", 3, "did you mean `mixture`"),
        ("words:\n  a: {colour: red, mixture: {fear: 1}, valence: 0, arousal: 0}\n", 2, "`words.a.colour`"),
        ("words:\n  7: {mixture: {fear: 1}, valence: 0, arousal: 0}\n", 2, "words.7: input should be a valid string"),
        (
            "words:\n  a: {synonyms: [b], mixture: {fear: 1}, valence: 0, arousal: 0}\n"
            "  B: {mixture: {fear: 1}, valence: 0, arousal: 0}\n",
            3,
            "`B`, of `B`, already means `a`",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_with_its_line(text: str, line: int, said: str, tmp_path: Path) -> None:
    path = own(tmp_path, text)
    with pytest.raises(RecipeError) as error:
        load_lexicon(path)
    assert said in error.value.message
    assert error.value.where == f"{path}, line {line}"
