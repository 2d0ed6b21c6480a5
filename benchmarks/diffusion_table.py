"""Takes the part of DiffusionFER that `lite` trains on, and the rest, which it is measured on.

    python benchmarks/diffusion_table.py ../shared/data/diffusionfer.parquet -o diffusion

A quarter of the pictures, chosen by the sha256 of their bytes, is set aside; of these, the ones whose two
labels agree are written to `labels.csv` with a split of `train` (or `valid`, one in eight). The other three
quarters are in `test.csv`, with the folder's label: nothing is trained on them or chosen by them.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from pathlib import Path

import polars as pl

from curate.models.datasets.labelled import expression_named


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parquet", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    a = parser.parse_args()
    train, test = [], []
    for folder in ("train", "test"):
        (a.output / folder).mkdir(parents=True, exist_ok=True)
    for row in pl.read_parquet(a.parquet).to_dicts():
        digest = hashlib.sha256(row["image"]).hexdigest()
        label = expression_named(row["folder_label"])
        aside = int(digest[:8], 16) % 4 == 0
        if aside and label != row["sheet_label"]:
            continue
        name = f"{'train' if aside else 'test'}/{digest[:16]}.jpg"
        (a.output / name).write_bytes(row["image"])
        if aside:
            train.append((name, label, "train" if int(digest[8:16], 16) % 8 else "valid"))
        else:
            test.append((name, label, "test"))
    for file, rows in (("labels.csv", train), ("test.csv", test)):
        with (a.output / file).open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["image", "expression", "split"])
            writer.writerows(rows)
    print(f"{len(train)} to train on, {len(test)} to measure on, in {a.output}")


if __name__ == "__main__":
    main()
