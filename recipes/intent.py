"""What a face was meant to show: by its prompt, or else by its folder; and how much of it is there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.recipes.lexicon import Lexicon, Word, tokens
from curate.recipes.mentions import Mention, mentions
from curate.recipes.prompts import clauses, parse_prompt
from curate.scorers.columns import EXPRESSIONS

# How many folders above a picture may say what it is meant to show.
_FOLDERS = 3
# What folders of faces are called besides: angry_faces, 10_angry portraits.
_BESIDE = frozenset((
    "face", "faces", "expression", "expressions", "emotion", "emotions", "portrait", "portraits", "photo",
    "photos", "picture", "pictures", "image", "images",
))  # fmt: skip
# The folder within these is a person's name: /home/joy/out.
_HOMES = frozenset(["home", "users"])
# Clauses that are remembered.
_SHORT, _MOST_CLAUSES = 200, 200_000
_KEY = ("prompt", "negative_prompt", "folder")

Mixture = NDArray[np.float64]


def intent_columns(frame: pl.DataFrame, lexicon: Lexicon) -> pl.DataFrame:
    """What each face was meant to show, and how far it does. docs/intent.md says how.

    - `intent` (String): the expression with the largest share of the intended mixture t; of equal shares the first
      of the catalogue.
    - `intent_words` (String): the lexicon's words that say so, in order, separated by commas.
    - `intent_p` (Float32): `sum_k t_k p_k`, in [0, 1].
    - `intent_rank` (Int32): one more than the number of expressions that are more probable than `intent`.

    All are null where nothing was intended, where `status` is not `ok` and where the expressions are null; a frame
    without expressions has the first two alone. Each prompt, negative prompt and folder is read once, however many
    rows have it.

    Args:
        frame: rows of a score set; of `prompt`, `negative_prompt`, `image`, `status` and the expressions it takes
            what is there.
        lexicon: the words.
    """
    key = _keys(frame)
    unique = key.unique(maintain_order=True).with_row_index("intended")
    at = key.join(unique, on=list(_KEY), how="left", nulls_equal=True, maintain_order="left")[
        "intended"
    ].to_numpy()
    mixtures, words = _intended(unique, lexicon)
    meant = mixtures[at]
    there = meant.sum(axis=1) > 0
    if "status" in frame.columns:
        there &= (frame["status"] == "ok").fill_null(False).to_numpy()
    # Rounded, so that shares that are equal but for their last bits are equal.
    target = mixtures.round(9).argmax(axis=1)[at]
    names = pl.Series(EXPRESSIONS)
    columns: dict[str, pl.Series] = {
        "intent": names.gather(target),
        "intent_words": pl.Series(words, dtype=pl.String).gather(at),
        "intent_p": pl.Series(np.full(frame.height, np.nan), dtype=pl.Float32),
        "intent_rank": pl.Series(np.ones(frame.height), dtype=pl.Int32),
    }
    measured = np.zeros(frame.height, dtype=bool)
    if set(EXPRESSIONS) <= set(frame.columns):
        p = frame.select(pl.col(EXPRESSIONS).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
        measured = np.isfinite(p).all(axis=1)
        there &= measured
        own = np.take_along_axis(p, target[:, None], axis=1)
        columns["intent_p"] = pl.Series((meant * p).sum(axis=1).clip(0, 1), dtype=pl.Float32)
        columns["intent_rank"] = pl.Series((p > own).sum(axis=1) + 1, dtype=pl.Int32)
    seen = {"intent": there, "intent_words": there}
    return pl.DataFrame(columns).with_columns(
        pl.when(pl.Series(seen.get(name, there & measured))).then(pl.col(name)).alias(name)
        for name in columns
    )


def _keys(frame: pl.DataFrame) -> pl.DataFrame:
    """The texts that say what was intended: `prompt`, `negative_prompt`, `folder`; null where there is none."""
    nothing = pl.lit(None, dtype=pl.String)
    texts = [
        (pl.col(name) if name in frame.columns else nothing).cast(pl.String).alias(name) for name in _KEY[:2]
    ]
    folder = pl.col("image").str.extract(r"(?s)^(.*)[/\\]") if "image" in frame.columns else nothing
    return frame.with_columns(*texts, folder.alias("folder")).select(_KEY)


def _intended(unique: pl.DataFrame, lexicon: Lexicon) -> tuple[Mixture, list[str | None]]:
    """Of each combination the mixture, (n, 8), zeros where nothing was intended; and the words."""
    read = _Reader(lexicon)
    negatives = {text: read(text) for text in unique["negative_prompt"].unique()}
    named = {folder: _of_folder(folder, lexicon) for folder in unique["folder"].unique()}
    # Prompts are many, and what they say of a face is little.
    known: dict[tuple[object, ...], tuple[Mixture, str | None]] = {}
    mixtures = np.zeros((unique.height, len(EXPRESSIONS)))
    words: list[str | None] = []
    for i, (prompt, negative, folder) in enumerate(unique.select(_KEY).iter_rows()):
        told, against = read(prompt), negatives[negative]
        asked = [mention for mention in told if not mention.refused] or named[folder]
        refused = [mention for mention in told if mention.refused]
        refused += [mention for mention in against if not mention.refused]
        key = (*((m.word.name, m.weight) for m in asked), None, *((m.word.name, m.weight) for m in refused))
        if key not in known:
            names = ", ".join(dict.fromkeys(mention.word.name for mention in asked))
            known[key] = (intended_mixture(asked, refused), names or None)
        mixtures[i], said = known[key]
        words.append(said)
    return mixtures, words


class _Reader:
    """What prompts mention, read clause by clause: of those that come again the answer is known.

    No phrase and no refusal reaches beyond a comma.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._known: dict[str, list[Mention]] = {}

    def __call__(self, text: str | None) -> list[Mention]:
        """The mentions of a prompt, in order."""
        found: list[Mention] = []
        for clause in clauses(text or ""):
            told = self._known.get(clause)
            if told is None:
                told = mentions(parse_prompt(clause), self._lexicon)
                if len(clause) <= _SHORT and len(self._known) < _MOST_CLAUSES:
                    self._known[clause] = told
            found += told
        return found


