"""The parts of a checked query."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from curate.recipes.sql_functions import Kind

_NAN = "CAST('nan' AS DOUBLE)"


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a query.

    Attributes:
        kind: what it stands for; "other" are columns that can only be asked whether they are null.
        sql: as Polars is to read it, with columns in double quotes.
        start, end: the characters of the query that it takes.
        wide: `sql` for arithmetic, where small whole numbers would overflow.
        size, height: how many parts the expression has that Polars makes of it, and how many below each other.
        column: the column's name, where it is nothing else.
        literal: the text of a word in quotes or of a number, where it is nothing else.
        whole: a whole number. constant: without a column in it. undefined: may be NaN.
        parts: what a chain of `and` joins.
    """

    kind: Kind
    sql: str
    start: int
    end: int
    wide: str = ""
    size: int = 1
    height: int = 1
    column: str = ""
    literal: str | None = None
    whole: bool = False
    constant: bool = False
    undefined: bool = False
    parts: tuple[Node, ...] = ()

    @property
    def number(self) -> str:
        """The SQL to calculate with."""
        return self.wide or self.sql

    @property
    def defined(self) -> Node:
        """The same, with null for NaN: Polars takes NaN for the largest of numbers."""
        if not self.undefined:
            return self
        sql = f"NULLIF({self.sql}, {_NAN})"
        return replace(self, sql=sql, wide="", size=2 * self.size + 2, undefined=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of pct, z or affect: a column that has to be made first.

    Attributes:
        function: which.
        argument: of pct and z, a number; of affect, a word in quotes.
        text: that word.
        start, end: the characters of the query that the call takes.
    """

    function: str
    argument: Node
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.argument.literal or ""


@dataclass(slots=True)
class Parsed:
    """A whole query: its root; the columns it names and the calls that must be made first, in their order."""

    root: Node
    columns: dict[str, None] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
