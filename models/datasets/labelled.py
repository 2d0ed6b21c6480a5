"""The labelled frame, which every reader returns: one row a picture, with the labels that somebody gave it.

Columns, of which a frame has those that its data set knows:

- `image` (String): the picture's absolute path, or a name where `pixels` holds it.
- `pixels` (Binary): the encoded picture.
- `subject` (String): who is on it; what is told apart by it never lies on both sides of a split.
- `split` (String): `train`, `valid` or `test`, as the owners of the data split it.
- the labels, Float32, null where nobody annotated: `INTENSITIES` 0..5; `PRESENCES` 0..1; `EXPRESSIONS` as
  shares of votes that sum to 1, or instead of them one column `expression` (String) of their names.
- `majority` (Boolean, FER+ alone): whether most votes went to one of the eight expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import InputError
from curate.models import libreface

if TYPE_CHECKING:
    import polars as pl

EXPRESSIONS, INTENSITIES = libreface.EXPRESSIONS, libreface.INTENSITIES
PRESENCES = tuple(f"{name}_p" for name in libreface.PRESENCES)
LABELS = (*INTENSITIES, *PRESENCES, *EXPRESSIONS)
SPLITS = ("train", "valid", "test")
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

_ORDER = ("image", "pixels", "subject", "split", *LABELS, "expression", "majority")
# Words of other data sets and of everyday speech.
_WORDS = {
    "happy": "happiness", "joy": "happiness", "sad": "sadness", "surprised": "surprise", "afraid": "fear",
    "fearful": "fear", "disgusted": "disgust", "angry": "anger", "contemptuous": "contempt", "calm": "neutral",
}  # fmt: skip
_SPLIT_WORDS = {"training": "train", "val": "valid", "validation": "valid", "testing": "test"}


def expression_named(word: str) -> str | None:
    """The expression that a word means (`Happy`, `anger`), or None."""
    word = word.strip().lower()
    word = _WORDS.get(word, word)
    return word if word in EXPRESSIONS else None


def split_named(word: str) -> str | None:
    """The split that a word means (`val`, `Training`), or None."""
    word = word.strip().lower()
    word = _SPLIT_WORDS.get(word, word)
    return word if word in SPLITS else None


def expression_help(word: str) -> str:
    """Which expressions there are, and which of them was perhaps meant."""
    close = get_close_matches(word.lower(), [*EXPRESSIONS, *_WORDS], n=1)
    return f"did you mean `{close[0]}`?" if close else f"expressions are {', '.join(EXPRESSIONS)}"


def labelled(frame: pl.DataFrame, where: Path, line: Callable[[int], str]) -> pl.DataFrame:
    """A reader's rows, looked over: known columns in their order and types, values within their ranges.

    Args:
        frame: columns as described above; others are left out.
        where: what was read, for errors.
        line: what the row of that number (from 0) is called in `where`: `line 17`.

    Raises:
        InputError: there are no rows, or a value is out of its range.
    """
    import polars as pl

    if frame.is_empty():
        raise InputError("there are no labelled pictures in it", where=str(where))
    types: dict[str, type[pl.DataType]] = dict.fromkeys(_ORDER, pl.String)
    types |= dict.fromkeys(LABELS, pl.Float32) | {"pixels": pl.Binary, "majority": pl.Boolean}
    known = [name for name in _ORDER if name in frame.columns]
    for name in known:
        converted = frame[name].cast(types[name], strict=False)
        _refuse(
            converted.is_null() & frame[name].is_not_null(), frame[name], name, "is no number", where, line
        )
        frame = frame.with_columns(converted.fill_nan(None) if name in LABELS else converted)
    frame = frame.select(known)
    for name in known:
        if name in INTENSITIES:
            _refuse(~frame[name].is_between(0, 5), frame[name], name, "is not within 0..5", where, line)
        elif name in PRESENCES or name in EXPRESSIONS:
            _refuse(~frame[name].is_between(0, 1), frame[name], name, "is not within 0..1", where, line)
        elif name in ("split", "expression"):
            words = SPLITS if name == "split" else EXPRESSIONS
            _refuse(
                ~frame[name].is_in(words), frame[name], name, f"is none of {', '.join(words)}", where, line
            )
    shares = [name for name in EXPRESSIONS if name in known]
    if shares:
        total = frame.select(pl.sum_horizontal(shares, ignore_nulls=False).alias("total"))["total"]
        what = "the shares of the eight expressions"
        _refuse(~total.is_between(0.99, 1.01), total, what, "do not sum to 1", where, line)
    return frame


def _refuse(
    wrong: pl.Series, values: pl.Series, name: str, why: str, where: Path, line: Callable[[int], str]
) -> None:
    """InputError for the first row that is wrong."""
    row = wrong.fill_null(False).arg_max() if len(wrong) else None
    if row is not None and wrong[row]:
        raise InputError(f"{line(row)}: {name} {values[row]} {why}", where=str(where))


def pictures_in(folder: Path) -> list[Path]:
    """The pictures that lie in a folder itself, by name; none where it is missing."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)


def first_there(candidates: Iterable[Path]) -> Path | None:
    """The first of several places that exists."""
    return next((path for path in candidates if path.exists()), None)


def missing(root: Path, what: str, layout: str) -> InputError:
    """The error for a data set that is not laid out as expected."""
    if not root.exists():
        return InputError("no such file or folder", where=str(root), hint=f"expected: {layout}")
    return InputError(what, where=str(root), hint=f"expected: {layout}")


def read_lines(path: Path, layout: str) -> list[str]:
    """The lines of a text file; InputError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path), hint=f"expected: {layout}") from None


def whole_numbers(cells: Sequence[str], path: Path, number: int, layout: str) -> list[int]:
    """The cells of a line as whole numbers; InputError naming file and line."""
    try:
        return [int(cell) for cell in cells]
    except ValueError:
        said = ",".join(cells)
        raise InputError(
            f"line {number}: `{said}` are not whole numbers", where=str(path), hint=f"expected: {layout}"
        ) from None
