"""Score sets that tests write by hand, with real pictures behind their rows."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image
from scoresets import scores, write_set

from curate.shards import list_shards


def picture(seed: int, format: str = "png") -> bytes:
    """A small picture, other bytes for every seed."""
    pixels = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format)
    return file.getvalue()


def write_backed(
    folder: Path,
    pictures: Path,
    names: Sequence[str],
    columns: Mapping[str, Sequence[Any]] | None = None,
    *,
    status: Mapping[str, str] | None = None,
) -> Path:
    """Write pictures of these names below `pictures`, and a set with a row for each; a name that occurs again is its
    picture's next face."""
    for i, name in enumerate(dict.fromkeys(names)):
        path = pictures / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(i, "jpeg" if name.lower().endswith((".jpg", ".jpeg")) else "png"))
    told = {**scores(len(names)), **(columns or {})}
    write_set(folder, names, told, status=status, source=str(pictures))
    for shard in list_shards(folder):
        frame = pl.read_parquet(shard)
        images = frame["image"].to_list()
        real = [hashlib.sha256(Path(image).read_bytes()).hexdigest() for image in images]
        formats = ["jpeg" if image.lower().endswith((".jpg", ".jpeg")) else "png" for image in images]
        metadata = pl.read_parquet_metadata(shard)
        frame = frame.with_columns(
            sha256=pl.Series(real),
            format=pl.Series(formats),
            width=pl.lit(16, pl.Int32),
            height=pl.lit(16, pl.Int32),
        )
        frame.write_parquet(shard, metadata={"curate": metadata["curate"]})
    return folder


def add_words(scores: Path, name: str, values: Sequence[str | None]) -> None:
    """Give a set of one shard a column of words."""
    (shard,) = list_shards(scores)
    metadata = pl.read_parquet_metadata(shard)
    rows = pl.read_parquet(shard).with_columns(pl.Series(name, values, dtype=pl.String))
    rows.write_parquet(shard, metadata={"curate": metadata["curate"]})
