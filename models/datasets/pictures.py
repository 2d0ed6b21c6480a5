"""Pictures without labels, for pre-training: everything in a folder and its sub-folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from curate.models.datasets.labelled import PICTURES, labelled, missing

if TYPE_CHECKING:
    import polars as pl

LAYOUT = "a folder with pictures, in sub-folders or not; labels are not asked for"


def read_pictures(root: Path) -> pl.DataFrame:
    """The frame of a folder's pictures, without labels.

    Raises:
        InputError: there are no pictures in it.
    """
    import polars as pl

    found = sorted(
        str(path.absolute()) for path in root.rglob("*") if path.suffix.lower() in PICTURES and path.is_file()
    )
    if not found:
        raise missing(root, "there are no pictures in it", LAYOUT)
    return labelled(pl.DataFrame({"image": found}), root, lambda row: found[row])
