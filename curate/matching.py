"""Which picture of a score set a row of a table means."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from curate.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from curate.scoreset import ScoreSet


def one_face_each(rows: pl.DataFrame) -> pl.DataFrame:
    """Of a score set's rows, one a picture: its first face, the largest."""
    return rows.sort("image", "face").unique("image", keep="first", maintain_order=True)


def by_content(keys: Iterable[str | None], pictures: pl.DataFrame) -> list[int | None]:
    """For each sha256 the row of `pictures` that has it; of several copies the first."""
    rows: dict[str, int] = {}
    for row, digest in enumerate(pictures["sha256"]):
        if digest is not None:
            rows.setdefault(digest, row)
    return [None if key is None else rows.get(key) for key in keys]


def by_name(
    keys: Iterable[str | None], pictures: pl.DataFrame, opened: ScoreSet, *, where: str
) -> list[int | None]:
    """For each name the row of `pictures` that it means.

    A name is what the set itself says (`image`), or a path relative to the set's source or to the folder that it
    lies in, or `SPLIT/ROW` of its data set, or the mere name of a file that has it alone.

    Raises:
        InputError: a mere name is that of several pictures.
    """
    location = opened.manifest.source.location
    above = os.path.dirname(location)  # noqa: PTH120 - also of hub ids and patterns
    rows = {image: row for row, image in enumerate(pictures["image"])}
    called: dict[str, list[int]] = {}
    for image, row in rows.items():
        called.setdefault(os.path.basename(image), []).append(row)  # noqa: PTH119

    def find(key: str) -> int | None:
        relative = os.path.normpath(key)
        for image in (
            key,
            f"{location}#{key.removeprefix('#')}",
            os.path.join(location, relative),  # noqa: PTH118
            os.path.join(above, relative),  # noqa: PTH118
        ):
            if image in rows:
                return rows[image]
        same = called.get(key, [])
        if len(same) > 1:
            first, second = (pictures["image"][row] for row in same[:2])
            raise InputError(
                f"`{key}` may be {first} or {second}",
                where=where,
                hint="name pictures by their path, or by `sha256`",
            )
        return same[0] if same else None

    return [None if key is None else find(key) for key in keys]
