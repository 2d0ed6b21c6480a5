"""Does temperature know a neutral face? On DiffusionFER, Stable Diffusion portraits with two labels each.

    python benchmarks/temperature.py ../shared/data/diffusionfer.parquet [--scores diffusionfer.scores]

Types `curate score` (or takes a set that is scored) and prints, for the label of the picture's folder and for the one
of its authors' sheet: mean temperature by label, how far neutral lies under anger, happiness and surprise, the AUC of
temperature for neutral against the rest, and the rank correlation of valence and arousal with the given ones. All of
it twice: on every face, and on the three quarters of the pictures that no network here was trained on
(`diffusion_table.py`). Intervals are 95 % by bootstrap (1,000 draws of faces, seed 0).
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from curate import open_scores
from curate.models.datasets.labelled import expression_named

APART, AUC = 25.0, 0.85
HOT = ("anger", "happiness", "surprise")
LABELS = ("folder_label", "sheet_label")
DRAWS = 1000


def auc(cold: np.ndarray, hot: np.ndarray) -> float:
    """How often a hot face is hotter than a cold one; half of the ties. By ranks (Mann & Whitney 1947)."""
    ranks = pl.Series(np.concatenate([cold, hot])).rank("average").to_numpy()
    return float((ranks[len(cold) :].sum() - len(hot) * (len(hot) + 1) / 2) / (len(cold) * len(hot)))


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Rank correlation."""
    ranks = [pl.Series(values).rank("average").to_numpy() for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def interval(faces: pl.DataFrame, figure: Callable[[pl.DataFrame], float]) -> str:
    """A figure with its interval."""
    random = np.random.default_rng(0)
    drawn = [figure(faces[random.integers(0, faces.height, faces.height)]) for _ in range(DRAWS)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return f"{figure(faces):6.2f}  ({low:.2f} to {high:.2f})"


def of(label: str, *names: str) -> pl.Expr:
    return pl.col(label).is_in(names)


def temperatures(faces: pl.DataFrame, chosen: pl.Expr) -> np.ndarray:
    return faces.filter(chosen)["temperature"].to_numpy().astype(np.float64)


def report(faces: pl.DataFrame, label: str) -> bool:
    """Print the figures by one label; whether both bars are met."""
    table = faces.group_by(label).agg(
        pl.len().alias("faces"),
        pl.col("temperature").mean().alias("mean"),
        pl.col("temperature").median().alias("median"),
        pl.col("energy").mean().alias("energy"),
    )
    print(f"\n{label}")
    for name, count, mean, median, energy in table.sort("mean").iter_rows():
        print(
            f"  {name:<10} {count:4} faces  temperature {mean:5.1f}  median {median:5.1f}  energy {energy:.2f}"
        )
    met = True
    for name in HOT:

        def gap(rows: pl.DataFrame, name: str = name) -> float:
            cold, hot = temperatures(rows, of(label, "neutral")), temperatures(rows, of(label, name))
            return float(hot.mean() - cold.mean()) if len(cold) and len(hot) else float("nan")

        met &= gap(faces) >= APART
        print(f"  {name} over neutral: {interval(faces, gap)}  wanted {APART:g}")

    def area(rows: pl.DataFrame) -> float:
        return auc(temperatures(rows, of(label, "neutral")), temperatures(rows, ~of(label, "neutral")))

    print(f"  AUC, neutral against the rest: {interval(faces, area)}  wanted {AUC:g}")
    return met and area(faces) >= AUC


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parquet", type=Path)
    parser.add_argument("--scores", type=Path, help="a set that is scored already, or is to be written")
    a = parser.parse_args()
    scores = a.scores or Path("diffusionfer.scores")
    command = [sys.executable, "-m", "curate.app", "score", str(a.parquet), "-o", str(scores)]
    print("$ curate " + " ".join(command[3:]), flush=True)
    if subprocess.run(command).returncode not in (0, 3):
        raise SystemExit(1)
    given = pl.read_parquet(a.parquet).with_columns(
        sha256=pl.col("image").map_elements(
            lambda data: hashlib.sha256(data).hexdigest(), return_dtype=pl.String
        )
    )
    named = {name: expression_named(name) for label in LABELS for name in given[label].drop_nulls().unique()}
    given = given.with_columns(pl.col(label).replace(named) for label in LABELS)
    opened = open_scores(scores)
    measured = opened.read().filter(pl.col("status") == "ok")
    told = given.select("sha256", *LABELS, pl.col("valence", "arousal").name.suffix("_given"))
    faces = measured.join(told.unique("sha256"), on="sha256")
    untrained = faces.filter(
        pl.col("sha256").map_elements(lambda d: int(d[:8], 16) % 4 != 0, return_dtype=pl.Boolean)
    )
    affect = opened.manifest.affect
    print(f"{given.height} pictures, {faces.height} faces; affect {affect.name if affect else '?'}")
    met = True
    for words, rows in (("every face", faces), ("faces not trained on", untrained)):
        print(f"\n== {words}: {rows.height}")
        for label in LABELS:
            met &= report(rows.filter(pl.col(label).is_not_null()), label)
        for name in ("valence", "arousal"):
            both = rows.filter(pl.col(f"{name}_given").is_not_null())

            def rank(some: pl.DataFrame, name: str = name) -> float:
                return spearman(some[name].to_numpy(), some[f"{name}_given"].to_numpy())

            print(f"rank correlation of {name} with the given one: {interval(both, rank)}")
    print("\nevery bar is met" if met else "\nnot every bar is met")


if __name__ == "__main__":
    main()
