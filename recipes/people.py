"""Who was asked for: the words about people in prompts (`recipes/tables/people.yaml`).

No face is classified: these are words that users wrote, so that a set's own words can tell whether choosing by
expression also chose by gender, age or origin (arXiv 2602.00032 reports that generators tie the two together).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict

from curate.recipes.checked_yaml import read_checked

_FILE = Path(__file__).resolve().parent / "tables" / "people.yaml"
NO_WORD = "no word"
# "35 year old", "35-year-old", "35yo", "35 y.o.", "age 35", "aged 35".
_AGE = r"\b(\d{1,3})[ _-]?(?:years?|yrs?|y)[ ._-]*(?:old|o)\b|\bage[d:]?[ _:]+(\d{1,3})\b"


class People(BaseModel):
    """The table of words.

    Attributes:
        version: of the table.
        groups: group -> level -> words; words may be phrases.
        ages: level of the group `age` -> its first year.
        not_people: phrases in which such words are not about people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    groups: dict[str, dict[str, tuple[str, ...]]]
    ages: dict[str, int]
    not_people: tuple[str, ...] = ()


@cache
def load_people() -> People:
    """The table that comes with us."""
    people, _ = read_checked(_FILE, People)
    return people


def people_words(prompts: pl.Series) -> pl.DataFrame:
    """What each prompt says about people, a String column a group.

    Args:
        prompts: String (n,), nulls allowed; give distinct ones, this reads every one.

    Returns:
        n rows, a column for each group (`gender`, `age`, `ethnicity`): the levels whose words occur, joined by
        " + " in the table's order; "no word" where none does; null where the prompt is.
    """
    people = load_people()
    # LoRA tags hold file names, not words.
    lower = prompts.str.to_lowercase().str.replace_all(r"<[^>]*>", " ")
    frame = lower.to_frame("text").with_columns(_years().alias("years"))
    words = pl.col("text").str.replace_all(_AGE, " ").str.replace_all(r"[^\p{L}]+", " ")
    # A space on either side makes a whole word; double ones, so that neighbours do not share theirs.
    spaced = pl.concat_str(pl.lit(" "), words, pl.lit(" ")).str.replace_all(" ", "  ", literal=True)
    frame = frame.with_columns(spaced.str.replace_many(_patterns(people.not_people), [" "]).alias("text"))
    return frame.select(_group(people, group).alias(group) for group in people.groups)


def _years() -> pl.Expr:
    """The first age that is written as a number, Int32 or null."""
    either = pl.coalesce(pl.col("text").str.extract(_AGE, 1), pl.col("text").str.extract(_AGE, 2))
    return either.cast(pl.Int32, strict=False)


def _group(people: People, group: str) -> pl.Expr:
    """The levels of a group that the text names."""
    firsts = sorted(people.ages.values())
    said = []
    for level, words in people.groups[group].items():
        there = pl.col("text").str.contains_any(_patterns(words))
        if group == "age" and level in people.ages:
            first = people.ages[level]
            after = next((f for f in firsts if f > first), 1000)
            there |= pl.col("years").is_between(first, after - 1).fill_null(False)
        said.append(pl.when(there).then(pl.lit(level)))
    joined = pl.concat_str(said, separator=" + ", ignore_nulls=True)
    named = pl.when(joined == "").then(pl.lit(NO_WORD)).otherwise(joined)
    return pl.when(pl.col("text").is_null()).then(None).otherwise(named)


def _patterns(words: tuple[str, ...]) -> list[str]:
    """Words and phrases as they stand in a text where every word has a space of its own on either side."""
    return [f" {'  '.join(word.split())} " for word in words]
