from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, model_validator

from curate.errors import RecipeError
from curate.recipes.checked_yaml import parse_checked, read_checked


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    bits: int = 6


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    share: float = 0.0

    @model_validator(mode="after")
    def _whole(self) -> Outer:
        if self.inner is not None and self.inner.bits > 64:
            raise ValueError("inner.bits: more than there are")
        if self.name == "many" and not self.many:
            raise ValueError("this goes with `others`")
        if self.name == "taken":
            raise ValueError("there is a `taken` already")
        return self


def refused(text: str) -> RecipeError:
    with pytest.raises(RecipeError) as error:
        parse_checked(text, Outer, "my.yaml")
    return error.value


def test_what_fits_becomes_the_model() -> None:
    assert parse_checked("name: a\ninner: {bits: 3}\n", Outer, "x").inner == Inner(bits=3)


def test_an_unknown_field_is_answered_with_its_line_and_the_right_name() -> None:
    error = refused("name: a\ninner:\n  bitts: 3\n")
    assert error.where == "my.yaml, line 3"
    assert error.message == "there is no field `inner.bitts`; did you mean `bits`?"
    assert error.hint == "fields here: bits"


def test_an_unknown_field_in_a_list_is_found_there() -> None:
    error = refused("name: a\nmany:\n  - bits: 1\n  - bit: 2\n")
    assert (error.where, "many.1.bit" in error.message) == ("my.yaml, line 4", True)


def test_a_wrong_value_is_named_with_its_line() -> None:
    error = refused("name: a\n\ninner: {bits: six}\n")
    assert error.where == "my.yaml, line 3"
    assert error.message.startswith("inner.bits: ")


def test_a_missing_field_is_named() -> None:
    assert refused("inner: {bits: 1}").message == "`name` is missing"


def test_a_field_that_is_said_twice_is_refused() -> None:
    error = refused("name: a\nname: b\n")
    assert (error.where, error.message) == ("my.yaml, line 2", "`name` is said twice")


@pytest.mark.parametrize(
    ("text", "line"),
    [("name: [a\n", 2), ("a: &x [1]\nb: *x\n", 2), ("name: !!python/object/apply:os.getcwd []", 1)],
    ids=["unclosed", "alias", "code"],
)
def test_what_is_no_plain_yaml_is_refused_where_it_stands(text: str, line: int) -> None:
    assert refused(text).where == f"my.yaml, line {line}"


def test_text_that_nests_without_end_is_refused() -> None:
    assert refused("[" * 5000).message == "nested too deeply"


@pytest.mark.parametrize("text", ["? [a, b]\n: c", "{a: b}: x"])
def test_a_name_that_is_no_word_is_refused(text: str) -> None:
    assert refused(text).message == "a field's name is a word"


@pytest.mark.parametrize("text", ["", "- a", "just words", "\x00"])
def test_what_is_no_table_is_refused(text: str) -> None:
    refused(text)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    (tmp_path / "big.yaml").write_bytes(b"#" * 1_000_001)
    for name in ("latin.yaml", "big.yaml", "none.yaml", "."):
        with pytest.raises(RecipeError) as error:
            read_checked(tmp_path / name, Outer)
        assert str(tmp_path) in error.value.where


def test_what_is_wrong_with_a_table_as_a_whole_is_said_with_the_line_of_what_it_names() -> None:
    error = refused("name: a\n\ninner:\n  bits: 99\n")
    assert (error.where, error.message) == ("my.yaml, line 4", "inner.bits: more than there are")
    assert refused("inner: {bits: 1}\nname: taken\n").where == "my.yaml, line 2"
    # What it names is not there: all of it is meant.
    assert refused("inner: {bits: 1}\nname: many\n").where == "my.yaml, line 1"


@pytest.mark.parametrize(("written", "read"), [("010", "8"), ("-017", "-15"), ("1:30", "90"), ("0_10", "8")])
def test_a_number_that_is_not_what_it_looks_like_is_refused(written: str, read: str) -> None:
    error = refused(f"name: a\ninner: {{bits: {written}}}\n")
    assert error.where == "my.yaml, line 2"
    assert error.message.startswith(f"YAML would read {written} as {read};")
    assert "as 90.5;" in refused("name: a\nshare: 1:30.5\n").message


@pytest.mark.parametrize(("written", "read"), [("0", 0), ("-7", -7), ("10", 10), ("0x10", 16), ("1_0", 10)])
def test_numbers_that_are_what_they_look_like_are_read(written: str, read: int) -> None:
    inner = parse_checked(f"name: a\ninner: {{bits: {written}}}\nshare: 1.5\n", Outer, "x").inner
    assert inner == Inner(bits=read)
