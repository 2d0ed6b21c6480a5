"""A query at work on a score set: which faces match, in which order, and tables of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from curate.errors import InputError
from curate.recipes.query import Order, Query, prepare
from curate.scoreset import ScoreSet
from curate.shards import replacing

_ROW, _KEY = "_row", "_key"
_OK = pl.col("status") == "ok"
TABLES = (".parquet", ".csv", ".jsonl")
LIST = ".txt"


@dataclass(frozen=True, slots=True)
class Matches:
    """What a query found.

    Attributes:
        source: the score set.
        rows: all rows of it, lazily, with derived columns.
        faces: how many faces were looked at: the rows with status `ok`.
        numbers: UInt32, the rows that match, in the order that was asked for.
        made: the columns that queries need made first (percentiles ...), for all rows; may have none.
    """

    source: ScoreSet
    rows: pl.LazyFrame
    faces: int
    numbers: pl.Series
    made: pl.DataFrame

    def table(self, columns: Sequence[str], computed: Mapping[str, pl.Expr] | None = None) -> pl.DataFrame:
        """The rows that match, in order, with these columns of the set or of `made`, and `computed` ones."""
        computed = computed or {}
        columns = [name for name in columns if name not in computed]
        needed = {name for expr in computed.values() for name in expr.meta.root_names()} | set(columns)
        names = self.rows.collect_schema().names()
        frame = self.rows.select(name for name in names if name in needed).with_row_index(_ROW)
        made = self.made.select(name for name in self.made.columns if name in needed)
        if made.width:
            frame = pl.concat([frame, made.lazy()], how="horizontal")
        found = self.source.collect(frame.filter(pl.col(_ROW).is_in(self.numbers.implode())))
        order = pl.DataFrame({_ROW: self.numbers})
        return order.join(found, on=_ROW, how="left", maintain_order="left").select(*columns, **computed)

    def chosen(self) -> pl.LazyFrame:
        """The rows that match, whole, as they stand in the set and in its order."""
        numbers = self.numbers.sort().implode()
        return self.source.scan().with_row_index(_ROW).filter(pl.col(_ROW).is_in(numbers)).drop(_ROW)

    def first(self, count: int | None) -> Matches:
        """The first so many of them; all, where `count` is None."""
        return Matches(
            self.source, self.rows, self.faces, self.numbers.head(count or len(self.numbers)), self.made
        )


def search(
    source: ScoreSet,
    rows: pl.LazyFrame,
    query: Query,
    order: Order | None = None,
    others: Iterable[Query] = (),
) -> Matches:
    """Find the faces for which a condition is true.

    Args:
        source: the set.
        rows: its rows with derived columns.
        query: the condition; where it is null, it is not true.
        order: by what they are sorted, nulls last, ties by sha256 and face; by picture and face where None.
        others: further queries whose columns are to be `made`.

    Raises:
        InputError: the set cannot be read.
    """
    asked = [query, order.by] if order else [query]
    making = [q for q in (*asked, *others) if q.before]
    reads = {"status"}.union(*(q.reads for q in (*asked, *making)))
    frame = source.collect(prepare(making, rows.select(sorted(reads))))
    made = frame.select(list(dict.fromkeys(name for q in making for name in q.before)))
    selected = frame.with_row_index(_ROW).filter(_OK, query.expr)
    if order is None:
        numbers = _by_picture(source, rows, selected[_ROW])
    else:
        keyed = selected.select(_ROW, order.by.expr.alias(_KEY))
        numbers = _by_key(source, rows, keyed, descending=order.descending)
    return Matches(source, rows, int((frame["status"] == "ok").sum()), numbers, made)


def alone(source: ScoreSet, rows: pl.LazyFrame, query: Query) -> list[tuple[str, int]]:
    """Each condition that the query joins with `and`, and how many faces it matches without the others."""
    prepared = prepare([query], rows.select(sorted(query.reads | {"status"}))).filter(_OK)
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


def _by_picture(source: ScoreSet, rows: pl.LazyFrame, numbers: pl.Series) -> pl.Series:
    if numbers.is_empty():
        return numbers
    keys = rows.select("image", "face").with_row_index(_ROW).filter(pl.col(_ROW).is_in(numbers.implode()))
    return source.collect(keys).sort("image", "face", _ROW)[_ROW]


def _by_key(source: ScoreSet, rows: pl.LazyFrame, keyed: pl.DataFrame, *, descending: bool) -> pl.Series:
    """Row numbers sorted by their key; the content's hash is read only where keys are equal."""
    by = [_KEY]
    if keyed[_KEY].is_duplicated().any():
        ties = source.collect(rows.select("sha256", "face").with_row_index(_ROW))
        keyed = keyed.join(ties, on=_ROW, how="left", maintain_order="left")
        by += ["sha256", "face", _ROW]
    down = [descending] + [False] * (len(by) - 1)
    return keyed.sort(by, descending=down, nulls_last=True)[_ROW]
