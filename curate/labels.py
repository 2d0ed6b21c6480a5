"""A table of labels: what somebody who looked at the pictures says of them.

CSV, TSV, JSON lines or Parquet, with a key, at least one label column, and perhaps `subject` and `split`:

- key: `sha256` of the picture's bytes; or `pixels` or `image`, holding the bytes themselves (a data set's own
  Parquet file, then); or `image` with words: see `curate.matching`;
- action units: `au12` is an intensity, 0 to 5; `au12_p` is 1 where it is there and 0 where it is not;
- expression: `expression` with its name, or else eight columns of votes, `neutral` ... `contempt`, of which the
  most voted for counts; a tie is no label.

An empty cell is no label. Case does not matter in names, and `AU6` is `au06`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from curate.errors import InputError
from curate.scorers.columns import EXPRESSIONS, suggest

if TYPE_CHECKING:
    import polars as pl

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_ACTION_UNIT = re.compile(r"au ?0*(\d+)(_p)?")
_EMPTY = ("", "NA", "N/A", "NaN", "nan", "null")

Key = Literal["sha256", "image"]


@dataclass(frozen=True, slots=True)
class Labels:
    """A table of labels, read and checked.

    Attributes:
        path: the file.
        sha256: of its bytes.
        key: what its `key` column holds.
        table: `row` (UInt32, from 1 as in the file), `key` (String or null), `subject` (String or null),
            `expression` (String or null) where there is one, the action units (Float64 or null).
        units: the action units' columns.
        ties: rows whose votes are tied.
    """

    path: Path
    sha256: str
    key: Key
    table: pl.DataFrame
    units: tuple[str, ...]
    ties: int

    @property
    def columns(self) -> tuple[str, ...]:
        """The label columns."""
        return (*self.units, *(["expression"] if "expression" in self.table.columns else []))


def read_labels(path: str | Path, *, split: str | None = None) -> Labels:
    """Read a table of labels.

    Args:
        path: the file.
        split: keep the rows whose `split` is this.

    Raises:
        InputError: it cannot be read, has no key or no labels, or says something impossible; then it names
            the row.
    """
    import polars as pl

    path = Path(path)
    table = _read(path)
    if "split" not in table.columns and split is not None:
        raise InputError("there is no column `split`", where=str(path), hint="leave --split out")
    if split is not None:
        table = _of_split(table, split, path)
    if table.is_empty():
        raise InputError("there are no labels in it", where=str(path))
    key, keys = _keys(table, path)
    units = [name for name in table.columns if _ACTION_UNIT.fullmatch(name)]
    columns = [table["row"], keys, _words(table, "subject")]
    columns += [_numbers(table, name, 1 if name.endswith("_p") else 5, path) for name in units]
    expression, ties = _expression(table, path)
    if expression is not None:
        columns.append(expression)
    if len(columns) == 3:
        raise InputError(
            f"there is no column of labels; there are {', '.join(table.columns[1:])}",
            where=str(path),
            hint="name them as the scores are named: au12, au12_p, expression (curate columns)",
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Labels(path, digest, key, pl.DataFrame(columns), tuple(units), ties)


def _read(path: Path) -> pl.DataFrame:
    """The file as it is, with names of columns as we spell them, and `row`, from 1."""
    import polars as pl

    if not path.is_file():
        raise InputError("no such table of labels", where=str(path), hint="curate evaluate SCORES LABELS.csv")
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise InputError("not a table that can be read", where=str(path), hint=f"one of {' '.join(ENDINGS)}")
    try:
        if ending == ".parquet":
            table = pl.read_parquet(path, glob=False)
        elif ending in (".csv", ".tsv"):
            # All words: what a column holds is decided by its name, not by its first hundred rows.
            table = pl.read_csv(
                path,
                separator="\t" if ending == ".tsv" else ",",
                infer_schema=False,
                null_values=list(_EMPTY),
                glob=False,
            )
        else:
            table = pl.read_ndjson(path, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"cannot be read: {str(error).splitlines()[0]}", where=str(path)) from error
    names = [_spelled(name) for name in table.columns]
    double = [name for name in names if names.count(name) > 1]
    if double:
        raise InputError(f"two columns are `{double[0]}`", where=str(path), hint="keep one of them")
    table.columns = names
    return table.drop("row", strict=False).with_row_index("row", offset=1)


def _spelled(name: str) -> str:
    """A column's name as the catalogue has it."""
    name = name.strip().lower()
    unit = _ACTION_UNIT.fullmatch(name)
    return f"au{int(unit[1]):02}{unit[2] or ''}" if unit else name


def _of_split(table: pl.DataFrame, split: str, path: Path) -> pl.DataFrame:
    import polars as pl

    splits = table["split"].cast(pl.String)
    if not (splits == split).any():
        there = ", ".join(splits.drop_nulls().unique().sort()[:10])
        raise InputError(
            f"there is no split `{split}`; there are {there}", where=str(path), hint="--split NAME"
        )
    return table.filter(splits == split)


