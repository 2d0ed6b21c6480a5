"""The lexicon: words for what a face shows, and how well a face fits a word."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache, reduce
from operator import add
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from curate.errors import QueryError
from curate.recipes.checked_yaml import read_checked
from curate.scorers.columns import EXPRESSIONS, INTENSITY_AUS, PRESENCE_ONLY_AUS, suggest

TABLE = Path(__file__).parent / "tables" / "lexicon.yaml"
# Action units beyond a word's pattern count against it with this weight: faces do more than a word says (they
# talk, they are lit), so what is missing weighs more than what is too much.
SURPLUS = 0.25
# A presence, in FACS points, where a word does not ask for it: "slight", as in `energy`.
_PRESENT = 2.0
_SCORED_AUS = (*INTENSITY_AUS, *PRESENCE_ONLY_AUS)
_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")

Source = Literal["mixture", "aus", "affect"]


class Word(BaseModel):
    """A word for what a face shows.

    Attributes:
        name: as it is listed; lower case.
        synonyms: other words and forms for the same.
        mixture: expressions and their shares, which sum to 1.
        aus: the muscle pattern, action units and their strength in FACS points, 1 to 5; empty where there is none.
        valence: -1 unpleasant .. 1 pleasant.
        arousal: -1 drowsy .. 1 excited.
        sources: where `mixture`, `aus` and `affect` (valence and arousal) come from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    synonyms: tuple[str, ...] = ()
    mixture: dict[str, Annotated[float, Field(gt=0, le=1)]]
    aus: dict[int, Annotated[float, Field(ge=1, le=5)]] = {}
    valence: Annotated[float, Field(ge=-1, le=1)]
    arousal: Annotated[float, Field(ge=-1, le=1)]
    sources: Annotated[dict[Source, str], Field(validate_default=True)] = {}

    @field_validator("name", "synonyms")
    @classmethod
    def _has_letters(cls, value: Any) -> Any:
        for text in (value,) if isinstance(value, str) else value:
            if not tokens(text):
                raise ValueError(f"`{text}` is no word")
        return value

    @field_validator("mixture")
    @classmethod
    def _sums_to_one(cls, mixture: dict[str, float]) -> dict[str, float]:
        for name in mixture:
            if name not in EXPRESSIONS:
                raise ValueError(f"there is no expression `{name}`{suggest(name, EXPRESSIONS)}")
        if abs(sum(mixture.values()) - 1) > 1e-6:
            raise ValueError(f"the shares sum to {sum(mixture.values()):g}, not to 1")
        return mixture

    @field_validator("aus")
    @classmethod
    def _is_scored(cls, aus: dict[int, float]) -> dict[int, float]:
        for number in aus:
            if number not in _SCORED_AUS:
                scored = " ".join(map(str, sorted(_SCORED_AUS)))
                raise ValueError(f"no scorer gives AU{number}; there are {scored}")
        return aus

    @field_validator("sources")
    @classmethod
    def _names_all(cls, sources: dict[Source, str]) -> dict[Source, str]:
        parts: tuple[Source, ...] = ("mixture", "aus", "affect")
        return {part: sources.get(part, "ours") for part in parts}

    @property
    def expression(self) -> str:
        """The expression with the largest share; of equal ones the first of the catalogue."""
        return max(EXPRESSIONS, key=lambda name: self.mixture.get(name, 0.0))


class LexiconFile(BaseModel):
    """A file of words: the built-in table, or a user's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    description: str = ""
    sources: dict[str, str] = {}
    things: tuple[str, ...] = ()
    words: dict[str, Word]

    @model_validator(mode="before")
    @classmethod
    def _name_words(cls, content: Any) -> Any:
        words = content.get("words") if isinstance(content, dict) else None
        if not isinstance(words, dict):
            return content
        named = {
            name: word | {"name": str(name)} if isinstance(word, dict) else word
            for name, word in words.items()
        }
        return content | {"words": named}

    @model_validator(mode="after")
    def _say_each_once(self) -> LexiconFile:
        owner: dict[tuple[str, ...], str] = {}
        for word in self.words.values():
            for text in (word.name, *word.synonyms):
                key = tokens(text)
                if key in owner:
                    raise ValueError(f"`{text}`, of `{word.name}`, already means `{owner[key]}`")
                owner[key] = word.name
        return self


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words for what a face shows. Make one with `load_lexicon`.

    Attributes:
        words: by name.
        sha256: of the files it was made from.
        phrases: what people write, as tokens, and the word it means.
        starts: first tokens of phrases, and the length of the longest that starts so, in tokens.
        things: nouns that take the word before them (`neutral background`).
    """

    words: Mapping[str, Word]
    sha256: str
    phrases: Mapping[tuple[str, ...], Word] = field(repr=False)
    starts: Mapping[str, int] = field(repr=False)
    things: frozenset[str] = field(repr=False)

    def find(self, text: str) -> Word | None:
        """The word that a text is, by name or synonym, whatever its case, hyphens, underscores and digits."""
        return self.phrases.get(tokens(text))

    def names(self) -> list[str]:
        """Names of the words, in alphabetical order."""
        return sorted(self.words)


