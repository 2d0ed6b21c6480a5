"""Where the bytes of a picture lie that is no file of its own on this machine. References travel; pixels do not."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field

from curate.errors import InputError
from curate.sources.remote import MAX_BYTES, is_url, read_url


@dataclass(frozen=True, slots=True)
class Remote:
    """An object behind a URL. The URL may be a signed one, so it is never printed."""

    url: str = field(repr=False)

    def read(self, most: int = MAX_BYTES) -> bytes:
        """Its bytes; InputError where they cannot be had, or are more than `most`."""
        return read_url(self.url, most=most)


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a file: the member of an uncompressed archive.

    Attributes:
        path: the file, or its URL.
        offset, size: in bytes.
    """

    path: str
    offset: int
    size: int

    def read(self, most: int = MAX_BYTES) -> bytes:
        """The bytes; InputError where they cannot be had, or are more than `most`."""
        if self.size > most:
            raise InputError(f"the file is too large: {self.size:,} bytes, and {most:,} are read")
        if is_url(self.path):
            return read_url(self.path, self.offset, self.size)
        try:
            handle = os.open(
                self.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
            )
            with os.fdopen(handle, "rb") as file:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise InputError("not a regular file")
                file.seek(self.offset)
                data = file.read(self.size)
        except FileNotFoundError:
            raise InputError("no such file") from None
        except OSError as error:
            raise InputError(f"cannot be read: {(error.strerror or str(error)).lower()}") from None
        if len(data) != self.size:
            raise InputError("the file ends before it")
        return data


@dataclass(frozen=True, slots=True)
class Row:
    """A cell of a table that holds an encoded picture, as bytes or as a struct with `bytes`.

    Attributes:
        path: a Parquet file, an Arrow file that `save_to_disk` wrote, or the URL of a Parquet file.
        number: of the row in the file, from 0.
        column: its name.
    """

    path: str
    number: int
    column: str

    def read(self, most: int = MAX_BYTES) -> bytes:
        """The bytes; InputError where they cannot be had, or are more than `most`."""
        from curate.sources.cells import read_cell

        data = read_cell(self.path, self.number, self.column)
        if data is None:
            raise InputError("the row holds no picture")
        if len(data) > most:
            raise InputError(f"the file is too large: {len(data):,} bytes, and {most:,} are read")
        return data


Reference = Remote | Slice | Row
