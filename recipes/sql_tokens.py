"""The text of a query as tokens, each with its place; what a query may not hold is refused here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from curate.errors import QueryError

LONGEST = 10_000
KEYWORDS = frozenset({
    "and", "or", "not", "in", "between", "like", "ilike", "is", "null", "case", "when", "then", "else", "end", "true",
    "false",
})  # fmt: skip

Kind = Literal["number", "string", "name", "quoted", "keyword", "sign", "end"]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<string>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<name>[^\W\d]\w*)
    | (?P<comment>--|/\*)
    | (?P<sign><=|>=|<>|!=|==|[=<>+\-*/%(),](?!=))
    )""",
    re.VERBOSE,
)
# What other languages write, and what is meant.
_INSTEAD = {
    "&": "and", "|": "or", "!": "not", "~": "not", "^": "power(x, y)", "≥": ">=", "≤": "<=", "≠": "!=",
}  # fmt: skip
_ODD_QUOTES = "`´‘’“”„«»"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a query.

    Attributes:
        kind: what it is; "end" is the end of the text.
        text: a keyword in lower case, the name or the string without its quotes, otherwise as written.
        start, end: the characters of the query that it takes.
    """

    kind: Kind
    text: str
    start: int
    end: int


def tokenise(query: str) -> list[Token]:
    """The tokens of a query, the last of kind "end".

    Raises:
        QueryError: it is empty or too long, a quote is not closed, or there is a sign that queries do not have.
    """
    if len(query) > LONGEST:
        raise QueryError(f"a query has no more than {LONGEST:,} characters; this one has {len(query):,}")
    tokens = []
    at, last = 0, len(query.rstrip())
    while at < last:
        match = _TOKEN.match(query, at, last)
        if match is None or match["comment"]:
            raise _refused(query, at + len(query[at:last]) - len(query[at:last].lstrip()))
        group = str(match.lastgroup)
        start, at = match.span(group)
        tokens.append(_token(query, group, start, at))
    if not tokens:
        raise QueryError("the query is empty", hint="write a condition: temperature > 60", query=query)
    return [*tokens, Token("end", "", last, last)]


def quoted(text: str, quote: str) -> str:
    """Text between quotes, with the quotes that are in it doubled, as SQL has it."""
    return quote + text.replace(quote, quote * 2) + quote


def _token(query: str, group: str, start: int, end: int) -> Token:
    text = query[start:end]
    if group == "number":
        if end < len(query) and (query[end].isalnum() or query[end] in "._"):
            raise QueryError(
                f"`{query[start : end + 1]}` is no number",
                hint="numbers are written without units or separators: 20, .6, 1e3",
                query=query,
                position=start,
                length=end + 1 - start,
            )
        return Token("number", text, start, end)
    if group == "string":
        return Token("string", text[1:-1].replace("''", "'"), start, end)
    if group == "quoted":
        return Token("quoted", text[1:-1].replace('""', '"'), start, end)
    if group == "name" and text.lower() in KEYWORDS:
        return Token("keyword", text.lower(), start, end)
    return Token("name" if group == "name" else "sign", text, start, end)


def _refused(query: str, at: int) -> QueryError:
    sign = query[at]
    length = 1
    hint = ""
    message = f"a query has no `{sign}`"
    if sign in "'\"":
        message, length = f"this quote is not closed: {sign}", len(query) - at
        hint = "end the word with the same quote; a quote within it is written twice: 'it''s'"
    elif query[at : at + 2] in ("--", "/*"):
        message, length = "a query has no comments", 2
        hint = "for minus minus write - -" if sign == "-" else ""
    elif sign in _INSTEAD:
        hint = f"write {_INSTEAD[sign]}"
    elif sign in _ODD_QUOTES:
        hint = "put words in straight single quotes: 'happiness'"
    return QueryError(message, hint=hint, query=query, position=at, length=length)
