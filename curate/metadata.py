"""The metadata tables of a run: one that the user names, or those that lie in the folder that is scored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from curate.errors import InputError
from curate.metadata_table import MetadataTable
from curate.place import Place, place_of
from curate.scorers.said import Said
from curate.sources.bucket import kind_of, list_url
from curate.sources.folder import passed_over
from curate.sources.reference import Remote
from curate.sources.remote import is_url, source_errors
from curate.sources.source import Input, as_text
from curate.sources.webdataset import archive_of, member_of

# As in Hugging Face's imagefolder.
_NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
NONE = "none"
# Of how a picture finds its row; a set that was made by other rules reads its tables again.
_RULES = "2"
# Names in a folder at a URL that are looked through for folders with tables, and how many are asked for at a time.
_LISTED = 10_000
_LOOKERS = 16

Folder = Path | str
"""A folder here, or a URL without a slash at its end."""


@dataclass(frozen=True, slots=True)
class NamedTable:
    """The user's table.

    Attributes:
        table: what it says.
        folders: where its relative paths may begin: the folder that is scored, and the table's own.
    """

    table: MetadataTable
    folders: tuple[Folder, ...]

    def find(self, image: str, content: str | None, *, is_file: bool) -> Said | None:
        """What it says of a picture.

        Args:
            image: its `image`.
            content: its sha256, which is needed where the table goes by that.
            is_file: it is a path or a URL; else the row of a data set, `...#SPLIT/ROW`, or a member of an archive.
        """
        if self.table.by_content:
            return self.table.find(content or "")
        if archive_of(image) is not None:
            member = member_of(image)
            found = self.table.find(member, image) or self.table.find_bare(member.rpartition("/")[2])
            if found or not is_file:
                return found
        if not is_file:
            return self.table.find(image.rpartition("#")[2], image)
        relative = [path for folder in self.folders if (path := _below(image, folder)) is not None]
        return self.table.find(*relative, image) or self.table.find_bare(_name(image))


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table that lies in the folder that is scored, or in a folder in it.

    Attributes:
        folder: where it lies: it speaks for what lies there, too, by paths that begin there.
        name: its path in the folder that is scored.
        table: what it says; None if it cannot be read.
        error: why not.
    """

    folder: Folder
    name: str
    table: MetadataTable | None = None
    error: str = ""

    def find(self, item: Input, relative: str) -> Said | None:
        """What it says of a picture in its folder, by its path there."""
        if self.table is None:
            return Said("table", errors=(f"{self.name}: {self.error}",))
        if self.table.by_content:
            return self.table.find(_content(item))
        return self.table.find(as_text(relative), item.image)


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
        is_file = item.path is not None or isinstance(item.at, Remote)
        if self.named:
            content = _content(item) if self.named.table.by_content else None
            answer = self.named.find(item.image, content, is_file=is_file)
            return (answer,) if answer else ()
        said: list[Said] = []
        if not is_file or not self.found:
            return ()
        path, nearest = item.path or item.image, None
        for found in self.found:
            if nearest not in (None, found.folder):
                break
            relative = _below(path, found.folder)
            if relative is not None and (answer := found.find(item, relative)):
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


def open_metadata(named: str | Path | None, folder: Folder | None) -> Metadata:
    """The tables to be used.

    Args:
        named: the user's table, a path or a URL, or `none`.
        folder: where pictures lie that are scored as a folder; there, and in the folders in it, tables called
            `metadata.csv`, `metadata.jsonl` or `metadata.parquet` are used where none is named.

    Raises:
        InputError: the named table cannot be read, or has two rows for a picture. Where one merely lies there,
            that is an error of the rows.
    """
    if named is not None and str(named) != NONE:
        place = place_of(str(named))
        table = MetadataTable(place)
        if table.twice:
            raise InputError(table.twice[0], where=as_text(str(named)), hint="leave one row for each picture")
        beside: Folder = place.absolute().parent if isinstance(place, Path) else place.url.rpartition("/")[0]
        folders = (beside,) if folder is None else (folder, beside)
        return Metadata(NamedTable(table, tuple(_textual(each) for each in folders)))
    if named is not None or folder is None:
        return Metadata()
    found = []
    for above, path in _tables_at(folder) if isinstance(folder, str) else _tables_in(folder):
        name = as_text(_below(str(path), folder) or path.name)
        try:
            found.append(FoundTable(above, name, MetadataTable(path)))
        except FileNotFoundError:
            continue
        except InputError as error:
            found.append(FoundTable(above, name, error=error.message))
    return Metadata(found=tuple(found))


def _tables_in(folder: Path) -> list[tuple[Folder, Place]]:
    """The tables in a folder and in those in it, the innermost first, with the folder that each lies in."""
    paths = [path for name in _NAMES for path in (folder / name, *folder.glob(f"*/{name}"))]
    paths.sort(key=lambda path: (-len(path.parts), path))
    return [(path.parent, path) for path in paths if path.is_file() and not path.is_symlink()]


def _tables_at(url: str) -> list[tuple[Folder, Place]]:
    """The same at a URL. Of a folder with very many files in it, the folders in it are not looked into."""
    try:
        _, inside = list_url(url, _LISTED)
    except OverflowError:
        inside = []
    folders = [*(f"{url}/{name}" for name in inside if not passed_over(name)), url]
    places = [(folder, place_of(f"{folder}/{name}")) for folder in folders for name in sorted(_NAMES)]
    with source_errors(url), ThreadPoolExecutor(_LOOKERS) as threads:
        there = list(threads.map(lambda found: kind_of(str(found[1])) == "file", places))
    return [found for found, is_there in zip(places, there, strict=True) if is_there]


def _below(path: str, folder: Folder) -> str | None:
    """The path in a folder; None of what does not lie there."""
    if isinstance(folder, str):
        return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None
    if is_url(path) or not Path(path).is_relative_to(folder):
        return None
    return str(Path(path).relative_to(folder))


def _textual(folder: Folder) -> Folder:
    return folder if isinstance(folder, str) else Path(as_text(str(folder)))


def _name(image: str) -> str:
    return image.rpartition("/")[2] if is_url(image) else Path(image).name


def _content(item: Input) -> str:
    try:
        return hashlib.sha256(item.read()).hexdigest()
    except InputError:
        return ""
