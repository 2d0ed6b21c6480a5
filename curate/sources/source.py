"""What every source gives: inputs, in an order that never changes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal

from curate.errors import InputError
from curate.scorers.said import Said
from curate.sources.reference import Reference, Remote
from curate.sources.remote import MAX_BYTES, check_url, shown

Kind = Literal["folder", "files", "list", "dataset", "webdataset"]


@dataclass(frozen=True, slots=True)
class Beside:
    """A file beside a picture that may tell how it was made.

    Attributes:
        name: of the file, without a folder.
        at: where it lies.
    """

    name: str
    at: Reference


@dataclass(frozen=True, slots=True)
class Input:
    """One picture that wants a row. It is small, and any process can read it that reaches what it points to.

    Attributes:
        image: what the `image` column says; the same at every run. Always valid Unicode, and never with credentials.
        path: the file, absolute, as the operating system knows it; None where it is no file of its own here.
        data: the encoded bytes, of the odd source that has nothing to point to.
        said: what the source and tables say of the picture, the surest first.
        at: where it lies that is no file of its own: a URL, a part of a file, a cell of a table.
        beside: of pictures with `at`, the files beside it that are there; beside a file one looks.
        problem: why there is nothing to read, known beforehand.
    """

    image: str
    path: str | None = None
    data: bytes | None = None
    said: tuple[Said, ...] = ()
    at: Reference | None = None
    beside: tuple[Beside, ...] = ()
    problem: str = ""

    def read(self) -> bytes:
        """The encoded bytes.

        Raises:
            InputError: there is nothing to read, or nothing that should be (a folder, a pipe, a giant).
                The message has no path: `image` is it.
        """
        if self.problem:
            raise InputError(self.problem)
        if self.data is not None:
            return self.data
        if self.at is not None:
            return self.at.read()
        if self.path is None:
            raise InputError("the row holds no picture")
        try:
            path = Path(self.path)
            status = path.stat()
            # Opening a pipe would wait for ever, and a device never ends.
            if stat.S_ISDIR(status.st_mode):
                os.scandir(path).close()  # says why, where a folder cannot be listed
                raise InputError("this is a folder")
            if not stat.S_ISREG(status.st_mode):
                raise InputError("not a regular file")
            if status.st_size > MAX_BYTES:
                raise InputError(f"the file is too large for a picture: {status.st_size:,} bytes")
            return path.read_bytes()
        except FileNotFoundError:
            raise InputError("no such file") from None
        except OSError as error:
            raise InputError(f"cannot be read: {(error.strerror or str(error)).lower()}") from None
        except ValueError:
            raise InputError("not a possible file name") from None


@dataclass(frozen=True)
class Source:
    """Where pictures come from. Iterate it as often as you like: the same inputs in the same order.

    Attributes:
        name: a short name, fit for a file name: the score set is `NAME.scores` if nobody says otherwise.
        kind: what it is.
        location: an absolute path, a URL as it may be shown, or a hub id; for the manifest.
        limit: stop after so many inputs.
        some: there may be more at the location, of which it says nothing.
    """

    name: str
    kind: Kind
    location: str
    inputs: Callable[[], Iterator[Input]]
    counter: Callable[[], int | None]
    limit: int | None = None
    some: bool = False

    def __iter__(self) -> Iterator[Input]:
        return islice(self._distinct(), self.limit)

    @property
    def partial(self) -> bool:
        """Whether it names some pictures and says nothing of others, so that a set may well hold more."""
        return self.limit is not None or self.some or self.kind == "files" or self.location == "-"

    def _distinct(self) -> Iterator[Input]:
        """A list, or overlapping arguments, may name a picture twice; it gets one row."""
        if self.kind not in ("files", "list"):
            yield from self.inputs()
            return
        named: set[str] = set()
        for item in self.inputs():
            image = item.image
            if isinstance(item.at, Remote) and item.at.url != image and item.at.url not in named:
                named.add(item.at.url)
                if image in named:  # what is not shown of them is all that tells them apart
                    image = f"{image}#{hashlib.sha256(item.at.url.encode()).hexdigest()[:8]}"
                    item = replace(item, image=image)
            if image not in named:
                named.add(image)
                yield item

    @cached_property
    def count(self) -> int | None:
        """How many inputs there are, or None if only the end will tell. The first look may take a moment:
        a folder is walked for it."""
        count = self.counter()
        if count is None or self.limit is None:
            return count
        return min(count, self.limit)


def file_input(path: str) -> Input:
    """The input that a file is. `path` is absolute."""
    return Input(image=as_text(path), path=path)


def url_input(url: str, beside: tuple[Beside, ...] = ()) -> Input:
    """The input that an object behind a URL is; one whose URL holds credentials has a problem instead."""
    image = as_text(shown(url))
    try:
        check_url(url)
    except InputError as error:
        return Input(image, problem=error.message)
    return Input(image, at=Remote(url), beside=beside)


def as_text(path: str) -> str:
    r"""A path as valid Unicode: bytes that are none (`caf\xe9.png` in Latin-1) are written as escapes."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    return path


def absolute(path: str) -> str:
    """Absolute and without `..`, links left as they are."""
    return os.path.abspath(path)  # noqa: PTH100 - Path.resolve would follow links


def short_name(path: str) -> str:
    """The last part of an absolute path, as a name for a score set."""
    return as_text(Path(path).name) or "pictures"
