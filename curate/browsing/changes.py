"""What an import has to do: which rows are new, which have changed, which samples are of no row any more."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from curate.browsing.rows import DIGEST, KEY, PLACE, ROW

ID = "_id"
_NTH = "_nth"


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be written.

    Attributes:
        new: UInt32, ascending: rows without a sample.
        changed: frame of `_row` (UInt32, ascending) and `_id` (Binary): rows that are others than their sample was
            made from.
        removed: Binary: samples without a row.
        kept: how many samples are as they should be.
    """

    new: pl.Series
    changed: pl.DataFrame
    removed: pl.Series
    kept: int


def compare(rows: pl.DataFrame, samples: pl.DataFrame) -> Changes:
    """Find the sample of each row: by content and place, and where a picture was renamed by its content.

    Args:
        rows: `_row`, `_key`, `_place`, `_digest`, as of `rows.digests`.
        samples: `_id` (Binary), `_key`, `_place`, `_digest`; null where it is not to be trusted.
    """
    here = _matched(rows, samples, [KEY, PLACE])
    # The same picture may be there several times; each of them keeps its own sample.
    rows_left = rows.join(here, on=ROW, how="anti").sort(PLACE)
    samples_left = samples.join(here, on=ID, how="anti").sort(PLACE, ID)
    moved = _matched(rows_left, samples_left, [KEY])
    both = pl.concat([here, moved])
    changed = both.filter(pl.col("written").ne_missing(pl.col(DIGEST))).sort(ROW).select(ROW, ID)
    return Changes(
        new=rows_left.join(moved, on=ROW, how="anti")[ROW].sort(),
        changed=changed,
        removed=samples_left.join(moved, on=ID, how="anti")[ID],
        kept=both.height - changed.height,
    )


def _matched(rows: pl.DataFrame, samples: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    """`_row`, `_digest`, `_id`, `written`: the nth row of each value of `on`, and the nth sample."""
    left = rows.select(ROW, DIGEST, *on, _nth(rows, on))
    right = samples.select(ID, pl.col(DIGEST).alias("written"), *on, _nth(samples, on))
    return left.join(right, on=[*on, _NTH]).select(ROW, DIGEST, ID, "written")


def _nth(frame: pl.DataFrame, on: list[str]) -> pl.Expr:
    """Which of the rows with the same values a row is; counted only where there are such."""
    if frame.n_unique(on) == frame.height:
        return pl.lit(0, pl.UInt32).alias(_NTH)
    return pl.int_range(pl.len(), dtype=pl.UInt32).over(on).alias(_NTH)
