"""Pictures in the order in which parts ask for them, read once."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO

from curate.manifest import SourceRecord
from curate.pictures import Picture, read_pictures


class Stock:
    """Gives pictures in the order of `wanted`, and holds no more than a few of them in memory.

    A dataset gives its rows in its own order, and those that have moved at the end: what comes before it is asked for
    waits in a temporary file, which the system removes even after a kill.

    Args:
        source: where they come from.
        wanted: `image` -> `sha256`, all that will be asked for.
        folder: where that temporary file is.
    """

    def __init__(self, source: SourceRecord, wanted: Mapping[str, str | None], folder: Path) -> None:
        self._coming: Iterator[Picture] = read_pictures(source, wanted) if wanted else iter(())
        self._folder = folder
        self._spool: IO[bytes] | None = None
        self._waiting: dict[str, tuple[Picture, int, int]] = {}

    def __enter__(self) -> Stock:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop reading ahead, and let go of the temporary file."""
        if isinstance(self._coming, Generator):
            self._coming.close()
        if self._spool is not None:
            self._spool.close()

    def take(self, image: str) -> Picture:
        """A picture with its bytes or with a problem; each can be taken once."""
        if image in self._waiting:
            picture, begin, size = self._waiting.pop(image)
            if not size or self._spool is None:
                return picture
            self._spool.seek(begin)
            return replace(picture, data=self._spool.read(size))
        for picture in self._coming:
            if picture.image == image:
                return picture
            self._wait(picture)
        raise KeyError(image)

    def _wait(self, picture: Picture) -> None:
        if self._spool is None:
            self._spool = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - as long as this lives
        begin = self._spool.seek(0, 2)
        self._spool.write(picture.data)
        self._waiting[picture.image] = (replace(picture, data=b""), begin, len(picture.data))
