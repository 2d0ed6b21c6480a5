"""AffectNet (Mollahosseini et al. 2017), eight expressions, in both forms in which it has been handed out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from curate.errors import InputError
from curate.models.datasets.labelled import first_there, labelled, missing, pictures_in

if TYPE_CHECKING:
    import polars as pl

LAYOUT = (
    "train_set/ and val_set/, each with images/*.jpg and annotations/*_exp.npy; or training.csv and "
    "validation.csv (subDirectory_filePath, expression, ...) beside Manually_Annotated_Images/"
)
_CLASSES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
_LAST = 10  # 8 none, 9 uncertain, 10 no face: these pictures are left out
_SETS = {"train_set": "train", "val_set": "valid"}
_LISTS = {"training.csv": "train", "validation.csv": "valid"}
_IMAGES = ("Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images", ".")


def read_affectnet(root: Path) -> pl.DataFrame:
    """The labelled frame, with `expression` and `split` train or valid (the test part was never handed out).

    Pictures of no expression (none, uncertain, no face) have no row.

    Raises:
        InputError: nothing is there, or a label is none of AffectNet's.
    """
    if any((root / name / "annotations").is_dir() for name in _SETS):
        return _read_sets(root)
    for folder in (root, root / "Manually_Annotated_file_lists", root / "Manually_annotated_file_lists"):
        if any((folder / name).is_file() for name in _LISTS):
            return _read_lists(root, folder)
    raise missing(root, "there is no AffectNet in it", LAYOUT)


def _read_sets(root: Path) -> pl.DataFrame:

    rows: list[tuple[str, str, str]] = []
    for name, split in _SETS.items():
        if not (root / name).is_dir():
            continue
        pictures = pictures_in(root / name / "images")
        if not pictures:
            raise missing(root / name / "images", "there are no pictures", LAYOUT)
        for picture in pictures:
            label = root / name / "annotations" / f"{picture.stem}_exp.npy"
            number = _number(label)
            if number < len(_CLASSES):
                rows.append((str(picture.absolute()), split, _CLASSES[number]))
    return _frame(rows, root)


def _number(path: Path) -> int:
    """The label in a one-value .npy file, which holds a number or its digits."""
    try:
        number = int(np.load(path, allow_pickle=False).item())
    except FileNotFoundError:
        raise missing(path, "no label", LAYOUT) from None
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"not the number of an expression: {error}", where=str(path)) from None
    if not 0 <= number <= _LAST:
        raise InputError(f"expression {number} is not within 0..{_LAST}", where=str(path))
    return number


def _read_lists(root: Path, lists: Path) -> pl.DataFrame:
    import polars as pl

    rows: list[tuple[str, str, str]] = []
    for name, split in _LISTS.items():
        path = lists / name
        if not path.is_file():
            continue
        try:
            table = pl.read_csv(path, infer_schema=False)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise InputError(
                f"cannot be read: {error}", where=str(path), hint=f"expected: {LAYOUT}"
            ) from None
        lacking = {"subDirectory_filePath", "expression"} - set(table.columns)
        if lacking:
            raise missing(path, f"no column {', '.join(sorted(lacking))}", LAYOUT)
        pairs = table.select("subDirectory_filePath", "expression").rows()
        if not pairs:
            raise missing(path, "there are no rows", LAYOUT)
        first = str(pairs[0][0])
        images = first_there([root / folder for folder in _IMAGES if (root / folder / first).is_file()])
        if images is None:
            raise InputError(
                f"{name} names pictures, but the first, {first}, is not there",
                where=str(root / _IMAGES[0]),
                hint=f"expected: {LAYOUT}",
            )
        for line, (picture, label) in enumerate(pairs, start=2):
            if not str(label).isdigit() or int(label) > _LAST:
                raise InputError(f"line {line}: expression {label} is not within 0..{_LAST}", where=str(path))
            if int(label) < len(_CLASSES):
                rows.append((str(images.absolute() / str(picture)), split, _CLASSES[int(label)]))
    return _frame(rows, root)


def _frame(rows: list[tuple[str, str, str]], root: Path) -> pl.DataFrame:
    import polars as pl

    frame = pl.DataFrame(
        rows, schema=dict.fromkeys(("image", "split", "expression"), pl.String), orient="row"
    )
    return labelled(frame, root, lambda row: rows[row][0])
