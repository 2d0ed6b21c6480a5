"""The files that the app shows: the pictures, and copies in the user's cache of what is no file of its own."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from curate.errors import InputError
from curate.manifest import SourceRecord
from curate.models.pack import cache_dir
from curate.pictures import file_of, has_file, read_pictures
from curate.place import replacing

FOLDER = "pictures"
_SUFFIX = {"jpeg": ".jpg"}
# A dataset is read once for so many of its pictures.
_AT_ONCE = 100_000


def files_of(source: SourceRecord, rows: pl.DataFrame) -> dict[str, str]:
    """`image` -> the file to show, of those rows whose picture is no file that FiftyOne can name.

    Args:
        source: what the set's manifest says of where its pictures are from.
        rows: with `image`, `sha256`, and `format` where it is known.
    """
    asked = _without_file(source, rows.lazy()).collect()
    kinds = asked["format"] if "format" in asked.columns else pl.repeat(None, asked.height, eager=True)
    named = zip(asked["image"], asked["sha256"], kinds, strict=True)
    return {image: str(_place(image, sha256, kind)) for image, sha256, kind in named}


def keep_pictures(source: SourceRecord, rows: pl.LazyFrame) -> None:
    """Copy the pictures that `files_of` names to `$CURATE_CACHE/pictures`, each whole or not at all.

    They lie there by the sha256 of their content, and what is there already is not read again. Where a picture cannot
    be had there is no file, and the app shows an empty place.

    Raises:
        InputError: the cache cannot be written.
    """
    schema = rows.collect_schema().names()
    asked = _without_file(source, rows.select(n for n in ("image", "sha256", "format") if n in schema))
    whole = asked.collect(engine="streaming")
    for begin in range(0, whole.height, _AT_ONCE):
        some = whole.slice(begin, _AT_ONCE)
        places = {image: Path(place) for image, place in files_of(source, some).items()}
        contents = dict(some.select("image", "sha256").iter_rows())
        missing = {image: contents[image] for image, place in places.items() if not place.is_file()}
        if missing:
            _copy(source, missing, places)


def _without_file(source: SourceRecord, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The pictures that are no files of their own, or have odd bytes in their names."""
    image = pl.col("image")
    odd = image.str.contains(r"#|://|\\x")
    return (
        rows.filter(odd)
        .unique("image", keep="first", maintain_order=True)
        .filter(
            image.map_elements(
                lambda name: not has_file(source, name) or not _is_text(file_of(name)),
                return_dtype=pl.Boolean,
            )
        )
    )


def _copy(source: SourceRecord, missing: Mapping[str, str | None], places: Mapping[str, Path]) -> None:
    pictures = read_pictures(source, missing)
    while True:
        try:
            picture = next(pictures, None)
        except InputError:
            return  # without its dataset a set can still be looked at by its numbers
        if picture is None:
            return
        if picture.problem is not None:
            continue
        place = places[picture.image]
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            hint = "CURATE_CACHE=FOLDER names another folder"
            raise InputError(f"cannot be written: {reason}", where=str(place.parent), hint=hint) from error
        with replacing(place) as partial:
            partial.write_bytes(picture.data)


def _place(image: str, sha256: str | None, kind: str | None) -> Path:
    name = sha256 or hashlib.sha256(image.encode()).hexdigest()
    suffix = _SUFFIX.get(kind or "", f".{kind}" if kind and kind.isalnum() else "")
    return cache_dir().absolute() / FOLDER / name[:2] / f"{name}{suffix}"


def _is_text(path: str) -> bool:
    try:
        os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
