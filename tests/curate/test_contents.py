"""The index of contents says what dictionaries of all of it would say."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.contents import ContentIndex, Names, bytes_of, words_of


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# Few names and contents, so that they meet; three of the contents begin with the same eight bytes.
SHAS = [*(sha256(str(n)) for n in range(4)), *("ab" * 8 + sha256(str(n))[16:] for n in range(3))]
NAMES = ["a", "b", "c/d", "e"]
PICTURES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(SHAS)), max_size=8)


def hashes(names: list[str]) -> np.ndarray:
    return pl.Series(names, dtype=pl.String).hash().to_numpy()


@given(held=st.lists(PICTURES, max_size=5), asked=PICTURES)
def test_a_picture_is_its_names_shard_and_else_the_contents_first(
    held: list[list[tuple[str, str]]], asked: list[tuple[str, str]]
) -> None:
    rows = [(name, sha, number) for number, shard in enumerate(held) for name, sha in shard]
    by_name = {(name, sha): number for name, sha, number in rows}
    by_content: dict[str, int] = {}
    for _, sha, number in rows:
        by_content.setdefault(sha, number)
    expected = [by_name.get(key, by_content.get(key[1], -1)) for key in asked]

    index = ContentIndex(
        words_of([sha for _, sha, _ in rows]),
        hashes([name for name, _, _ in rows]),
        np.array([number for *_, number in rows], np.int32),
    )
    found = index.find(words_of([sha for _, sha in asked]), hashes([name for name, _ in asked]))
    assert found.tolist() == expected


@given(names=st.lists(st.text(max_size=4)), other=st.text(max_size=4))
def test_names_are_a_set(names: list[str], other: str) -> None:
    held = Names(pl.Series(names, dtype=pl.String))
    assert len(held) == len(names)
    assert all(name in held for name in names)
    assert (other in held) == (other in names)


def test_contents_come_back_as_they_went_in() -> None:
    assert [content.hex() for content in bytes_of(words_of(SHAS))] == SHAS


def test_what_is_no_sha256_is_refused() -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        words_of(["x" * 64])
