"""The metadata tables of a run: one that the user names, or those that lie in the folder that is scored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from curate.errors import InputError
from curate.metadata_table import MetadataTable
from curate.scorers.said import Said
from curate.sources.source import Input, as_text

# As in Hugging Face's imagefolder.
_NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
NONE = "none"


@dataclass(frozen=True, slots=True)
class Metadata:
    """Tables, each with the folders that its relative paths may begin in.

    Attributes:
        tables: those that could be read.
        errors: why others could not be, a line each; every row says so.
    """

    tables: tuple[tuple[tuple[Path, ...], MetadataTable], ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """What decides the answers, in 16 hexadecimal digits; "" where there is no table."""
        parts = [table.sha256 for _, table in self.tables] + list(self.errors)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16] if parts else ""

    def about(self, item: Input) -> tuple[Said, ...]:
        """What the tables say of a picture, found by the first of:

        its path in the table's folder or in the folder that is scored, `SPLIT/ROW` of a data set, the whole of
        `image`, its bare name, its content.
        """
        if not self.tables and not self.errors:
            return ()
        said = [Said("table", errors=self.errors)] if self.errors else []
        for folders, table in self.tables:
            keys = [_content(item)] if table.by_content else _names(item, folders)
            if (found := table.find(*keys)) is not None:
                said.append(found)
        return tuple(said)


def _names(item: Input, folders: tuple[Path, ...]) -> list[str]:
    """What a table in one of these folders may call a picture."""
    if item.path is None:
        return [item.image.rpartition("#")[2], item.image]
    path = Path(item.path)
    relative = [as_text(str(path.relative_to(folder))) for folder in folders if path.is_relative_to(folder)]
    return [*relative, item.image, as_text(path.name)]


def open_metadata(named: str | Path | None, folder: Path | None) -> Metadata:
    """The tables to be used.

    Args:
        named: the user's table, or `none`.
        folder: where pictures lie that are scored as a folder; there, and in the folders in it, tables called
            `metadata.csv`, `metadata.jsonl` or `metadata.parquet` are used where none is named.

    Raises:
        InputError: the named table cannot be read. One that merely lies there is an error of the rows.
    """
    if named is not None and str(named) != NONE:
        table = MetadataTable(Path(named))
        beside = table.path.absolute().parent
        return Metadata((((beside,) if folder is None else (folder, beside), table),))
    if named is not None or folder is None:
        return Metadata()
    tables, errors = [], []
    for path in sorted(path for name in _NAMES for path in (folder / name, *folder.glob(f"*/{name}"))):
        if not path.is_file() or path.is_symlink():
            continue
        try:
            tables.append(((path.parent,), MetadataTable(path)))
        except InputError as error:
            errors.append(f"{as_text(str(path.relative_to(folder)))}: {error.message}")
    return Metadata(tuple(tables), tuple(errors))


def _content(item: Input) -> str:
    try:
        return hashlib.sha256(item.read()).hexdigest()
    except InputError:
        return ""
