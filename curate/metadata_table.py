"""A table of metadata: a row a picture, in CSV, TSV, JSON lines or Parquet."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from curate.errors import InputError
from curate.metadata_text import NO_TEXT, text_of
from curate.place import Place
from curate.scorers.generation.plain import field_of
from curate.scorers.said import Said
from curate.sources.source import as_text

if TYPE_CHECKING:
    import polars as pl

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
# Columns that may say which picture a row is about, the surest first; the first is that of Hugging Face's imagefolder.
KEYS = (
    "file_name", "filename", "image", "image_path", "image_file", "path", "file_path", "filepath", "file", "img",
    "name", "sha256",
)  # fmt: skip
_KINDS = "a file of the kind " + " ".join(ENDINGS)
_WHOLE_TEXTS = ("parameters", "json")


class MetadataTable:
    """What a table says, by picture.

    Attributes:
        path: the file, here or at a URL.
        sha256: of its bytes.
        by_content: whether its pictures are named by their sha256.
        first: the first name in it.
        twice: a line for each picture that has more than one row, with its name and the first two; rows are
            counted from 1, the header is none.
    """

    def __init__(self, path: Place) -> None:
        """Read it; InputError where it cannot be read, or does not say what it is about."""
        self.path = path
        try:
            data = path.read_bytes()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise InputError(
                f"cannot be read: {reason}",
                where=str(path),
                hint=f"--metadata none does without a table; or --metadata TABLE, {_KINDS}",
            ) from error
        self.sha256 = hashlib.sha256(data).hexdigest()
        frame, self._wrong = _frame(data, path)
        names = {name.strip().lower(): name for name in reversed(frame.columns)}
        key = next((names[known] for known in KEYS if known in names and _is_text(frame, names[known])), None)
        words = [name for name in frame.columns if name != key and _is_words(name)]
        if key is None or not words:
            lacking = "which picture a row is about" if key is None else "what the pictures were made from"
            raise InputError(
                f"no column says {lacking}; there are {', '.join(frame.columns[:20])}",
                where=str(path),
                hint=f"call one {'file_name' if key is None else 'prompt'}",
            )
        self.by_content = key == names.get("sha256")
        self._rows = frame.select(words)
        self._places: dict[str, int] = {}
        self._twice: dict[str, str] = {}
        for place, name in enumerate(frame[key]):
            if name is None or not name.strip():
                continue
            known = self._key(name)
            had = self._places.setdefault(known, place)
            if had != place:
                self._twice.setdefault(
                    known, f"there are two rows for {name.strip()}: rows {had + 1:,} and {place + 1:,}"
                )
        self._bare = Counter(PurePosixPath(known).name for known in self._places)
        self.first = next(iter(self._places), "")
        self.twice = tuple(self._twice.values())

    def __len__(self) -> int:
        """How many pictures it names."""
        return len(self._places)

    def find(self, *keys: str) -> Said | None:
        """The row of the first of the keys that has one: relative paths, names, a sha256.

        Where there are two, nobody knows which is right: an error, and no words.
        """
        known = next((k for k in map(self._key, keys) if k in self._places), None)
        if known is None:
            return None
        if known in self._twice:
            return Said("table", errors=(f"{as_text(self.path.name)}: {self._twice[known]}",))
        row: dict[str, Any] = self._rows.row(self._places[known], named=True)
        said = {name: value for name, value in row.items() if value is not None}
        damaged = self._wrong and any("\ufffd" in value for value in said.values() if isinstance(value, str))
        return Said("table", said, (f"{as_text(self.path.name)} {self._wrong}",) if damaged else ())

    def find_bare(self, name: str) -> Said | None:
        """The row of a name without a folder, if no row is about another picture of that name."""
        return self.find(name) if self._bare[name] == 1 else None

    def _key(self, name: str) -> str:
        """A path as tables write it, on any system: `./a\\b.png` is `a/b.png`; a sha256 in small letters."""
        key = str(PurePosixPath(name.strip().replace("\\", "/")))
        return key.lower() if self.by_content else key


def _frame(data: bytes, path: Place) -> tuple[pl.DataFrame, str]:
    """The table, and what is wrong with its letters."""
    import polars as pl

    ending = _ending(path)
    if ending not in ENDINGS:
        raise InputError("not a table that is read", where=str(path), hint=f"--metadata TABLE, {_KINDS}")
    wrong = ""
    if ending != ".parquet":
        text, wrong = text_of(data)
        if wrong == NO_TEXT:
            raise InputError(
                f"this table cannot be read: it {wrong}", where=str(path), hint="save it as UTF-8"
            )
        data = text.encode()
        if ending in (".csv", ".tsv"):
            _check_separator(text, path)
    try:
        match ending:
            case ".csv" | ".tsv":
                frame = pl.read_csv(data, infer_schema=False, separator=_separator(ending))
            case ".jsonl" | ".ndjson":
                frame = pl.read_ndjson(data, infer_schema_length=None)
            case _:
                # Pictures may stand in it, too.
                types = pl.read_parquet_schema(data)
                names = [
                    n for n, t in types.items() if t != pl.Binary and (not t.is_nested() or _is_list(n, t))
                ]
                frame = pl.read_parquet(data, columns=names)
    except Exception as error:  # of many kinds: a table that a library cannot read is not one
        words = " ".join(str(error).split())[:200]
        raise InputError(
            f"this table cannot be read: {words}", where=str(path), hint=f"--metadata TABLE, {_KINDS}"
        ) from error
    return frame.with_columns(_plain(name, kind) for name, kind in frame.schema.items()), wrong


def _ending(path: Place) -> str:
    return Path(path.name).suffix.lower()


def _separator(ending: str) -> str:
    return "\t" if ending == ".tsv" else ","


def _check_separator(text: str, path: Place) -> None:
    """InputError where the header makes sense with another separator than the ending promises."""
    header = text[:10_000].partition("\n")[0]

    def says(separator: str) -> bool:
        return any(name.strip().strip('"').lower() in KEYS for name in header.split(separator))

    own = _separator(_ending(path))
    other = next((s for s in ",;\t|" if s != own and s in header and says(s)), None)
    if other is None or says(own):
        return
    names = {",": "commas", ";": "semicolons (;)", "\t": "tabs", "|": "bars (|)"}
    change = {",": "call it .csv", "\t": "call it .tsv"}.get(other, "save it with commas")
    raise InputError(
        f"its columns are separated by {names[other]}, and those of a {_ending(path)} by {names[own]}",
        where=str(path),
        hint=change,
    )


def _is_list(name: str, kind: pl.DataType) -> bool:
    """Whether a nested column is a list of plain values that says something (and no array of numbers)."""
    import polars as pl

    return (
        _is_words(name)
        and isinstance(kind, pl.List | pl.Array)
        and isinstance(kind.inner, pl.DataType)
        and not kind.inner.is_nested()
        and kind.inner != pl.Binary
    )


def _plain(name: str, kind: pl.DataType) -> pl.Expr:
    """A column with its lists joined by commas, and its categories as text."""
    import polars as pl

    column = pl.col(name)
    if _is_list(name, kind):
        return column.cast(pl.List(pl.String)).list.join(",", ignore_nulls=True)
    return column.cast(pl.String) if isinstance(kind, pl.Categorical | pl.Enum) else column


def _is_text(frame: pl.DataFrame, name: str) -> bool:
    import polars as pl

    return frame.schema[name] == pl.String


def _is_words(name: str) -> bool:
    return field_of(name) is not None or name in _WHOLE_TEXTS