def intended_mixture(asked: Sequence[Mention], refused: Sequence[Mention]) -> Mixture:
    """Shares of the eight expressions that words intend, (8,) Float64, summing to 1; zeros where none is asked for.

    Each word asked for counts with `w w / (w + o)`: `w` is its weight, `o = sum_k m_k b_k` how far its mixture `m`
    is that of the words refused, `b`, the sum of their mixtures times their weights. So what is refused loses to
    the rest, by half where it is refused as much as it is asked for; a refusal alone intends nothing; and of one
    word asked for nothing can be taken: a slight smile, not laughing, is a slight smile.
    """
    against = _sum(refused)
    told = np.zeros(len(EXPRESSIONS))
    for mention in asked:
        own = _vector(mention.word)
        told += own * (mention.weight**2 / (mention.weight + own @ against))
    total = told.sum()
    return told / total if total > 0 else told


def _sum(said: Sequence[Mention]) -> Mixture:
    return sum((_vector(mention.word) * mention.weight for mention in said), np.zeros(len(EXPRESSIONS)))


def _vector(word: Word) -> Mixture:
    return np.array([word.mixture.get(name, 0.0) for name in EXPRESSIONS])


def _of_folder(folder: str | None, lexicon: Lexicon) -> list[Mention]:
    """The word that the innermost of the last folders is, if one is."""
    parts = (folder or "").replace("\\", "/").split("/")
    for i in range(len(parts) - 2, -1, -1):
        if parts[i].lower() in _HOMES:
            parts = parts[i + 2 :]
            break
    for name in reversed(parts[-_FOLDERS:]):
        word: Word | None = lexicon.phrases.get(tuple(t for t in tokens(name) if t not in _BESIDE))
        word = lexicon.find(name) or word
        if word is not None:
            return [Mention(word, 1.0)]
    return []