def tokens(text: str) -> tuple[str, ...]:
    """The words of a text, in lower case: `Poker-Face_2` is poker, face."""
    return tuple(_TOKEN.findall(text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")))


def load_lexicon(extra: Path | None = None) -> Lexicon:
    """The built-in words, and a user's.

    A user's word takes the place of the built-in one of that name, whose synonyms it keeps; a name or synonym of a
    user's that meant something else means the user's word.

    Args:
        extra: a file of more words, in the schema of the built-in table.

    Raises:
        RecipeError: the file cannot be read or does not make sense; names the line and the field.
    """
    built_in, text = _built_in()
    digest = hashlib.sha256(text.encode())
    if extra is None:
        return _lexicon(dict(built_in.words), built_in.things, digest.hexdigest())
    own, text = read_checked(extra, LexiconFile)
    digest.update(text.encode())
    taken = {tokens(text) for word in own.words.values() for text in (word.name, *word.synonyms)}
    same = {tokens(word.name): word.name for word in own.words.values()}
    words: dict[str, Word] = {}
    for word in built_in.words.values():
        kept = tuple(synonym for synonym in word.synonyms if tokens(synonym) not in taken)
        # A name may be spelled otherwise than ours: `Slight-Smile`.
        theirs = own.words.get(same.get(tokens(word.name), ""))
        name = theirs.name if theirs else word.name
        synonyms = (*theirs.synonyms, *kept) if theirs else kept
        words[name] = (theirs or word).model_copy(update={"synonyms": synonyms})
    # The user's come last: theirs is the meaning of a phrase that both claim.
    mine = {name: words.pop(name, word) for name, word in own.words.items()}
    return _lexicon(words | mine, (*built_in.things, *own.things), digest.hexdigest())


@cache
def _built_in() -> tuple[LexiconFile, str]:
    return read_checked(TABLE, LexiconFile)


def _lexicon(words: dict[str, Word], things: Collection[str], sha256: str) -> Lexicon:
    phrases = {tokens(text): word for word in words.values() for text in (*word.synonyms, word.name)}
    starts: dict[str, int] = {}
    for phrase in phrases:
        starts[phrase[0]] = max(starts.get(phrase[0], 0), len(phrase))
    return Lexicon(
        words,
        sha256,
        phrases,
        starts,
        frozenset(token for thing in things for token in tokens(thing)),
    )


def word_score(word: Word, columns: Collection[str]) -> pl.Expr:
    """How well a face fits a word, Float64 in [0, 1]; null where a score it needs is null.

    `sqrt(M_e M_au)`, or `M_e` alone where the word has no pattern or the set no action unit of it:

    - `M_e = (sum_k sqrt(p_k t_k))^2`, the squared Bhattacharyya coefficient of the measured expressions and the
      word's mixture; for a plain word it is the probability of its expression.
    - `M_au = sum_j min(x_j, s_j) / (sum_j s_j + .25 sum_j max(x_j - s_j, 0))`, a Tversky index (1977) of the
      measured and the asked strengths, which are 0 for action units that are not in the pattern. What a presence
      alone tells counts as `s_j q_j` where the word asks for it, and as `2 clip(2 q_j - 1, 0, 1)` where not.

    Args:
        word: of the lexicon.
        columns: those that the score set has.

    Raises:
        QueryError: the set has no expressions.
    """
    if not set(EXPRESSIONS) <= set(columns):
        raise QueryError(
            f"`affect('{word.name}')` needs the eight expressions, which this set has not",
            hint="curate score FOLDER: the default scorers give them",
        )
    root = reduce(add, ((pl.col(k).cast(pl.Float64) * t).sqrt() for k, t in word.mixture.items()))
    expression = root.pow(2).clip(0, 1)
    asked = {number: strength for number, strength in word.aus.items() if _name(number) in columns}
    if not asked:
        return expression
    met, surplus = [], []
    for number in _SCORED_AUS:
        name = _name(number)
        if name not in columns:
            continue
        value = pl.col(name)
        if number in asked:
            value = value * asked[number] if number in PRESENCE_ONLY_AUS else value
            met.append(value.clip(upper_bound=asked[number]))
            surplus.append((value - asked[number]).clip(lower_bound=0))
        else:
            surplus.append((value * 2 - 1).clip(0, 1) * _PRESENT if number in PRESENCE_ONLY_AUS else value)
    total = sum(asked.values()) + reduce(add, surplus).cast(pl.Float64) * SURPLUS
    return (expression * reduce(add, met).cast(pl.Float64) / total).sqrt().clip(0, 1)


def ideal_faces(words: Collection[Word]) -> pl.DataFrame:
    """The face that each word describes, a row a word: `word` and the columns of an expression scorer, Float64."""
    rows = [
        {"word": word.name}
        | {name: float(word.mixture.get(name, 0)) for name in EXPRESSIONS}
        | {_name(n): float(word.aus.get(n, 0)) for n in INTENSITY_AUS}
        | {_name(n): float(n in word.aus) for n in PRESENCE_ONLY_AUS}
        for word in words
    ]
    return pl.DataFrame(rows)


def _name(number: int) -> str:
    """The column that says most of an action unit."""
    return f"au{number:02}" if number in INTENSITY_AUS else f"au{number:02}_p"
