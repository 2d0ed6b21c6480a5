"""File names that every system takes, none twice."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.exports.names import safe_name, same_name, split_ending, unique_paths

# What is likely to go wrong is drawn often: case, forms of one letter, dots, devices, odd bytes, long names.
PIECES = st.sampled_from(
    ["a", "A", "é", "e\N{COMBINING ACUTE ACCENT}", "ß", "ss", "ﬁ", "fi", ".", "..", " ", "/", "\\", "con", "CON", "nul",
     "lpt1", ".png", ".PNG", "~", "~1", "\0", "\n", "\udc80", "\N{RIGHT-TO-LEFT OVERRIDE}", "x" * 120, "漢" * 90, "?"]
)  # fmt: skip
NAMES = st.one_of(st.lists(PIECES, max_size=5).map("".join), st.text(max_size=20))


@given(NAMES)
@settings(max_examples=400, deadline=None)
def test_a_safe_name_is_a_name_everywhere(text: str) -> None:
    name = safe_name(text)
    assert name
    assert name not in (".", "..")
    assert not name.startswith(".")
    assert not name.endswith((".", " "))
    assert not set(name) & set('<>:"/\\|?*')
    assert name.isprintable()
    assert len(name.encode()) <= 205
    assert unicodedata.is_normalized("NFC", name)
    assert name.split(".")[0].strip().lower() not in {"con", "prn", "aux", "nul", "com1", "lpt1"}
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "name", ["1.png", "ComfyUI_00001_.png", "été 2.jpg", "seed=7, cfg 5.png", "漢字.webp", "a~b"]
)
def test_a_name_without_trouble_stays(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CON.png", "_CON.png"),
        ("nul", "_nul"),
        ("COM¹.txt.png", "_COM¹.txt.png"),
        ("console.png", "console.png"),
        (".hidden.png", "_hidden.png"),
        ("a/../b", "a_.._b"),
        ("trailing. . ", "trailing"),
        ("", "picture"),
        ("..", "picture"),
        ("a\x1b[2Jb.png", "a_[2Jb.png"),
    ],
)
def test_what_would_be_trouble(text: str, name: str) -> None:
    assert safe_name(text) == name


@given(
    st.lists(
        st.tuples(NAMES, st.sampled_from(["", "A", "a", "b"]), st.none() | st.sampled_from("12")), max_size=12
    )
)
@settings(max_examples=300, deadline=None)
def test_no_two_paths_are_one_on_any_file_system(drawn: list[tuple[str, str, str | None]]) -> None:
    paths = [f"{folder}/{safe_name(name)}" if folder else safe_name(name) for name, folder, _ in drawn]
    marks = [mark * 64 if mark else None for *_, mark in drawn]
    for by_stem in (False, True):
        found = unique_paths(paths, marks, taken=("curate-export.json",), by_stem=by_stem)
        shown = [split_ending(path)[0] if by_stem else path for path in found]
        shown = [path.rpartition("/")[2] if by_stem and "/" not in path else path for path in shown]
        assert len({same_name(path) for path in shown}) == len(drawn)
        assert "curate-export.json" not in map(same_name, found)
        assert found == unique_paths(paths, marks, taken=("curate-export.json",), by_stem=by_stem)
        # Who has a name of his own keeps it.
        folded = [same_name(path) for path in paths]
        for path, chosen, at in zip(paths, found, folded, strict=True):
            if not by_stem and folded.count(at) == 1 and at != "curate-export.json":
                assert chosen == path


def test_a_name_that_is_there_twice_gets_the_beginning_of_its_content() -> None:
    paths = ["1.png", "1.png", "1.PNG", "1~bbbbbbbb.png", "1.png"]
    marks = ["a" * 64, "b" * 64, "c" * 64, "d" * 64, "b" * 64]
    assert unique_paths(paths, marks) == [
        "1.png", "1~bbbbbbbb~2.png", "1~cccccccc.PNG", "1~bbbbbbbb.png", "1~bbbbbbbb~3.png",
    ]  # fmt: skip
