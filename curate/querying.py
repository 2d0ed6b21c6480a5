"""A query at work on a score set: which faces match, in which order, and tables of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from curate.affect import Tables, up_to_date
from curate.chosen import rows_at
from curate.errors import InputError
from curate.place import replacing
from curate.recipes.query import Order, Query, prepare
from curate.scoreset import ScoreSet

_ROW, _KEY = "_row", "_key"
_OK = pl.col("status") == "ok"
TABLES = (".parquet", ".csv", ".jsonl")
LIST = ".txt"
# So many rows are read one by one: of a large set that is far less than whole columns.
_FEW = 50


@dataclass(frozen=True, slots=True)
class Matches:
    """What a query found.

    Attributes:
        source: the score set.
        tables: what derived columns are made with; None as for `ScoreSet.scan`.
        rows: all rows of it, lazily, with derived columns.
        faces: how many faces were looked at: the rows with status `ok`.
        count: how many match.
        numbers: UInt32, the rows that match, in the order that was asked for; only the first of them, where only
            those were asked for.
        made: the columns that queries need made first (percentiles ...), for all rows; may have none.
    """

    source: ScoreSet
    tables: Tables | None
    rows: pl.LazyFrame
    faces: int
    count: int
    numbers: pl.Series
    made: pl.DataFrame

    def table(self, columns: Sequence[str], computed: Mapping[str, pl.Expr] | None = None) -> pl.DataFrame:
        """The rows that match, in order, with these columns of the set or of `made`, and `computed` ones."""
        computed = computed or {}
        columns = [name for name in columns if name not in computed]
        needed = {name for expr in computed.values() for name in expr.meta.root_names()} | set(columns)
        names = [name for name in self.source.schema(self.rows).names() if name in needed]
        made = self.made.select(name for name in self.made.columns if name in needed)
        if len(self.numbers) <= _FEW:
            # Derived columns are made of these rows alone: Polars would make them of all.
            stored = self.source.stored()
            parts = [stored.slice(number, 1) for number in self.numbers] or [stored.head(0)]
            some = up_to_date(pl.concat(parts), self.source.folder, self.source.manifest, self.tables)
            found = self.source.collect(some.select(names))
        else:
            numbered = self.rows.select(names).with_row_index(_ROW)
            found = self.source.collect(numbered.filter(pl.col(_ROW).is_in(self.numbers.implode())))
            order = pl.DataFrame({_ROW: self.numbers})
            found = order.join(found, on=_ROW, how="left", maintain_order="left").drop(_ROW)
        frame = pl.concat([found, made[self.numbers]], how="horizontal") if made.width else found
        # By way of with_columns: what reads no column has a value for every row all the same.
        return frame.with_columns(**computed).select(*columns, *computed)

    def chosen(self) -> pl.LazyFrame:
        """The rows that match, whole, as they stand in the set and in its order."""
        return rows_at(self.source.stored(), self.numbers)

    def first(self, count: int | None) -> Matches:
        """The first so many of them; all, where `count` is None."""
        return replace(self, numbers=self.numbers if count is None else self.numbers.head(count))


def search(
    source: ScoreSet,
    tables: Tables | None,
    query: Query,
    order: Order | None = None,
    others: Iterable[Query] = (),
    limit: int | None = None,
) -> Matches:
    """Find the faces for which a condition is true.

    Args:
        source: the set.
        tables: what its derived columns are made with; None as for `ScoreSet.scan`.
        query: the condition; where it is null, it is not true.
        order: by what they are sorted, nulls last, ties by sha256 and face; by picture and face where None.
        others: further queries whose columns are to be `made`.
        limit: how many are wanted, the first in that order; all, where it is None.
        others: further queries whose columns are to be `made`.

    Raises:
        InputError: the set cannot be read.
    """
    rows = source.scan(tables)
    asked = [query, order.by] if order else [query]
    making = [q for q in (*asked, *others) if q.before]
    reads = {"status"}.union(*(q.reads for q in (*asked, *making)))
    frame = source.collect(prepare(making, rows.select(sorted(reads))))
    made = frame.select(list(dict.fromkeys(name for q in making for name in q.before)))
    selected = frame.with_row_index(_ROW).filter(_OK, query.expr)
    if order is None:
        by, down = ["image", "face"], [False, False]
        keys = source.collect(rows.select(by))[selected[_ROW]]
    else:
        by, down = [_KEY], [order.descending]
        keys = selected.select(order.by.expr.alias(_KEY), _ROW).drop(_ROW)
        if keys[_KEY].is_duplicated().any():
            by, down = [_KEY, "sha256", "face"], [order.descending, False, False]
            keys = keys.hstack(source.collect(rows.select(by[1:]))[selected[_ROW]])
    # In one step: Polars then sorts no more than is wanted.
    ordered = (
        keys.lazy().with_columns(selected[_ROW]).sort([*by, _ROW], descending=[*down, False], nulls_last=True)
    )
    numbers = (ordered if limit is None else ordered.head(limit)).select(_ROW).collect()[_ROW]
    return Matches(source, tables, rows, int((frame["status"] == "ok").sum()), selected.height, numbers, made)


def alone(source: ScoreSet, tables: Tables | None, query: Query) -> list[tuple[str, int]]:
    """Each condition that the query joins with `and`, and how many faces it matches without the others."""
    prepared = prepare([query], source.scan(tables).select(sorted(query.reads | {"status"}))).filter(_OK)
    clauses = {str(index): clause.expr for index, clause in enumerate(query.clauses)}
    counts = prepared.with_columns(**clauses).select(pl.col(*clauses).sum())
    found = source.collect(counts).row(0)
    return [(clause.text, int(count)) for clause, count in zip(query.clauses, found, strict=True)]


def write_table(frame: pl.DataFrame, out: Path) -> None:
    """Write a table by its ending: Parquet, CSV or a JSON object a line; whole, or not at all.

    Raises:
        InputError: it cannot be written, or CSV is asked to hold landmarks.
    """
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    if out.suffix == ".csv" and nested:
        raise InputError(f"CSV cannot hold `{nested[0]}`", where=str(out), hint="write .parquet or .jsonl")
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as partial:
        if out.suffix == ".parquet":
            frame.write_parquet(partial, compression="zstd")
        elif out.suffix == ".csv":
            frame.write_csv(partial)
        else:
            frame.write_ndjson(partial)


def write_list(images: pl.Series, out: Path) -> int:
    """Write the pictures, each once, a line each, as `curate score` takes them; gives how many.

    Raises:
        InputError: it cannot be written, or a picture's name has a line break.
    """
    names = images.unique(maintain_order=True)
    broken = names.filter(names.str.contains(r"[\r\n]"))
    if len(broken):
        raise InputError(
            f"a list cannot hold the name of {broken[0]!r}: it has a line break",
            where=str(out),
            hint="write .jsonl or .parquet",
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as partial:
        partial.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return len(names)
