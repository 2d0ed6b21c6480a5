"""The data sets that can be read, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import InputError
from curate.models.datasets import affectnet, bp4d, disfa, ferplus, folder, pictures, rafdb, table

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Reader:
    """How a data set is read, and the layout that is expected, in words."""

    read: Callable[[Path], pl.DataFrame]
    layout: str


READERS = {
    "affectnet": Reader(affectnet.read_affectnet, affectnet.LAYOUT),
    "bp4d": Reader(bp4d.read_bp4d, bp4d.LAYOUT),
    "disfa": Reader(disfa.read_disfa, disfa.LAYOUT),
    "ferplus": Reader(ferplus.read_ferplus, ferplus.LAYOUT),
    "folder": Reader(folder.read_folder, folder.LAYOUT),
    "pictures": Reader(pictures.read_pictures, pictures.LAYOUT),
    "rafdb": Reader(rafdb.read_rafdb, rafdb.LAYOUT),
    "table": Reader(table.read_table, table.LAYOUT),
}


def read(name: str, path: Path) -> pl.DataFrame:
    """The labelled frame (`labelled.py`) of a data set.

    Args:
        name: one of `READERS`.
        path: the file or folder, as its owners hand it out.

    Raises:
        InputError: there is no such reader, or the data is not as it expects; says where and what.
    """
    if name not in READERS:
        close = get_close_matches(name, READERS, n=1)
        meant = f"; did you mean `{close[0]}`?" if close else ""
        raise InputError(
            f"no reader of this name{meant}", where=name, hint=f"readers are {', '.join(READERS)}"
        )
    return READERS[name].read(path)
