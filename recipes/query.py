"""Queries: text that people write, checked, as Polars expressions.

    fear > .6 and temperature > 60 and abs(yaw) < 20 and pct(au12) > 90

A query is one SQL expression on the columns of a score set. Our own parser reads it first, so that an error
has a place and a suggestion and nothing but columns can be read; Polars' parser then makes the expression.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import polars as pl

from curate.errors import QueryError
from curate.recipes.sql_node import Call, Node, Parsed
from curate.recipes.sql_parser import parse_tokens
from curate.recipes.sql_tokens import Token, tokenise
from curate.scorers.columns import suggest

if TYPE_CHECKING:
    from curate.recipes.lexicon import Lexicon

FrameT = TypeVar("FrameT", pl.DataFrame, pl.LazyFrame)


@dataclass(frozen=True, slots=True)
class Clause:
    """One of the conditions that a query joins with `and`: its text, and what it is as an expression."""

    text: str
    expr: pl.Expr


@dataclass(frozen=True, slots=True)
class Query:
    """A checked query. Make one with `parse`.

    Attributes:
        text: as written.
        kind: "condition" (Boolean; null where an answer is missing), "number" or "word".
        reads: the columns of the set that it needs.
        names: the columns and the calls of `before` that its text names, in that order.
        before: columns that have to be made first, over all rows of the set, in this order (a later one may read
            an earlier one): percentiles, standard scores, affect. `prepare` does it.
        expr: the query itself, on the set's columns and those of `before`.
        clauses: the conditions that it joins with `and`; itself alone where it joins none.
    """

    text: str
    kind: Literal["condition", "number", "word"]
    reads: frozenset[str]
    names: tuple[str, ...]
    before: dict[str, pl.Expr]
    expr: pl.Expr
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """By what rows are sorted, and whether the largest come first."""

    by: Query
    descending: bool


def parse(text: str, schema: Mapping[str, pl.DataType], lexicon: Lexicon | None = None) -> Query:
    """Check a query against the columns of a set.

    Args:
        text: the query.
        schema: the set's columns with their types.
        lexicon: the words of `affect('word')`; those that come with curate, where it is None.

    Raises:
        QueryError: it makes no sense; says where and what was probably meant.
    """
    return _query(text, tokenise(text), schema, lexicon)


def parse_condition(text: str, schema: Mapping[str, pl.DataType], lexicon: Lexicon | None = None) -> Query:
    """As `parse`; QueryError also where the query is no condition."""
    query = parse(text, schema, lexicon)
    if query.kind != "condition":
        written = text.strip()
        hint = f"compare it: {written} > 0" if query.kind == "number" else f"compare it: {written} = '...'"
        begin = len(text) - len(text.lstrip())
        message = f"this is a {query.kind}, not a condition"
        raise QueryError(message, hint=hint, query=text, position=begin, length=len(written))
    return query


def parse_order(text: str, schema: Mapping[str, pl.DataType], lexicon: Lexicon | None = None) -> Order:
    """`COLUMN [asc|desc]`, or an expression in the column's place; QueryError as for `parse`."""
    tokens = tokenise(text)
    descending = False
    if len(tokens) > 2 and tokens[-2].kind == "name" and tokens[-2].text.lower() in ("asc", "desc"):
        descending = tokens[-2].text.lower() == "desc"
        cut = tokens[-3].end
        tokens = [*tokens[:-2], Token("end", "", cut, cut)]
    return Order(_query(text, tokens, schema, lexicon), descending)


def parse_list(
    text: str, schema: Mapping[str, pl.DataType], lexicon: Lexicon | None = None
) -> dict[str, Query]:
    """Columns or expressions, separated by commas, each by its text; QueryError as for `parse`."""
    tokens = tokenise(text)
    queries: dict[str, Query] = {}
    begin = depth = 0
    for index, token in enumerate(tokens):
        if token.kind == "sign":
            depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.kind == "end" or (token.kind == "sign" and token.text == "," and depth == 0):
            end = token.start
            part = [*tokens[begin:index], Token("end", "", end, end)]
            name = text[part[0].start : part[-2].end] if index > begin else ""
            queries[name] = _query(text, part, schema, lexicon)
            begin = index + 1
    return queries


