"""The samples of the app and the rows of the score set that they are from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from curate.browsing.fields import DIGEST_FIELD
from curate.errors import InputError
from curate.scoreset import ScoreSet, open_scores

ID = "id"
_INFO = "curate"
# What a face is known by: its picture's content, and its number in it.
KEY = ("sha256", "face")


def score_set(dataset: Any) -> ScoreSet:
    """The score set that a dataset was made from.

    Raises:
        InputError: the dataset is not of curate's making, or the set is no longer where it was.
    """
    said = (dataset.info or {}).get(_INFO) if dataset is not None else None
    if not isinstance(said, dict) or "scores" not in said:
        name = "no dataset is open" if dataset is None else f"the dataset `{dataset.name}` is of no score set"
        raise InputError(name, hint="curate browse SCORES opens one that is")
    folder = Path(said["scores"])
    if not folder.is_dir():
        raise InputError(
            "the score set that these faces are from is gone",
            where=str(folder),
            hint="curate browse SCORES, where SCORES is its new place",
        )
    return open_scores(folder)


def samples(view: Any) -> pl.DataFrame:
    """The keys of a view's samples, in its order: `id`, `image`, `sha256` (String), `face` (Int32)."""
    known = [name for name in ("filepath", "image", *KEY) if name in view.get_field_schema()]
    found = dict(zip((ID, *known), view.values([ID, *known]), strict=True))
    count = len(found[ID])
    paths = pl.Series("filepath", found["filepath"], pl.String)
    return pl.DataFrame(
        {
            ID: pl.Series(found[ID], dtype=pl.String),
            # Where the file that is shown is not the picture's own, its name is kept beside.
            "image": pl.Series(found.get("image", [None] * count), dtype=pl.String).fill_null(paths),
            "sha256": pl.Series(found.get("sha256", [None] * count), dtype=pl.String),
            "face": pl.Series(found.get("face", [None] * count), dtype=pl.Int32),
        }
    )


def ids_of_rows(source: ScoreSet, dataset: Any) -> pl.Series:
    """The sample of each row of a set, in the order of `source.scan()`; null for a row that has none.

    A row is its picture and the number of its face; a picture that has moved is known by its content.
    """
    rows = source.collect(source.scan().select("image", *KEY))
    there = samples(dataset)
    by_place = there.unique(["image", "face"], keep="first").select(ID, "image", "face")
    by_content = there.filter(pl.col("sha256").is_not_null()).unique(KEY, keep="first").select(ID, *KEY)
    placed = rows.join(by_place, on=["image", "face"], how="left", nulls_equal=True, maintain_order="left")[
        ID
    ]
    known = rows.join(by_content, on=KEY, how="left", nulls_equal=True, maintain_order="left")[ID]
    return placed.fill_null(known)


def rows_of_samples(source: ScoreSet, dataset: Any, ids: Iterable[str]) -> pl.Series:
    """The numbers (UInt32) of the rows of `source.scan()` that samples are, in the order of `ids`, without the
    samples that are of no row.
    """
    numbered = pl.DataFrame({ID: ids_of_rows(source, dataset)}).with_row_index("row").drop_nulls(ID)
    asked = pl.DataFrame({ID: pl.Series(list(ids), dtype=pl.String)})
    return asked.join(numbered, on=ID, how="inner", maintain_order="left")["row"]


def chosen(ctx: Any) -> list[str]:
    """The samples that a person means: the one that is open, or else those that are selected."""
    return [ctx.current_sample] if ctx.current_sample else list(ctx.selected)


def still_there(dataset: Any, ids: Iterable[str]) -> pl.DataFrame:
    """The keys of samples, as `samples` gives them, in the order of `ids`.

    Raises:
        InputError: some are no longer in the dataset.
    """
    asked = list(dict.fromkeys(ids))
    found = samples(dataset.select(asked, ordered=True))
    if gone := len(asked) - found.height:
        some = f"{gone:,} of these {len(asked):,} faces {'is' if gone == 1 else 'are'} gone"
        raise InputError(
            "these faces are gone" if gone == len(asked) else some,
            where=dataset.name,
            hint="reload the page: the score set has changed since it was opened",
        )
    return found


def with_copies(dataset: Any, faces: pl.DataFrame) -> pl.DataFrame:
    """All samples of these faces (`samples`): pictures that are the same byte for byte are of one content."""
    # In MongoDB's own words: of expressions it would not use the index of `sha256`.
    content = {"$in": faces["sha256"].unique().to_list()}
    same = dataset.match({"sha256": content, DIGEST_FIELD: {"$ne": None}})
    return samples(same).join(faces.select(KEY), on=KEY, how="semi", nulls_equal=True, maintain_order="left")


def of_no_row(dataset: Any, faces: pl.DataFrame) -> pl.Series:
    """Which of these samples (`samples`) were made from no row of a score set: a person added them."""
    made = dataset.select(faces[ID].to_list(), ordered=True).values(DIGEST_FIELD)
    return pl.Series([digest is None for digest in made], dtype=pl.Boolean)
