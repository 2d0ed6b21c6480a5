"""A query checked: which columns it reads, what kind of thing each part is, and SQL that can do nothing else.

Grammar, loosest first, as in Polars' SQL (comparisons do not chain):

    condition  and-ed (or and-ed)*                    sum      product ((+ | -) product)*
    and-ed     negated (and negated)*                 product  signed ((* | / | %) signed)*
    negated    not negated | comparison               signed   (+ | -) signed | atom
    comparison sum [= sum | [not] between sum and sum | [not] in (literals) | [not] like 'x' | is [not] null]
    atom       number | 'word' | column | function(...) | case ... end | (condition) | true | false | null
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import polars as pl

from curate.errors import QueryError
from curate.recipes.sql_functions import FUNCTIONS, OURS, UNSIGNED, Function, Kind, meant
from curate.recipes.sql_names import absent, kind_of, no_such_value
from curate.recipes.sql_node import Call, Node, Parsed
from curate.recipes.sql_tokens import Token, quoted

# Polars' own parser gives up at 50; what we write around a part takes some of them.
_DEEPEST = 40
# Parts of the expression that Polars makes (`case` and `between` repeat what they compare), and how many of them
# hang on each other: its optimiser takes cubic time in that.
_LARGEST = 20_000
_TALLEST = 250
# So many conditions are joined as written; more of them in pairs, or Polars' tree would be as tall.
_FEW = 8
_COMPARISONS = ("=", "==", "!=", "<>", "<", "<=", ">", ">=")
_PREDICATES = ("between", "in", "like", "ilike", "is")
_STATEMENTS = frozenset({
    "select", "from", "where", "insert", "update", "delete", "drop", "create", "alter", "union", "with", "exists",
    "cast", "over", "order", "group", "having", "limit", "join", "as", "values", "set", "table", "distinct", "all",
    "any",
})  # fmt: skip


def parse_tokens(query: str, tokens: list[Token], schema: Mapping[str, pl.DataType]) -> Parsed:
    """Check tokens of a query (the last of kind "end"); QueryError where they make no sense."""
    parser = _Parser(query, tokens, schema)
    root = parser.condition()
    parser.finish(root)
    return Parsed(root.defined, parser.columns, parser.calls)


class _Parser:
    def __init__(self, query: str, tokens: list[Token], schema: Mapping[str, pl.DataType]) -> None:
        self.query = query
        self.tokens = tokens
        self.schema = schema
        self.at = 0
        self.depth = 0
        self.columns: dict[str, None] = {}
        self.calls: dict[str, Call] = {}
        self.beside: Node | None = None

    # --- places and errors

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def error(self, message: str, place: Node | Token | Call, hint: str = "") -> QueryError:
        length = max(1, place.end - place.start)
        return QueryError(message, hint=hint, query=self.query, position=place.start, length=length)

    def text(self, place: Node | Token) -> str:
        shown = self.query[place.start : place.end]
        return shown if len(shown) <= 60 else f"{shown[:57]}..."

    def finish(self, root: Node) -> None:
        token = self.token
        if token.kind == "end":
            return
        if token.text == ")":
            raise self.error("this parenthesis was never opened", token)
        if token.text.lower() in _STATEMENTS:
            raise self.error(f"a query has no `{token.text}`: it is one condition on columns", token)
        if token.text == ",":
            raise self.error("a comma has no place here", token, "join conditions with `and` or `or`")
        hint = "join conditions with `and` or `or`"
        if root.kind != "condition" and token.kind in ("number", "string"):
            hint = f"compare with a sign: {self.text(root)} > {self.text(token)}"
        raise self.error(f"did not expect `{self.text(token)}` here", token, hint)

    def taken(self, *texts: str) -> Token | None:
        """The next token, if it is one of these signs or keywords."""
        token = self.token
        if token.kind in ("sign", "keyword") and token.text in texts:
            self.at += 1
            return token
        return None

    def must(self, text: str, why: str, opened: Token | None = None) -> Token:
        token = self.taken(text)
        if token is None:
            if opened is not None and self.token.kind == "end":
                raise self.error("this parenthesis is not closed", opened, "add a `)`")
            found = f"`{self.text(self.token)}`" if self.token.kind != "end" else "the end"
            raise self.error(f"expected `{text}` {why}, found {found}", self.token)
        return token

    def deeper(self, part: Callable[[], Node], place: Token) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.error(f"nested deeper than {_DEEPEST} levels", place, "write it in several steps")
        node = part()
        self.depth -= 1
        return node

    def joined(self, kind: Kind, sql: str, *parts: Node, size: int = 0) -> Node:
        size = size or 1 + sum(part.size for part in parts)
        height = 1 + max(part.height for part in parts)
        if size > _LARGEST or height > _TALLEST:
            raise self.error("the query is too large", parts[0], "write it in several steps")
        return Node(kind, sql, parts[0].start, parts[-1].end, size=size, height=height)

    def be(self, kind: Kind, node: Node, by: str) -> None:
        """Error unless a part is of a kind (or null)."""
        if node.kind in (kind, "null"):
            return
        what = _name(node.kind)
        hint = ""
        if kind == "condition":
            compared = {"number": "> 0", "word": "= '...'"}.get(node.kind, "is not null")
            hint = f"compare it: {self.text(node)} {compared}"
        elif node.kind == "word" and node.literal is not None and _is_number(node.literal):
            hint = f"write it without quotes: {node.literal}"
        raise self.error(f"`{self.text(node)}` is {what}, but {by} {_name(kind)}", node, hint)

    # --- conditions

    def condition(self) -> Node:
        return self.chain(self.anded, "or")

    def anded(self) -> Node:
        return self.chain(self.negated, "and")

    def chain(self, part: Callable[[], Node], word: str) -> Node:
        """Conditions joined by `and`, or by `or`."""
        parts = [part()]
        while self.taken(word):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        for side in parts:
            self.be("condition", side, f"`{word}` joins")
        node = self.paired(parts, word.upper())
        return replace(node, parts=tuple(parts) if word == "and" else ())

    def paired(self, parts: list[Node], word: str) -> Node:
        if len(parts) <= _FEW:
            return self.joined("condition", f" {word} ".join(part.sql for part in parts), *parts)
        middle = len(parts) // 2
        left, right = self.paired(parts[:middle], word), self.paired(parts[middle:], word)
        return self.joined("condition", f"({left.sql}) {word} ({right.sql})", left, right)

    def negated(self) -> Node:
        token = self.taken("not")
        if token is None:
            return self.comparison()
        node = self.deeper(self.negated, token)
        self.be("condition", node, "`not` takes")
        return replace(self.joined("condition", f"NOT {node.sql}", node), start=token.start)

    def comparison(self) -> Node:
        left = self.sum()
        token = self.taken(*_COMPARISONS)
        if token is not None:
            node = self.compared(left, token)
        else:
            negation = self.taken("not")
            token = self.taken(*_PREDICATES)
            if token is None:
                if negation is not None:
                    raise self.error("expected in, between, like or ilike after `not`", self.token)
                return left
            node = self.predicate(left, token, "NOT " if negation else "")
        following = self.token
        if following.kind == "sign" and following.text in _COMPARISONS:
            raise self.chained(left, token, node, following)
        if following.kind == "keyword" and following.text in (*_PREDICATES, "not"):
            hint = f"put what belongs together in parentheses: ({self.text(node)}) {following.text} ..."
            raise self.error(f"`{following.text}` after a comparison", following, hint)
        return node

    def operand(self, left: Node) -> Node:
        """What stands to the right of a comparison."""
        self.beside = left
        token = self.token
        if token.kind == "keyword" and token.text == "not":
            raise self.error("`not` after a comparison", token, "put it in parentheses: (not ...)")
        node = self.sum()
        self.beside = None
        return node

    def compared(self, left: Node, token: Token) -> Node:
        right = self.operand(left)
        self.alike(left, right, token)
        sign = {"==": "=", "!=": "<>"}.get(token.text, token.text)
        left, right = left.defined, right.defined
        return self.joined("condition", f"{left.sql} {sign} {right.sql}", left, right)

    def chained(self, left: Node, first: Token, node: Node, second: Token) -> QueryError:
        middle = self.query[first.end : node.end].strip()
        outer = self.query[left.start : left.end]
        self.at += 1
        end = self.sum()
        hint = f"write {outer} {first.text} {middle} and {middle} {second.text} {self.text(end)}"
        if {first.text, second.text} <= {"<", "<="}:
            hint += f", or {middle} between {outer} and {self.text(end)}"
        return self.error("comparisons do not chain", second, hint)

    def predicate(self, left: Node, token: Token, negation: str) -> Node:
        if token.text == "is":
            return self.is_something(left)
        left = left.defined
        if token.text == "between":
            low = self.operand(left).defined
            self.must("and", "between the two ends of `between`")
            high = self.operand(left).defined
            for bound in (low, high):
                self.alike(left, bound, token)
            sql = f"{left.sql} {negation}BETWEEN {low.sql} AND {high.sql}"
            return self.joined(
                "condition", sql, left, low, high, size=3 + 2 * left.size + low.size + high.size
            )
        if token.text == "in":
            return self.is_in(left, negation)
        self.be("word", left, f"`{token.text}` takes")
        pattern = self.token
        if pattern.kind != "string":
            hint = f"write {self.text(left)} {token.text} '%smile%'"
            raise self.error(f"`{token.text}` takes a pattern in single quotes", pattern, hint)
        self.at += 1
        sql = f"{left.sql} {negation}{token.text.upper()} {quoted(pattern.text, _SINGLE)}"
        return replace(self.joined("condition", sql, left), end=pattern.end)

    def is_something(self, left: Node) -> Node:
        negation = "NOT " if self.taken("not") else ""
        token = self.taken("null", "true", "false")
        if token is None:
            hint = f"to compare, write {self.text(left)} = {self.text(self.token)}" if left.column else ""
            raise self.error("expected null, true or false after `is`", self.token, hint)
        if token.text != "null":
            self.be("condition", left, f"`is {token.text}` takes")
        left = left.defined
        node = self.joined("condition", f"{left.sql} IS {negation}{token.text.upper()}", left)
        return replace(node, end=token.end)

    def is_in(self, left: Node, negation: str) -> Node:
        opened = self.must("(", "after `in`")
        items = []
        self.beside = left
        while True:
            item = self.signed()
            if item.literal is None or not item.constant:
                raise self.error("`in` takes numbers and words in quotes", item)
            self.alike(left, item, opened)
            # A list of decimal numbers is compared with 32-bit columns as it is read; one of floats is not.
            items.append(item.literal if item.kind == "number" else item.sql)
            if not self.taken(","):
                break
        self.beside = None
        closed = self.must(")", "or `,` in the list", opened)
        node = self.joined("condition", f"{left.sql} {negation}IN ({', '.join(items)})", left)
        return replace(node, end=closed.end, size=node.size + len(items))

    def alike(self, left: Node, right: Node, token: Token) -> None:
        """Error unless two parts can be compared."""
        for node in (left, right):
            if node.kind == "null":
                other = right if node is left else left
                hint = f"write {self.text(other)} is null"
                raise self.error("nothing is equal to null, nor larger or smaller", node, hint)
            if node.kind == "other":
                hint = "it can only be asked whether it `is null`"
                raise self.error(f"`{self.text(node)}` holds neither numbers nor words", node, hint)
        if left.kind == right.kind:
            for column, value in ((left, right), (right, left)):
                if column.column and value.kind == "word" and value.literal is not None:
                    wrong = no_such_value(column.column, value.literal, token.text)
                    if wrong:
                        raise self.error(wrong[0], value, wrong[1])
            return
        for word, column in ((left, right), (right, left)):
            if word.kind == "word" and word.column and column.column:
                hint = f"put words in single quotes: '{column.column}'"
                message = f"`{column.column}` is a column of numbers, `{word.column}` holds words"
                raise self.error(message, column, hint)
        hint = ""
        for number, word in ((left, right), (right, left)):
            if number.kind == "number" and word.literal is not None and _is_number(word.literal):
                hint = f"write it without quotes: {word.literal}"
        said = f"`{self.text(left)}` is {_name(left.kind)}, `{self.text(right)}` is {_name(right.kind)}"
        raise self.error(f"{said}: they cannot be compared", right, hint)

    # --- numbers

    def sum(self) -> Node:
        return self.calculated(self.product, "+", "-")

    def product(self) -> Node:
        return self.calculated(self.signed, "*", "/", "%")

    def calculated(self, part: Callable[[], Node], *signs: str) -> Node:
        node = part()
        while (token := self.taken(*signs)) is not None:
            right = part()
            for side in (node, right):
                self.be("number", side, f"`{token.text}` takes")
            first = node.number
            if node.constant and right.constant and node.whole and right.whole:
                first = f"CAST({first} AS BIGINT)"  # Polars would calculate in 32 bits
            whole = node.whole and right.whole and token.text != "/"
            undefined = token.text in "/%" and not whole
            node = replace(
                self.joined("number", f"{first} {token.text} {right.number}", node, right),
                whole=whole,
                constant=node.constant and right.constant,
                undefined=undefined or node.undefined or right.undefined,
            )
        return node

    def signed(self) -> Node:
        token = self.taken("+", "-")
        if token is None:
            return self.atom()
        node = self.deeper(self.signed, token)
        self.be("number", node, f"`{token.text}` takes")
        literal = None
        if node.literal is not None and not node.literal.startswith(("-", "+")):
            literal = f"{token.text}{node.literal}"
        sql = f"{token.text} {node.number}"
        return replace(
            node, sql=sql, wide="", start=token.start, column="", literal=literal, size=node.size + 1
        )

    # --- what everything is made of

    def atom(self) -> Node:
        token = self.token
        self.at += 1
        beside, self.beside = self.beside, None
        if token.kind == "number":
            return self.number(token)
        if token.kind == "string":
            sql = quoted(token.text, _SINGLE)
            return Node("word", sql, token.start, token.end, literal=token.text, constant=True)
        if token.text == "(" and token.kind == "sign":
            return self.parenthesised(token)
        if token.kind == "keyword" and token.text in ("true", "false", "null"):
            kind: Kind = "null" if token.text == "null" else "condition"
            return Node(kind, token.text.upper(), token.start, token.end, constant=True)
        if token.kind == "keyword" and token.text == "case":
            return self.deeper(lambda: self.case(token), token)
        if token.kind in ("name", "quoted"):
            if token.kind == "name" and self.token.kind == "sign" and self.token.text == "(":
                return self.deeper(lambda: self.call(token), token)
            return self.column(token, beside)
        if token.kind == "end":
            raise self.error("the query stops here, something is missing", token)
        hint = ""
        if token.kind == "keyword" and token.text == "not":
            hint = "put it in parentheses: (not ...)"
        raise self.error(
            f"expected a column, a number or a word in quotes, found `{self.text(token)}`", token, hint
        )

    def number(self, token: Token) -> Node:
        value = float(token.text)
        if not math.isfinite(value):
            raise self.error("this number is too large", token)
        whole = token.text.isdigit() and int(token.text) < 2**64
        # With an exponent Polars reads a float, without one a decimal of fixed places.
        mantissa, _, exponent = repr(value).partition("e")
        sql = str(int(token.text)) if whole else f"{mantissa}e{int(exponent or 0)}"
        literal = sql if whole or exponent else repr(value)
        return Node(
            "number", sql, token.start, token.end, literal=literal, constant=True, whole=whole
        )  # fmt: skip

    def parenthesised(self, token: Token) -> Node:
        if self.token.text.lower() in _STATEMENTS and self.token.text not in self.schema:
            raise self.error(f"a query has no `{self.token.text}`", self.token)
        node = self.deeper(self.condition, token)
        if self.token.text == "," and self.token.kind == "sign":
            raise self.error("a comma has no place here", self.token)
        closed = self.must(")", "here", token)
        wide = f"({node.wide})" if node.wide else ""
        node = replace(node, start=token.start, end=closed.end)
        # No part of a chain: what is in parentheses is one clause.
        return replace(node, sql=f"({node.sql})", wide=wide, literal=None, parts=())

    def column(self, token: Token, beside: Node | None) -> Node:
        name = token.text
        if name not in self.schema or (name.startswith("^") and name.endswith("$")) or name == "*":
            if token.kind == "name" and name.lower() in _STATEMENTS:
                raise self.error(f"a query has no `{name}`: it is one condition on columns", token)
            a_word = token.kind == "quoted" or (beside is not None and beside.kind == "word")
            message, hint = absent(name, self.schema, FUNCTIONS, a_word=a_word)
            raise self.error(message, token, hint)
        self.columns[name] = None
        kind, cast, wide_type = kind_of(name, self.schema[name])
        sql = quoted(name, '"')
        wide = f"CAST({sql} AS {wide_type})" if wide_type else ""
        whole = self.schema[name].is_integer()
        if cast:
            sql = f"CAST({sql} AS {cast})"
        return Node(kind, sql, token.start, token.end, wide=wide, column=name, whole=whole)

    def case(self, token: Token) -> Node:
        subject = None
        if not (self.token.kind == "keyword" and self.token.text == "when"):
            subject = self.sum().defined
        sql = "CASE" if subject is None else f"CASE {subject.sql}"
        results: list[Node] = []
        size = 1
        while (opened := self.taken("when")) is not None:
            tested = self.condition() if subject is None else self.operand(subject).defined
            if subject is None:
                self.be("condition", tested, "`when` takes")
            else:
                self.alike(subject, tested, opened)
                size += subject.size
            self.must("then", "after `when`")
            results.append(self.condition())
            sql += f" WHEN {tested.sql} THEN {results[-1].number}"
            size += tested.size + results[-1].size + 1
        if not results:
            self.must("when", "after `case`")
        if self.taken("else"):
            results.append(self.condition())
            sql += f" ELSE {results[-1].number}"
            size += results[-1].size
        closed = self.must("end", "of the `case`")
        kind = self.one_kind(results, "the results of `case` are")
        node = self.joined(kind, f"{sql} END", *results, size=size)
        whole = all(part.whole for part in results if part.kind != "null")
        undefined = any(part.undefined for part in results)
        return replace(node, start=token.start, end=closed.end, whole=whole, undefined=undefined)

    def one_kind(self, parts: list[Node], by: str) -> Kind:
        known = [part for part in parts if part.kind != "null"]
        if not known:
            return "null"
        for part in known[1:]:
            self.be(known[0].kind, part, f"{by} each")
        return known[0].kind

    def call(self, token: Token) -> Node:
        name = token.text.lower()
        function = FUNCTIONS.get(name)
        if function is None:
            if name in _STATEMENTS:
                raise self.error(f"a query has no `{token.text}`", token)
            hint = f"functions: {' '.join(FUNCTIONS)}"
            if token.text in self.schema:
                hint = f"`{token.text}` is a column: write a sign between it and the parenthesis"
            raise self.error(f"no function `{token.text}`{meant(name)}", token, hint)
        opened = self.must("(", "after a function's name")
        arguments: list[Node] = []
        while not self.taken(")"):
            if arguments:
                self.must(",", f"or `)` in {name}(...)", opened)
            elif self.token.kind == "end":
                raise self.error("this parenthesis is not closed", opened, "add a `)`")
            arguments.append(self.argument(name, function, len(arguments)))
        closed = self.tokens[self.at - 1]
        if not function.least <= len(arguments) <= function.most:
            some = "one argument" if function.most == 1 else f"{function.least} arguments"
            some += " or more" if function.most > 2 else " or 2" if function.most > function.least else ""
            raise self.error(f"`{name}` takes {some}, not {len(arguments)}", token)
        node = self.called(name, function, arguments, token, closed)
        return replace(node, start=token.start, end=closed.end)

    def argument(self, name: str, function: Function, number: int) -> Node:
        takes = function.takes[min(number, len(function.takes) - 1)]
        if takes == "text":
            self.beside = Node("word", "", 0, 0)
        node = self.condition()
        if takes == "text" and (node.kind != "word" or node.literal is None):
            hint = f"write {name}('{node.column or 'wistful'}')"
            raise self.error(f"`{name}` takes a word in single quotes", node, hint)
        if takes == "places" and not (node.whole and node.literal is not None and node.literal in _PLACES):
            raise self.error("`round` takes the number of places, 0 to 9", node)
        if takes == "number" or takes == "word":
            self.be(takes, node, f"`{name}` takes")
        if takes == "any" and node.kind == "other":
            raise self.error(f"`{name}` takes numbers, words or conditions", node)
        return node

    def called(
        self, name: str, function: Function, arguments: list[Node], token: Token, closed: Token
    ) -> Node:
        if name in OURS:
            made = " ".join(self.query[token.start : closed.end].split())
            while made in self.schema:
                made += "'"
            self.calls.setdefault(made, Call(name, arguments[0].defined, token.start, closed.end))
            return Node("number", quoted(made, '"'), token.start, closed.end)
        kind = (
            self.one_kind(arguments, "the arguments of `coalesce` are")
            if not function.gives
            else function.gives
        )
        if name == "coalesce":
            arguments = [part.defined for part in arguments]
        parts = [part.number for part in arguments]
        if name in ("power", "pow"):
            parts = [f"CAST({part.number} AS DOUBLE)" if part.whole else part.number for part in arguments]
        sql = f"{name.upper()}({', '.join(parts)})"
        if name in UNSIGNED:
            sql = f"CAST({sql} AS BIGINT)"
        return replace(
            self.joined(kind, sql, *arguments),
            whole=function.whole and (name in UNSIGNED or all(part.whole for part in arguments)),
            undefined=function.outside or any(part.undefined for part in arguments),
        )


_SINGLE = "'"
_PLACES = tuple("0123456789")


def _name(kind: str) -> str:
    return {"number": "a number", "word": "a word", "condition": "a condition", "other": "neither"}.get(
        kind, kind
    )


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
