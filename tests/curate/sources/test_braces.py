"""Braces in the names of archives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import InputError
from curate.sources.braces import MOST, expand, has_braces


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("s-{000..002}.tar", ["s-000.tar", "s-001.tar", "s-002.tar"]),
        ("s-{8..10}.tar", ["s-8.tar", "s-9.tar", "s-10.tar"]),
        ("s-{08..10}.tar", ["s-08.tar", "s-09.tar", "s-10.tar"]),
        ("s-{2..0}.tar", ["s-2.tar", "s-1.tar", "s-0.tar"]),
        ("{a,b}/{0..1}.tar", ["a/0.tar", "a/1.tar", "b/0.tar", "b/1.tar"]),
        ("{x}.tar", ["{x}.tar"]),
        ("plain.tar", ["plain.tar"]),
    ],
)
def test_braces_stand_for_names_in_order(text: str, names: list[str]) -> None:
    assert expand(text) == names
    assert has_braces(text) == (names != [text])


@pytest.mark.parametrize("text", ["{0..999999999999}.tar", "{0..999}{0..999}.tar"])
def test_more_names_than_anyone_means_are_refused_before_they_are_made(text: str) -> None:
    with pytest.raises(InputError, match=f"more than {MOST:,}"):
        expand(text)


@given(st.integers(0, 5000), st.integers(0, 200), st.integers(1, 6))
def test_a_range_has_all_its_numbers_in_as_many_digits_as_are_given(
    first: int, more: int, width: int
) -> None:
    last = first + more
    names = expand(f"{{{first:0{width}}..{last:0{width}}}}")
    assert [int(name) for name in names] == [*range(first, last + 1)]
    if len(f"{last:0{width}}") == width and f"{first:0{width}}".startswith("0"):
        assert {len(name) for name in names} == {width}
