"""File names that every system takes, none twice.

Linux tells `A.png` from `a.png` and takes almost any bytes; macOS and Windows do not, and an export is carried around.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence

_FORBIDDEN = frozenset('<>:"/\\|?*')
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{device}{n}" for device in ("com", "lpt") for n in "0123456789¹²³"]
)
# Bytes of a name: 255 are allowed, and something may be put behind it.
_BYTES = 200
_ENDING_BYTES = 20


def safe_name(text: str, *, otherwise: str = "picture") -> str:
    """A text as one part of a path: a name on every file system, no hidden file, no device, never `..`.

    Normalised to NFC; what may not be in a name becomes `_`; of a name that is too long the end of its stem is cut.

    Args:
        text: anything.
        otherwise: where nothing is left of it.
    """
    known = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    name = "".join("_" if c in _FORBIDDEN or not c.isprintable() else c for c in known)
    name = name.strip(" ").rstrip(". ")
    if not name.strip("._ "):
        name = otherwise
    if name.startswith("."):
        name = f"_{name[1:]}"
    if name.split(".")[0].rstrip(" ").casefold() in _DEVICES:
        name = f"_{name}"
    if len(name.encode()) > _BYTES:
        stem, ending = split_ending(name)
        if len(ending.encode()) > _ENDING_BYTES:
            stem, ending = name, ""
        short = stem.encode()[: _BYTES - len(ending.encode())].decode(errors="ignore")
        name = short.rstrip(". ") + ending
    return name


def split_ending(name: str) -> tuple[str, str]:
    """`a.b.png` as `a.b` and `.png`; the ending is empty where there is none."""
    stem, dot, ending = name.rpartition(".")
    return (stem, dot + ending) if stem else (name, "")


def same_name(path: str) -> str:
    """What is equal of two paths that some file system takes for one: without case, in one normal form."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", path).casefold())


def unique_paths(
    paths: Sequence[str], marks: Sequence[str | None], *, taken: Collection[str] = (), by_stem: bool = False
) -> list[str]:
    """The paths with something added to the name of those that others have already.

    The first of those that are equal keeps its name; the others get `~` and the beginning of their mark, and a
    number where that is not enough.

    Args:
        paths: safe ones.
        marks: for each what tells it from others: the sha256 of its content.
        taken: paths that are not to be had.
        by_stem: paths that differ by their ending alone are equal, too: other files will lie beside them.
    """

    def key(path: str) -> str:
        folder, slash, name = path.rpartition("/")
        return same_name(folder + slash + (split_ending(name)[0] if by_stem else name))

    used = {key(path) for path in taken}
    # What somebody is called already is nobody else's new name.
    asked = {key(path) for path in paths}
    # Where the search for a free number has come to, by what the names are made of.
    reached: dict[tuple[str, str], int] = {}
    found = []
    for path, mark in zip(paths, marks, strict=True):
        kind = (key(path), mark[:8] if mark else "")
        chosen, number = path, reached.get(kind, 1 if mark else 2)
        while (at := key(chosen)) in used or (chosen != path and at in asked):
            folder, slash, name = path.rpartition("/")
            stem, ending = split_ending(name)
            more = f"~{mark[:8]}" if mark else ""
            more += f"~{number}" if number > 1 else ""
            chosen = f"{folder}{slash}{stem}{more}{ending}"
            number += 1
        reached[kind] = number
        used.add(at)
        found.append(chosen)
    return found
