"""A table of metadata: a row a picture, in CSV, TSV, JSON lines or Parquet."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from curate.errors import InputError
from curate.scorers.generation.plain import field_of
from curate.scorers.said import Said

if TYPE_CHECKING:
    import polars as pl

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
# Columns that may say which picture a row is about, the surest first; the first is that of Hugging Face's imagefolder.
KEYS = (
    "file_name", "filename", "image", "image_path", "image_file", "path", "file_path", "filepath", "file", "img",
    "name", "sha256",
)  # fmt: skip
_WHOLE_TEXTS = ("parameters", "json")


class MetadataTable:
    """What a table says, by picture.

    Attributes:
        path: the file.
        sha256: of its bytes.
        by_content: whether its pictures are named by their sha256.
    """

    def __init__(self, path: Path) -> None:
        """Read it; InputError where it cannot be read, or does not say what it is about."""
        self.path = path
        hint = "--metadata TABLE, a file of the kind " + " ".join(ENDINGS)
        try:
            data = path.read_bytes()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise InputError(f"cannot be read: {reason}", where=str(path), hint=hint) from error
        self.sha256 = hashlib.sha256(data).hexdigest()
        frame = _frame(data, path, hint)
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
        for place, name in enumerate(frame[key]):
            if name is not None:
                self._places.setdefault(_key(name), place)

    def find(self, *keys: str) -> Said | None:
        """The row of the first of the keys that has one: relative paths, names, a sha256."""
        place = next((self._places[k] for k in map(_key, keys) if k in self._places), None)
        if place is None:
            return None
        row: dict[str, Any] = self._rows.row(place, named=True)
        return Said("table", {name: value for name, value in row.items() if value is not None})


def _frame(data: bytes, path: Path, hint: str) -> pl.DataFrame:
    import polars as pl

    ending = path.suffix.lower()
    try:
        match ending:
            case ".csv" | ".tsv":
                separator = "\t" if ending == ".tsv" else ","
                return pl.read_csv(data, infer_schema=False, separator=separator, encoding="utf8-lossy")
            case ".jsonl" | ".ndjson":
                return pl.read_ndjson(data, infer_schema_length=None)
            case ".parquet":
                # Pictures may stand in it, too.
                names = [
                    n for n, t in pl.read_parquet_schema(data).items() if not t.is_nested() and t != pl.Binary
                ]
                return pl.read_parquet(data, columns=names)
    except Exception as error:  # of many kinds: a table that a library cannot read is not one
        words = " ".join(str(error).split())[:200]
        raise InputError(f"this table cannot be read: {words}", where=str(path), hint=hint) from error
    raise InputError("not a table that is read", where=str(path), hint=hint)


def _is_text(frame: pl.DataFrame, name: str) -> bool:
    import polars as pl

    return frame.schema[name] == pl.String


def _is_words(name: str) -> bool:
    return field_of(name) is not None or name in _WHOLE_TEXTS


def _key(name: str) -> str:
    """A path as tables write it, on any system: `./a\\b.png` is `a/b.png`."""
    return str(PurePosixPath(name.strip().replace("\\", "/")))