def prepare(queries: Sequence[Query], frame: FrameT) -> FrameT:
    """Add the columns that queries need made first.

    `frame` must hold all rows of the set: percentiles and standard scores are taken over those with status `ok`
    (over all, where it has no such column).
    """
    waiting = {name: expr for query in queries for name, expr in query.before.items()}
    while waiting:
        # Together what does not wait for each other: Polars then works on them side by side.
        ready = {
            name: expr for name, expr in waiting.items() if not waiting.keys() & set(expr.meta.root_names())
        }
        frame = frame.with_columns(**ready)
        waiting = {name: expr for name, expr in waiting.items() if name not in ready}
    return frame


def evaluate(queries: Sequence[Query], frame: FrameT) -> FrameT:
    """All rows of a set, as columns `0`, `1` ...: what each query gives."""
    results = {str(index): query.expr for index, query in enumerate(queries)}
    # By way of with_columns: what reads no column has a value for every row all the same.
    return prepare(queries, frame).with_columns(**results).select(*results)


def _query(
    text: str, tokens: list[Token], schema: Mapping[str, pl.DataType], lexicon: Lexicon | None
) -> Query:
    parsed = parse_tokens(text, tokens, schema)
    root = parsed.root
    if root.kind == "other" or root.kind == "null":
        message = "this is nothing" if root.kind == "null" else "this column holds neither numbers nor words"
        raise _at(text, root, message)
    before = {name: _made(text, call, schema, lexicon) for name, call in parsed.calls.items()}
    expr = _expression(text, root)
    _check_names(text, expr, parsed, before)
    reads = set(parsed.columns)
    for made in before.values():
        reads |= set(made.meta.root_names()) - before.keys()
    clauses = [Clause(text[part.start : part.end], _expression(text, part)) for part in root.parts or (root,)]
    names = (*parsed.columns, *before)
    query = Query(text, root.kind, frozenset(reads), names, before, expr, tuple(clauses))
    _try(query, schema)
    return query


def _try(query: Query, schema: Mapping[str, pl.DataType]) -> None:
    """That Polars can compute it: on no rows at all."""
    nothing = pl.DataFrame(schema={name: schema[name] for name in query.reads})
    try:
        evaluate([query], nothing)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise QueryError(f"Polars cannot compute this: {error}", query=query.text) from error


def _expression(text: str, node: Node) -> pl.Expr:
    try:
        return pl.sql_expr(node.sql)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        message = f"Polars cannot read this: {error}"
        raise _at(text, node, message) from error


def _check_names(text: str, expr: pl.Expr, parsed: Parsed, before: Mapping[str, pl.Expr]) -> None:
    """That Polars reads the same columns as we do: a second lock on the door."""
    extra = set(expr.meta.root_names()) - parsed.columns.keys() - before.keys()
    if extra:
        raise QueryError(f"this query cannot be read: it would need {', '.join(sorted(extra))}", query=text)


def _made(text: str, call: Call, schema: Mapping[str, pl.DataType], lexicon: Lexicon | None) -> pl.Expr:
    if call.function == "affect":
        return _affect(text, call, schema, lexicon)
    values = _expression(text, call.argument).cast(pl.Float64).fill_nan(None)
    if "status" in schema:
        values = pl.when(pl.col("status") == "ok").then(values)
    if call.function == "pct":
        return 100 * (values.rank("average") - 0.5) / values.count()
    spread = pl.when(values.min() == values.max()).then(1.0).otherwise(values.std(ddof=0))
    return pl.when(values.min() == values.max()).then(values * 0).otherwise((values - values.mean()) / spread)


def _affect(text: str, call: Call, schema: Mapping[str, pl.DataType], lexicon: Lexicon | None) -> pl.Expr:
    from curate.recipes.lexicon import load_lexicon, word_score

    lexicon = lexicon if lexicon is not None else load_lexicon()
    word = lexicon.find(call.text)
    if word is None:
        message = f"the lexicon has no word '{call.text}'{suggest(call.text.lower(), lexicon.names())}"
        hint = "your own words: --words my_words.yaml"
        raise _at(text, call, message, hint)
    try:
        return word_score(word, schema.keys())
    except QueryError as error:
        raise _at(text, call, error.message, error.hint) from error


def _at(text: str, place: Node | Call, message: str, hint: str = "") -> QueryError:
    return QueryError(message, hint=hint, query=text, position=place.start, length=place.end - place.start)