def _keys(table: pl.DataFrame, path: Path) -> tuple[Key, pl.Series]:
    """What the rows are found by."""
    import polars as pl

    if "sha256" in table.columns:
        return "sha256", _words(table, "sha256", as_name="key").str.to_lowercase()
    for name in ("pixels", "image"):
        if name not in table.columns:
            continue
        series = table[name]
        if isinstance(series.dtype, pl.Struct) and "bytes" in [f.name for f in series.dtype.fields]:
            series = series.struct.field("bytes")
        if series.dtype == pl.Binary:
            hashed = [None if data is None else hashlib.sha256(data).hexdigest() for data in series]
            return "sha256", pl.Series("key", hashed, pl.String)
        if name == "image":
            return "image", _words(table, "image", as_name="key")
    raise InputError(
        f"there is no column that says which picture; there are {', '.join(table.columns[1:])}",
        where=str(path),
        hint="add a column `image` (path or file name) or `sha256`",
    )


def _words(table: pl.DataFrame, name: str, *, as_name: str | None = None) -> pl.Series:
    """A column as words, without spaces around them; nulls where there is no such column."""
    import polars as pl

    if name not in table.columns:
        return pl.Series(as_name or name, [None] * table.height, pl.String)
    words = table[name].cast(pl.String).str.strip_chars().alias(as_name or name)
    return words.set(words == "", None)


def _numbers(table: pl.DataFrame, name: str, high: float, path: Path) -> pl.Series:
    """A column of numbers from 0 to `high`."""
    import polars as pl

    given = table[name]
    if given.dtype == pl.String:
        given = _words(table, name)
    numbers = given.cast(pl.Float64, strict=False)
    wrong = numbers.is_null() & given.is_not_null()
    numbers = numbers.fill_nan(None)
    outside = ((numbers < 0) | (numbers > high)).fill_null(False)
    for bad, words in ((wrong, "is no number"), (outside, f"does not lie between 0 and {high:g}")):
        if bad.any():
            at = bad.arg_true()[0]
            if high == 5 and (numbers > high).any():
                hint = "intensities are FACS points, 0 to 5: bring another scale to it"
            elif high == 1 and words != "is no number":
                hint = f"{name} is 0 or 1; an intensity is called {name.removesuffix('_p')}"
            else:
                hint = "leave a cell empty where nobody labelled it"
            raise InputError(
                f"row {table['row'][at]}: `{name}` {words}: {given[at]}", where=str(path), hint=hint
            )
    return numbers


def _names() -> dict[str, str]:
    """What people call the eight expressions: the lexicon's plain words for them, and their forms."""
    from curate.recipes.lexicon import load_lexicon

    lexicon = load_lexicon()
    plain = {name: word for name in EXPRESSIONS if (word := lexicon.find(name))}
    return {text: name for name, word in plain.items() for text in (name, word.name, *word.synonyms)}


def _expression(table: pl.DataFrame, path: Path) -> tuple[pl.Series | None, int]:
    """The names, and how many rows have none because their votes are tied."""
    import polars as pl

    if "expression" in table.columns:
        words = _words(table, "expression")
        known = _names()
        names = words.str.to_lowercase().replace_strict(known, default=None, return_dtype=pl.String)
        unknown = (names.is_null() & words.is_not_null()).arg_true()
        if len(unknown):
            word = str(words[unknown[0]])
            raise InputError(
                f"row {table['row'][unknown[0]]}: there is no expression `{word}`{suggest(word.lower(), known)}",
                where=str(path),
                hint=f"one of {', '.join(EXPRESSIONS)}; an empty cell is no label",
            )
        return names.alias("expression"), 0
    there = [name for name in EXPRESSIONS if name in table.columns]
    if not there:
        return None, 0
    if len(there) < len(EXPRESSIONS):
        missing = ", ".join(name for name in EXPRESSIONS if name not in there)
        raise InputError(
            f"votes need all eight expressions; {missing} is missing",
            where=str(path),
            hint="add a column of zeros for what nobody could vote for, or a column `expression`",
        )
    votes = pl.DataFrame([_numbers(table, name, float("inf"), path) for name in EXPRESSIONS]).to_numpy()
    most = votes.max(axis=1)  # NaN, and so no label, where one is missing
    leaders = (votes >= most[:, None] * (1 - 1e-6)).sum(axis=1)
    labelled = most > 0
    winners = votes.argmax(axis=1)
    clear = labelled & (leaders == 1)
    won = [EXPRESSIONS[w] if ok else None for w, ok in zip(winners, clear, strict=True)]
    return pl.Series("expression", won, pl.String), int((labelled & (leaders > 1)).sum())
