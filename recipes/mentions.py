"""The lexicon's words in a prompt: which, how heavy, and whether they are asked for or refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from curate.recipes.lexicon import Lexicon, Word
from curate.recipes.prompts import Piece

# Words, and what parts clauses. Brackets do not: `not (smiling)`.
_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|[,.;:!?|/\n\N{EN DASH}\N{EM DASH}]|(?<=\s)-(?=\s)")
_BREAK = ""
# "can't stop laughing" laughs: can't, cannot and couldn't refuse nothing.
_NOT = frozenset((
    "no", "not", "never", "non", "without", "neither", "nor", "hardly", "lacking", "lacks", "lack", "isn't",
    "aren't", "wasn't", "don't", "doesn't", "didn't", "ain't", "won't", "hasn't", "haven't", "isnt",
    "arent", "wasnt", "dont", "doesnt", "didnt", "aint",
))  # fmt: skip
# What may stand between a refusal and the word it refuses.
_BETWEEN = frozenset((
    "a", "an", "the", "any", "at", "all", "be", "being", "been", "is", "are", "even", "longer", "very",
    "too", "so", "quite", "really", "particularly", "overly", "obviously", "clearly", "fully", "much",
    "more", "single", "slightest", "bit", "kind", "sort", "hint", "trace", "sign", "signs", "of", "in",
    "to", "with", "have", "having", "has", "her", "his", "their", "its", "that", "show", "shows", "showing",
    "look", "looks", "looking", "seem", "seems", "seeming", "appear", "appears", "appearing", "feel",
    "feels", "feeling", "wear", "wears", "wearing", "visible", "real", "obvious", "face", "facial",
    "expression", "expressions", "emotion", "emotions",
))  # fmt: skip
_OR = frozenset(["or", "nor"])
# `not only happy`, `not just sad`.
_NOT_ONLY = frozenset(["only", "just", "merely"])


@dataclass(frozen=True, slots=True)
class Mention:
    """A word of the lexicon in a text.

    Attributes:
        word: the word.
        weight: how heavy, more than 0.
        refused: whether the text says that it is not to be (`not smiling`, or a weight below 0).
    """

    word: Word
    weight: float
    refused: bool = False


def mentions(pieces: Sequence[Piece], lexicon: Lexicon) -> list[Mention]:
    """The lexicon's words in a prompt, in order.

    Whole words, the longest phrase first (`slight smile`, not `smile`). A word right before a thing is left out
    (`neutral background`), unless it ends in -ing. A refusal reaches over words like `a`, `very`, `sign of` to the
    word it refuses, over `or` to the next, and never out of its clause. `unsmiling` and `joyless` refuse, unless the
    lexicon has them as words of their own (`unhappy`).

    Args:
        pieces: from `parse_prompt`.
        lexicon: the words.
    """
    words, weights = _tokens(pieces)
    if lexicon.starts.keys().isdisjoint(words) and not any(map(_refuses_itself, words)):
        return []
    found = []
    refusing = False
    i = 0
    while i < len(words):
        word, length, refused = _phrase(words, i, lexicon)
        if word is not None:
            weight = weights[i + length - 1]
            refused ^= refusing
            following = words[i + length] if i + length < len(words) else _BREAK
            if not _is_of_thing(words[i + length - 1], following, lexicon) and weight:
                found.append(Mention(word, abs(weight), refused ^ (weight < 0)))
            refusing &= following in _OR
        elif words[i] in _NOT:
            refusing = not (i + 1 < len(words) and words[i + 1] in _NOT_ONLY)
        elif words[i] not in _BETWEEN and words[i] not in _OR:
            refusing = False
        i += length
    return found


def _tokens(pieces: Sequence[Piece]) -> tuple[list[str], list[float]]:
    """Words in lower case, `_BREAK` between clauses; and the weight of each."""
    words: list[str] = []
    weights: list[float] = []
    for piece in pieces:
        text = piece.text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        told = [token if token[0].isalpha() else _BREAK for token in _TOKEN.findall(text)]
        words += told
        weights += [piece.weight] * len(told)
    return words, weights


def _phrase(words: list[str], start: int, lexicon: Lexicon) -> tuple[Word | None, int, bool]:
    """The longest phrase that starts here, its length in tokens, and whether it refuses itself."""
    first = words[start]
    for length in range(lexicon.starts.get(first, 0), 0, -1):
        # The end of the text makes a slice shorter, which then is another phrase or none.
        phrase = tuple(words[start : start + length])
        # A user's word cannot take the meaning from what refuses.
        if phrase in lexicon.phrases and not (len(phrase) == 1 and first in _NOT):
            return lexicon.phrases[phrase], len(phrase), False
    if not _refuses_itself(first):
        return None, 1, False
    if first.startswith("un") and (first[2:],) in lexicon.phrases:
        return lexicon.phrases[(first[2:],)], 1, True
    if first.endswith("less") and (first[:-4],) in lexicon.phrases:
        return lexicon.phrases[(first[:-4],)], 1, True
    return None, 1, False


def _refuses_itself(word: str) -> bool:
    return word.startswith("un") or word.endswith("less")


def _is_of_thing(last: str, following: str, lexicon: Lexicon) -> bool:
    return following in lexicon.things and not last.endswith("ing")
