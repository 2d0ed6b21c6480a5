"""Runs as the tests make them: one worker, small batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from curate import Summary, open_scores, score


def run(pictures: Path, out: Path, *scorers: str, **options: Any) -> Summary:
    return score(str(pictures), out, scorers=scorers or ("fake",), workers=1, batch_size=4, **options)


def rows(out: Path) -> pl.DataFrame:
    return open_scores(out).read()


def names(out: Path) -> list[str]:
    return [Path(image).name for image in rows(out)["image"]]
