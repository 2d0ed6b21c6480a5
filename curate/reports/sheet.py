"""A contact sheet: which faces are on it, and in which order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.affect import tables_of
from curate.errors import InputError, QueryError
from curate.output import typed
from curate.place import here
from curate.querying import Matches, search
from curate.recipes.query import Query, parse, parse_condition
from curate.reports.sheet_drawing import SIDE, Sheet, Tile, draw, save
from curate.reports.thumbnails import thumbnails
from curate.scorers.columns import CATALOGUE
from curate.scoreset import ScoreSet, open_scores

if TYPE_CHECKING:
    from PIL import Image

    from curate.recipes.lexicon import Lexicon

ROWS, LEVELS, COLUMNS = 6, 12, 10
MOST = 60
_BY, _ORDER = "_by", "_order"
# What a row of words is spread over, from left to right.
_SPREAD = "temperature"
# Other people's words, and what is different for every face, make no rows.
_NO_ROWS = ("prompt", "negative_prompt", "image", "sha256", "error", "metadata_error")
_SHOWN = ("image", "sha256", "face", "expression", "box_x", "box_y", "box_w", "box_h")
_DECLARED = {column.name: column for column in CATALOGUE}


@dataclass(frozen=True, slots=True)
class Written:
    """A sheet that was written.

    Attributes:
        path: the PNG.
        width, height: of it, in pixels.
        faces: how many faces there were to choose from.
        shown: how many are on it.
        missing: how many of those have no picture any more.
        title: the lines at its head.
    """

    path: Path
    width: int
    height: int
    faces: int
    shown: int
    missing: int
    title: tuple[str, ...]


def write_sheet(
    scores: str | Path | ScoreSet,
    out: str | Path,
    *,
    by: str = _SPREAD,
    rows: int | None = None,
    columns: int = COLUMNS,
    where: str | None = None,
    overwrite: bool = False,
) -> Written:
    """Write a contact sheet of a score set: crops of faces in the order of a column.

    By a number, faces go from the least on the left to the most on the right, each column of the sheet a quantile of
    the faces; by a category there is a row for each of its words, and in it faces are spread over the temperature.
    Either way they are taken at even steps of rank, so that a sheet shows a set as it is. The same set gives the same
    sheet. Only the pictures that are shown are opened.

    Args:
        scores: a score set.
        out: a file that ends in `.png`.
        by: a column, or an expression as in queries.
        rows: at most so many; 6, or by a category 12.
        columns: at most so many.
        where: a condition, as in queries; all scored faces, where it is None.
        overwrite: replace a file that is there.

    Raises:
        InputError: the set cannot be read; `out` is there, is no PNG or cannot be written; there is nothing to show.
        QueryError: `by` or `where` makes no sense.
    """
    path = here(out)
    _check(path, rows, columns, overwrite=overwrite)
    opened = scores if isinstance(scores, ScoreSet) else open_scores(scores)
    schema = dict(opened.schema(opened.scan()))
    if not opened.collect(opened.scan().select((pl.col("status") == "ok").any())).item():
        raise _nothing("no face was scored in this set", opened)
    # The set's own words, where it has some; the shipped ones are read when a query asks for them.
    lexicon = tables_of(opened.folder, opened.manifest).lexicon if opened.manifest.own_tables else None
    condition = parse_condition(where if where is not None else "true", schema, lexicon)
    asked = _asked(by, schema, lexicon)
    found = search(opened, None, condition, others=[asked])
    words = asked.kind == "word"
    sheet, numbers = (
        _in_rows(found, asked, schema, rows or LEVELS, columns)
        if words
        else _in_order(found, asked, schema, rows or ROWS, columns)
    )
    shown = replace(found, numbers=pl.Series(numbers, dtype=pl.UInt32)).table(
        [name for name in _SHOWN if name in schema]
    )
    pictures = thumbnails(opened, shown, SIDE)
    sheet = replace(sheet, title=(f"{opened.name} by {asked.text.strip()}", *_told(sheet, found, where)))
    image = draw(sheet, [_picture(row, pictures) for row in shown.iter_rows(named=True)])
    save(image, sheet, path)
    missing = sum((row["image"], row["face"] or 0) not in pictures for row in shown.iter_rows(named=True))
    return Written(path, image.width, image.height, found.count, len(numbers), missing, sheet.title)


def _check(path: Path, rows: int | None, columns: int, *, overwrite: bool) -> None:
    for name, number in (("rows", rows), ("columns", columns)):
        if number is not None and not 1 <= number <= MOST:
            raise InputError(f"a sheet has 1 to {MOST} {name}", where=f"--{name}", hint=f"--{name} {ROWS}")
    if path.suffix.lower() != ".png":
        raise InputError("a sheet is a PNG", where=str(path), hint=f"-o {path.stem or 'sheet'}.png")
    if path.is_dir() or (path.exists() and not overwrite):
        raise InputError(
            "is there already", where=str(path), hint="add --overwrite, or choose another with -o"
        )


def _asked(by: str, schema: dict[str, pl.DataType], lexicon: Lexicon | None) -> Query:
    """What the sheet goes by."""
    try:
        asked = parse(by, schema, lexicon)
    except QueryError as error:
        error.where = error.where or "--by"
        raise
    if asked.kind == "condition":
        raise QueryError(
            "a sheet goes by numbers or words",
            query=by,
            hint="a condition goes to --where; --by temperature, --by expression",
        )
    if asked.kind == "word" and asked.reads & set(_NO_ROWS):
        raise QueryError(
            "a sheet has no rows by what is different for each face", query=by, hint="--by expression"
        )
    return asked


def _in_order(
    found: Matches, asked: Query, schema: dict[str, pl.DataType], rows: int, columns: int
) -> tuple[Sheet, list[int]]:
    """By a number: each column of the sheet a quantile of the faces, least at the top left."""
    ranked = _ranked(found, {_BY: asked.expr.cast(pl.Float64).fill_nan(None)}, asked)
    values = ranked[_BY].to_numpy()
    quantiles = np.array_split(np.arange(ranked.height), min(columns, ranked.height))
    written = _format(ranked[_BY])
    tiles, numbers = [], []
    for column, places in enumerate(quantiles):
        for row, place in enumerate(places[_spread(len(places), rows)]):
            tiles.append(Tile(row, column, written(values[place])))
            numbers.append(int(ranked["_row"][int(place)]))
    edges = [float(values[places[0]]) for places in quantiles] + [float(values[-1])]
    ticks = tuple(
        (written(value), f"{100 * step / len(quantiles):.0f} %") for step, value in enumerate(edges)
    )
    about = "from left to right and downwards: each column a quantile of the faces"
    sheet = Sheet(
        tuple(_captioned(tiles, numbers, found, schema)), order=about, ticks=ticks, axis=_meaning(asked)
    )
    return _with_count(sheet, ranked.height), numbers


def _in_rows(
    found: Matches, asked: Query, schema: dict[str, pl.DataType], rows: int, columns: int
) -> tuple[Sheet, list[int]]:
    """By a word: a row for each, in it faces from the coldest to the hottest."""
    spread = _SPREAD in schema
    order = pl.col(_SPREAD).cast(pl.Float64).fill_nan(None) if spread else pl.lit(0.0)
    ranked = _ranked(found, {_BY: asked.expr.cast(pl.String), _ORDER: order}, asked, _ORDER)
    levels = _levels(ranked[_BY], asked)
    written = _format(ranked[_ORDER])
    tiles, numbers, labels = [], [], []
    for row, level in enumerate(levels[:rows]):
        members = ranked.filter(pl.col(_BY) == level)
        labels.append((level, f"{members.height:,} ({_percent(members.height / ranked.height)})"))
        for column, place in enumerate(_spread(members.height, columns)):
            tiles.append(Tile(row, column, written(members[_ORDER][int(place)]) if spread else ""))
            numbers.append(int(members["_row"][int(place)]))
    about = "a row for each word" + (
        ", in it faces spread over the temperature, coldest left" if spread else ""
    )
    if len(levels) > rows:
        about += f"; {len(levels) - rows:,} more are not shown (--rows)"
    captioned = _captioned(tiles, numbers, found, schema) if asked.text.strip() != "expression" else tiles
    return _with_count(Sheet(tuple(captioned), order=about, labels=tuple(labels)), ranked.height), numbers


def _ranked(found: Matches, computed: dict[str, pl.Expr], asked: Query, by: str = _BY) -> pl.DataFrame:
    """The faces that have an answer, sorted by it, equals by content: `_row` and what was computed."""
    table = found.table(["sha256", "face"], computed).with_columns(found.numbers.alias("_row"))
    ranked = table.filter(pl.col(_BY).is_not_null()).sort(by, "sha256", "face", "_row", nulls_last=False)
    if not ranked.height:
        what = f"`{asked.text.strip()}` has no value there" if found.count else "no face matches"
        raise _nothing(what, found.source)
    return ranked


def _nothing(what: str, scores: ScoreSet) -> InputError:
    return InputError(
        f"there is nothing to show: {what}",
        where=str(scores.place),
        hint=f"curate show {typed(scores.place)} --status",
    )


def _spread(count: int, most: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    """At most so many of `count` places in order, at even steps; the middle of each step."""
    taken = min(count, most)
    return ((np.arange(taken) + 0.5) * count / taken).astype(np.intp) if taken else np.empty(0, np.intp)


def _levels(words: pl.Series, asked: Query) -> list[str]:
    """The words, as the catalogue has them, or else the most frequent first."""
    counted = words.value_counts().sort("count", words.name, descending=[True, False])[words.name].to_list()
    declared = _DECLARED[asked.text.strip()].values if asked.text.strip() in _DECLARED else ()
    return [word for word in declared if word in counted] + [w for w in counted if w not in declared]


def _captioned(
    tiles: list[Tile], numbers: list[int], found: Matches, schema: dict[str, pl.DataType]
) -> Iterator[Tile]:
    """Tiles that also say which expression they show."""
    if "expression" not in schema:
        yield from tiles
        return
    shown = replace(found, numbers=pl.Series(numbers, dtype=pl.UInt32)).table(["expression"])["expression"]
    for tile, expression in zip(tiles, shown, strict=True):
        yield replace(tile, caption=f"{tile.caption} {expression or ''}".strip(), kind=expression)


def _with_count(sheet: Sheet, answered: int) -> Sheet:
    return replace(sheet, answered=answered)


def _told(sheet: Sheet, found: Matches, where: str | None) -> Iterator[str]:
    """What is shown, in words."""
    faces = f"{len(sheet.tiles):,} of {found.count:,} faces"
    if where is not None:
        faces += f" where {where.strip()}"
    if found.count > sheet.answered:
        faces += f" ({found.count - sheet.answered:,} have no value)"
    yield f"{faces}; {sheet.order}"


def _meaning(asked: Query) -> str:
    """What the axis shows."""
    column = _DECLARED.get(asked.text.strip())
    if column is None:
        return asked.text.strip()
    unit = f" ({column.unit})" if column.unit else ""
    return f"{column.name}{unit}: {column.doc}"


def _format(values: pl.Series) -> Callable[[float | None], str]:
    """Numbers of a column as they are written: all with as many decimals as tell a hundredth of its range."""
    finite = values.drop_nulls()
    finite = finite.filter(finite.is_finite())
    decimals = 0
    if len(finite) and (finite != finite.round()).any():
        span = float(finite.max() - finite.min())  # type: ignore[operator, arg-type]
        decimals = min(max(2 - math.floor(math.log10(span)), 0), 9) if span else 2
    return lambda value: "" if value is None else f"{value:z,.{decimals}f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "< 1 %"


def _picture(row: dict[str, Any], pictures: dict[tuple[str, int], Image.Image]) -> Image.Image | None:
    return pictures.get((row["image"], row["face"] or 0))
