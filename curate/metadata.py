"""The metadata tables of a run: one that the user names, or those that lie in the folder that is scored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from curate.errors import InputError
from curate.metadata_table import MetadataTable
from curate.scorers.said import Said
from curate.sources.source import Input, as_text

# As in Hugging Face's imagefolder.
_NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
NONE = "none"
# Of how a picture finds its row; a set that was made by other rules reads its tables again.
_RULES = "2"


@dataclass(frozen=True, slots=True)
class NamedTable:
    """The user's table.

    Attributes:
        table: what it says.
        folders: where its relative paths may begin: the folder that is scored, and the table's own.
    """

    table: MetadataTable
    folders: tuple[Path, ...]

    def find(self, image: str, content: str | None, *, is_file: bool) -> Said | None:
        """What it says of a picture.

        Args:
            image: its `image`.
            content: its sha256, which is needed where the table goes by that.
            is_file: it is a path; else the row of a data set, `...#SPLIT/ROW`.
        """
        if self.table.by_content:
            return self.table.find(content or "")
        if not is_file:
            return self.table.find(image.rpartition("#")[2], image)
        path = Path(image)
        relative = [str(path.relative_to(folder)) for folder in self.folders if path.is_relative_to(folder)]
        return self.table.find(*relative, image) or self.table.find_bare(path.name)


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table that lies in the folder that is scored, or in a folder in it.

    Attributes:
        folder: where it lies: it speaks for what lies there, too, by paths that begin there.
        name: its path in the folder that is scored.
        table: what it says; None if it cannot be read.
        error: why not.
    """

    folder: Path
    name: str
    table: MetadataTable | None = None
    error: str = ""

    def find(self, item: Input, path: Path) -> Said | None:
        """What it says of a picture in its folder."""
        if self.table is None:
            return Said("table", errors=(f"{self.name}: {self.error}",))
        if self.table.by_content:
            return self.table.find(_content(item))
        return self.table.find(as_text(str(path.relative_to(self.folder))), item.image)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What tables say of pictures.

    Attributes:
        named: the user's table.
        found: without one, those that were found, the innermost first.
    """

    named: NamedTable | None = None
    found: tuple[FoundTable, ...] = ()

    @property
    def fingerprint(self) -> str:
        """What decides the answers, in 16 hexadecimal digits; "" where there is no table."""
        parts = [self.named.table.sha256] if self.named else []
        parts += [
            f"{found.name} {found.table.sha256 if found.table else found.error}" for found in self.found
        ]
        return hashlib.sha256("\n".join([_RULES, *parts]).encode()).hexdigest()[:16] if parts else ""

    def about(self, item: Input) -> tuple[Said, ...]:
        """What the tables say of a picture.

        A table that was named finds it by the first of: its path in the folder that is scored or in the table's,
        `SPLIT/ROW` of a data set, the whole of `image`, its bare name if no other row has that; or by its content.
        Of tables that were found, the one that lies nearest above the picture and names it counts.
        """
        if self.named:
            content = _content(item) if self.named.table.by_content else None
            answer = self.named.find(item.image, content, is_file=item.path is not None)
            return (answer,) if answer else ()
        said: list[Said] = []
        if item.path is None or not self.found:
            return ()
        path, nearest = Path(item.path), None
        for found in self.found:
            if nearest not in (None, found.folder):
                break
            if path.is_relative_to(found.folder) and (answer := found.find(item, path)):
                said.append(answer)
                nearest = found.folder if found.table else nearest
        return tuple(said)

    def missed(self, pictures: Iterable[tuple[str, str | None]], *, are_files: bool) -> str:
        """A warning where the named table has no row for some pictures of a set; "" where it has, or none is named.

        Args:
            pictures: `image` and `sha256`.
            are_files: they are files, and no rows of a data set.
        """
        if self.named is None:
            return ""
        matched = count = 0
        for image, content in pictures:
            count += 1
            matched += self.named.find(image, content, is_file=are_files) is not None
        if matched == count:
            return ""
        table = self.named.table
        start = f"{as_text(str(table.path))} names {len(table):,} picture{'' if len(table) == 1 else 's'}; "
        if matched:
            return (
                start
                + f"{matched:,} of the {count:,} in the set {'is' if matched == 1 else 'are'} among them"
            )
        first = f": its first is {table.first}" if len(table) else ""
        return start + f"none of the {count:,} in the set is among them{first}"


def open_metadata(named: str | Path | None, folder: Path | None) -> Metadata:
    """The tables to be used.

    Args:
        named: the user's table, or `none`.
        folder: where pictures lie that are scored as a folder; there, and in the folders in it, tables called
            `metadata.csv`, `metadata.jsonl` or `metadata.parquet` are used where none is named.

    Raises:
        InputError: the named table cannot be read, or has two rows for a picture. Where one merely lies there,
            that is an error of the rows.
    """
    if named is not None and str(named) != NONE:
        table = MetadataTable(Path(named))
        if table.twice:
            raise InputError(table.twice[0], where=as_text(str(named)), hint="leave one row for each picture")
        beside = table.path.absolute().parent
        folders = (beside,) if folder is None else (folder, beside)
        return Metadata(NamedTable(table, tuple(Path(as_text(str(each))) for each in folders)))
    if named is not None or folder is None:
        return Metadata()
    found = []
    paths = [path for name in _NAMES for path in (folder / name, *folder.glob(f"*/{name}"))]
    for path in sorted(paths, key=lambda path: (-len(path.parts), path)):
        if not path.is_file() or path.is_symlink():
            continue
        name = as_text(str(path.relative_to(folder)))
        try:
            found.append(FoundTable(path.parent, name, MetadataTable(path)))
        except InputError as error:
            found.append(FoundTable(path.parent, name, error=error.message))
    return Metadata(found=tuple(found))


def _content(item: Input) -> str:
    try:
        return hashlib.sha256(item.read()).hexdigest()
    except InputError:
        return ""
