"""Rebuild docs/images/faces.png: example faces with their mesh, pose and sharpness.

curate score examples/faces -o faces.scores --landmarks
python examples/readme_picture.py faces.scores docs/images/faces.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from PIL import Image

import curate

FACES = (
    "00001-3141592654.png", "00003-2718281829.png", "00005-1618033989.png", "00009-1414213563.png",
    "ComfyUI_00004_.jpg", "ComfyUI_00009_.jpg", "seed0071.jpg", "seed0004.jpg",
)  # fmt: skip


def main(scores: Path, out: Path) -> None:
    """Draw the sheet."""
    rows = (
        curate.open_scores(scores)
        .read()
        .with_columns(pl.col("image").str.split("/").list.last().alias("name"))
    )
    figure, axes = plt.subplots(2, 4, figsize=(10, 5.9), facecolor="white")
    for axis, name in zip(axes.flat, FACES, strict=True):
        row = rows.row(by_predicate=pl.col("name") == name, named=True)
        points = np.array(row["landmarks"])[:, :2] * (row["width"], row["height"])
        axis.imshow(Image.open(row["image"]).convert("RGB"))
        axis.scatter(*points.T, s=0.9, c="#35e0ff", linewidths=0)
        axis.set_title(
            f"yaw {row['yaw']:+.0f}  pitch {row['pitch']:+.0f}  roll {row['roll']:+.0f}\n"
            f"sharpness {row['sharpness']:.2f}  eyes {row['eye_distance']:.0f} px",
            fontsize=9,
        )
        axis.set_axis_off()
    figure.tight_layout()
    figure.savefig(out, dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
