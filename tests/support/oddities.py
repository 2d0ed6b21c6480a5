"""A score set with everything in it that a format may stumble over: odd words, nulls, several faces, landmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from backed import write_backed

from curate.scorers.columns import GENERATION, landmarks_column, schema
from curate.shards import list_shards

NAMES = ["=1+1.png", "A.PNG", "a.png", "two.jpg", "two.jpg", "naïve 😀.png", "plain.png", "nothing.png"]
PROMPTS = [
    '=HYPERLINK("http://x","y")', "a\nb, c", 'he said "no", \ttwice', "+1 (smile:1.2), <lora:x:1>", "-", "日本 😀 é",
    "'quoted", None,
]  # fmt: skip
SEEDS = [0, 2**64 - 1, 2**63, 7, 7, None, 123456789012345678, 1]


def write_odd(folder: Path, pictures: Path, *, landmarks: bool = False) -> Path:
    """Write the pictures, and their set: eight faces in seven pictures, the last without any number."""
    count = len(NAMES)
    random = np.random.default_rng(0)
    write_backed(folder, pictures, NAMES)
    (shard,) = list_shards(folder)
    metadata = pl.read_parquet_metadata(shard)
    frame = pl.read_parquet(shard)
    types = schema(GENERATION)
    told = {"prompt": PROMPTS, "negative_prompt": PROMPTS[::-1], "seed": SEEDS, "steps": [20] * count}
    frame = frame.with_columns(pl.Series(name, values, types[name]) for name, values in told.items())
    boxes = {"box_x": 0.2, "box_y": 0.3, "box_w": 0.4, "box_h": 0.9}
    frame = frame.with_columns(pl.lit(value, pl.Float32).alias(name) for name, value in boxes.items())
    numbers = [name for name, dtype in frame.schema.items() if dtype == pl.Float32 and name not in boxes]
    known = pl.int_range(pl.len()) < count - 1
    frame = frame.with_columns(
        *(pl.when(known).then(name).alias(name) for name in (*numbers, "expression")),
        yaw=pl.Series([float("nan"), *random.normal(0, 20, count - 1)], dtype=pl.Float32),
        phash=pl.Series([0, 1, 2**64 - 1, *random.integers(0, 2**63, count - 3).tolist()], dtype=pl.UInt64),
    )
    if landmarks:
        mesh = random.random((count, 478, 3), np.float32) * 1.2 - 0.1
        frame = frame.with_columns(pl.Series("landmarks", mesh, landmarks_column().polars))
    frame.write_parquet(shard, metadata={"curate": metadata["curate"]})
    return folder
