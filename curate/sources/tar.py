"""What is in an uncompressed tar archive, by its headers alone.

The contents are jumped over: of a file on this machine only headers are read, of one behind a URL the blocks that
headers lie in. Names are names: nothing is ever unpacked, so `..` and absolute ones lead nowhere.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import IO, Any

_BLOCK = 512
# No header of ours or of any program that packs pictures is larger: a name, times, an owner.
_LONGEST_HEADER = 1 << 20
# A header as all programs write it for a file or a folder; numbers of another kind, long names, links are not plain.
_NUMBER = rb"(?:[0-7]{7}[ \0]|[0-7]{6}[ \0]{2})"
_PLAIN = re.compile(
    rb"([^\0].{99})"
    + _NUMBER * 3
    + rb"([0-7]{11})[ \0][0-7]{11}[ \0]([0-7]{6})[ \0]{2}([05]).{100}ustar(?:\x0000|  \0)"
    rb".{64}" + (rb"(?:" + _NUMBER + rb"|\0{8})") * 2 + rb"(.{155}).{12}",
    re.DOTALL,
)
CUT_OFF = "the archive is cut off here"
DAMAGED = "the archive is damaged here: what follows cannot be found"


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an archive that is no folder.

    Attributes:
        name: as the archive has it; "" of the place where the archive is damaged.
        offset, size: of its bytes in the archive.
        problem: why it cannot be read; "" where it can.
    """

    name: str
    offset: int = 0
    size: int = 0
    problem: str = ""


def members(file: IO[bytes], length: int) -> Iterator[Member]:
    """All members of an archive, in order.

    Where it is cut off or damaged, the last one says so: a member whose contents are not all there, or one without a
    name.

    Args:
        file: seekable, at its beginning.
        length: of the file, in bytes.
    """
    end = yield from _plain(file, length)
    if end < 0:
        return
    archive: Any = None
    careful: Any = _Careful(file)
    file.seek(end)
    try:
        archive = tarfile.TarFile(fileobj=careful, mode="r")
        while (header := archive.next()) is not None:
            archive.members = []  # it would remember all of them
            if archive.offset <= end or header.size < 0:
                yield Member("", problem=DAMAGED)
                return
            end = archive.offset
            if header.isdir():
                continue
            member = _member(header)
            if member.offset + member.size > length:
                yield Member(member.name, problem=CUT_OFF)
                return
            yield member
    except (tarfile.TarError, UnicodeError, ValueError, OverflowError, EOFError):
        yield Member("", problem=DAMAGED if end < length else CUT_OFF)
        return
    finally:
        if archive is not None:
            archive.close()
    # It also ends, without a word, where a header makes no sense.
    file.seek(end)
    last = file.read(_BLOCK)
    if len(last) < _BLOCK:
        yield Member("", problem=CUT_OFF)
    elif last.strip(b"\0"):
        yield Member("", problem=DAMAGED)


def _plain(file: IO[bytes], length: int) -> Generator[Member, None, int]:
    """The members up to the first header that is none of a plain file or folder: Python's own reader takes 3 times as
    long.

    Returns:
        Where that header is; -1 where the archive was cut off in a member's contents.
    """
    at = 0
    while True:
        file.seek(at)
        header = file.read(_BLOCK)
        plain = _PLAIN.fullmatch(header)
        # The sum of all bytes, where its own eight count as spaces.
        if plain is None or sum(header) - sum(header[148:156]) + 256 != int(plain[3], 8):
            return at
        name, size, _, kind, before = plain.groups()
        at += _BLOCK
        if kind == b"5":
            if int(size, 8):
                return at - _BLOCK
            continue
        told = b"/".join(filter(None, (before.partition(b"\0")[0], name.partition(b"\0")[0])))
        member = Member(told.decode(tarfile.ENCODING, "surrogateescape"), at, int(size, 8))
        if member.offset + member.size > length:
            yield Member(member.name, problem=CUT_OFF)
            return -1
        yield member
        at += -(-member.size // _BLOCK) * _BLOCK


def _member(header: tarfile.TarInfo) -> Member:
    if header.issym() or header.islnk():
        return Member(header.name, problem="a link, which is not followed in an archive")
    if header.issparse():
        return Member(header.name, problem="a file with holes, which is not read from an archive")
    if not header.isfile():
        return Member(header.name, problem="not a regular file")
    return Member(header.name, header.offset_data, header.size)


class _Careful:
    """A file of which nobody reads more at a time than a header may have."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """Some bytes; ReadError where a damaged or hostile header asks for too many."""
        if not 0 <= size <= _LONGEST_HEADER:
            raise tarfile.ReadError("a header that is too large")
        return self._file.read(size)
