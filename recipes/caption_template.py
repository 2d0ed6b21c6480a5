"""Templates of captions: the user's text with fields in braces, "photo of {trigger}, {aus}".

Only plain names and simple number formats are fields; nothing of Python's formatting reaches an object. Between
commas stands a part: a part whose fields are all empty goes, with its comma.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from curate.errors import ExportError
from curate.scorers.columns import suggest

_FORMAT = re.compile(r"(?:\.\d)?[f%]|d")
_LONGEST = 2_000
_HINT = '"{prompt}, {aus}, {expression} expression"'


@dataclass(frozen=True, slots=True)
class Gap:
    """A field of a template: its name, and a number format or ""."""

    name: str
    number: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A template, read. Make one with `parse_template`.

    Attributes:
        text: as the user wrote it.
        parts: what stands between its commas: texts and gaps, in order.
    """

    text: str
    parts: tuple[tuple[str | Gap, ...], ...]

    @property
    def names(self) -> frozenset[str]:
        """The fields that it has."""
        return frozenset(piece.name for part in self.parts for piece in part if isinstance(piece, Gap))

    def fill(self, values: Mapping[str, Any], words: Mapping[str, str]) -> str:
        """The caption, on one line; what stands between two commas is said once.

        Args:
            values: by column; null and NaN are empty.
            words: what takes the place of a column, where a field has no number format.
        """
        said = []
        for part in self.parts:
            filled = [piece if isinstance(piece, str) else _value(piece, values, words) for piece in part]
            gaps = [text for text, piece in zip(filled, part, strict=True) if isinstance(piece, Gap)]
            if gaps and not any(gaps):
                continue
            said.append(_line("".join(filled)))
        return ", ".join(_distinct(part for part in said if part))


def parse_template(text: str, known: Collection[str], *, numbers: Collection[str] = ()) -> Template:
    """Read a template.

    Args:
        text: text with fields: `{name}`, or `{name:.0f}` (also d and %) for a number; `{{` and `}}` are braces.
        known: names that a field may have.
        numbers: those of them that are numbers.

    Raises:
        ExportError: unbalanced braces, an unknown name, or more than a plain name and a number format.
    """
    if len(text) > _LONGEST:
        raise _wrong(f"longer than {_LONGEST:,} characters")
    parts: list[list[str | Gap]] = [[]]
    try:
        pieces = [*Formatter().parse(text)]
    except ValueError as error:
        raise _wrong(f"the braces do not match: {str(error).lower()}") from None
    for literal, name, spec, conversion in pieces:
        first, *more = literal.split(",")
        parts[-1].append(first)
        parts += [[piece] for piece in more]
        if name is None:
            continue
        if conversion or "{" in (spec or "") or not re.fullmatch(r"\w+", name, re.ASCII):
            raise _wrong(f"`{name}` is no plain name of a field")
        if name not in known:
            raise _wrong(f"there is no field `{name}`{suggest(name, known)}")
        if spec and not _FORMAT.fullmatch(spec):
            raise _wrong(f"`{spec}` is no number format; there are .0f to .9f, d, %")
        if spec and name not in numbers:
            raise _wrong(f"`{name}` is no number: it takes no format")
        parts[-1].append(Gap(name, spec or ""))
    return Template(text, tuple(tuple(part) for part in parts))


def _wrong(message: str) -> ExportError:
    return ExportError(message, where="--template", hint=f"--template {_HINT}")


def _value(gap: Gap, values: Mapping[str, Any], words: Mapping[str, str]) -> str:
    if not gap.number and gap.name in words:
        return _line(words[gap.name])
    value = values.get(gap.name)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if gap.number == "d":
        return str(round(value))
    if gap.number:
        return format(float(value), gap.number)
    return f"{value:.4g}" if isinstance(value, float) else _line(str(value))


def _distinct(parts: Iterable[str]) -> Iterator[str]:
    """What is between commas, each once: a prompt and a face may say the same."""
    said = set()
    for phrase in ", ".join(parts).split(", "):
        if phrase.casefold() not in said:
            said.add(phrase.casefold())
            yield phrase


def _line(text: str) -> str:
    """One line: what is no printable character is a space, and spaces and commas at the ends go."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split()).strip(" ,")
