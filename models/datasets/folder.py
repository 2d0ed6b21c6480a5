"""Pictures in folders that are called like their expression: `happiness/*.png`, `train/happiness/*.png`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import InputError
from curate.models.datasets.labelled import (
    expression_help,
    expression_named,
    labelled,
    missing,
    pictures_in,
    split_named,
)

if TYPE_CHECKING:
    import polars as pl

LAYOUT = (
    "EXPRESSION/*.png, or SPLIT/EXPRESSION/*.png with the splits train, valid and test (any picture format)"
)


def read_folder(root: Path) -> pl.DataFrame:
    """The labelled frame, with `expression` and, where the folders say it, `split`.

    Raises:
        InputError: there are no such folders, or one is called like no expression.
    """
    import polars as pl

    folders = _folders(root)
    if not folders:
        raise missing(root, "there are no folders in it", LAYOUT)
    splits = {folder: split_named(folder.name) for folder in folders}
    rows: list[tuple[str, str | None, str]] = []
    for folder in folders:
        split = splits[folder]
        if split is None and any(splits.values()):
            raise InputError("neither train, valid nor test, as its neighbours are", where=str(folder))
        for labels in _folders(folder) if split else [folder]:
            expression = expression_named(labels.name)
            if expression is None:
                raise InputError(
                    "the folder is called like no expression",
                    where=str(labels),
                    hint=f"{expression_help(labels.name)}; expected: {LAYOUT}",
                )
            rows += [(str(picture.absolute()), split, expression) for picture in pictures_in(labels)]
    types = {"image": pl.String, "split": pl.String, "expression": pl.String}
    frame = pl.DataFrame(rows, schema=types, orient="row")
    if not any(splits.values()):
        frame = frame.drop("split")
    return labelled(frame, root, lambda row: rows[row][0])


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
