"""Measures `lite` as a user would, with `curate score` and `curate evaluate`, and prints the table of its card.

    python benchmarks/lite_figures.py --data ../shared/data --diffusion diffusion --renders renders-test -o figures

`renders-test` comes from `benchmarks/render_training_faces.py --seed 2 --count 700 --people 700`: identities and
looks that no training picture has. `--other NAME=FOLDER` adds faces of another rig (`labels.csv` with `image` and
the label columns). Writes `figures.json`, which `ship_lite.py` prints on the card; what is scored lies beside it
and is used again.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

INTENSITIES = tuple(f"au{n:02}" for n in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26))


def run(*command: str) -> str:
    """A command of `curate`, as it would be typed; what it prints."""
    print("$ curate " + " ".join(command), flush=True)
    done = subprocess.run([sys.executable, "-m", "curate.app", *command], capture_output=True, text=True)
    if done.returncode not in (0, 3):
        raise SystemExit(f"{done.stdout}{done.stderr}")
    return done.stdout


def evaluate(pictures: Path, labels: Path, out: Path, *more: str) -> dict[str, Any]:
    """Score a folder (once) and compare with its labels."""
    scores = out / f"{pictures.parent.name}-{pictures.name}.scores"
    run("score", str(pictures), "-o", str(scores), "--scorers", "mesh,lite", "--quiet")
    answer: dict[str, Any] = json.loads(run("evaluate", str(scores), str(labels), "--json", *more))
    return answer


def ferplus(data: Path, out: Path) -> dict[str, Any]:
    """FER+ test, enlarged to 224 px, the majority of the votes."""
    import polars as pl

    folder, labels = out / "ferplus-test", out / "ferplus-test.csv"
    if not labels.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        rows = pl.read_parquet(data / "ferplus.parquet").filter(pl.col("split") == "test")
        with labels.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "expression"])
            for i, (pixels, majority) in enumerate(rows.select("image", "majority").iter_rows()):
                picture = Image.open(io.BytesIO(pixels)).convert("RGB")
                name = f"{i:05}.png"
                picture.resize((224, 224), Image.Resampling.BICUBIC).save(folder / name, compress_level=1)
                writer.writerow([name, majority])
    return evaluate(folder, labels, out)


def diffusionfer(table: Path, out: Path) -> dict[str, Any]:
    """The three quarters of DiffusionFER that nothing is trained on, the folder's label, its seven classes."""
    return evaluate(table / "test", table / "test.csv", out, "--classes", "labelled")


def plain(folder: Path, out: Path) -> dict[str, Any]:
    """ICT-FaceKit's own sample set (`python render.py OUT`): its activations, 0 to 1, as intensities."""
    labels = out / "ict-sample.csv"
    with (folder / "labels.csv").open(newline="") as source, labels.open("w", newline="") as target:
        writer = csv.writer(target)
        units = [n for n in INTENSITIES if n != "au25"]  # it says nothing of parted lips
        writer.writerow(["image", *units])
        for row in csv.DictReader(source):
            writer.writerow([row["file"], *(5 * float(row[n.upper()]) for n in units)])
    return evaluate(folder, labels, out)


def mirrored(data: Path, out: Path) -> float:
    """Mean absolute difference of the action units between portraits and their mirror images, 0 to 5."""
    import polars as pl

    there, back = out / "portraits", out / "portraits-mirrored"
    for folder in (there, back):
        folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((data / "demo_faces").glob("*.jpg")):
        picture = Image.open(path).convert("RGB")
        picture.save(there / f"{path.stem}.png", compress_level=1)
        flipped = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        flipped.save(back / f"{path.stem}.png", compress_level=1)
    frames = []
    for folder in (there, back):
        scores = folder.with_suffix(".scores")
        run("score", str(folder), "-o", str(scores), "--scorers", "mesh,lite", "--quiet")
        frame = pl.read_parquet(scores / "*.parquet").filter(pl.col("status") == "ok")
        frames.append(frame.with_columns(name=pl.col("image").str.split("/").list.last()))
    both = frames[0].join(frames[1], on="name", suffix="_back")
    return float(np.mean([(both[n] - both[f"{n}_back"]).abs().mean() for n in INTENSITIES]))


def cost(data: Path) -> float:
    """Milliseconds a face of everything after the mesh: one thread, batches of 8, the median of 30."""
    from curate.scorers.face import Face
    from curate.scorers.lite import Lite
    from curate.scorers.mesh import FaceMesh

    paths = sorted((data / "demo_faces").glob("*.jpg"))[:9]
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    meshes = FaceMesh().detect(pictures)
    faces = [Face(p, m[0].landmarks) for p, m in zip(pictures, meshes, strict=True) if m][:8]
    scorer = Lite()
    scorer.open("cpu")
    scorer.score(faces)
    times = []
    for _ in range(30):
        start = time.perf_counter()
        scorer.score(faces)
        times.append((time.perf_counter() - start) / len(faces) * 1000)
    return float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="ferplus.parquet, diffusionfer.parquet, demo_faces"
    )
    parser.add_argument("--renders", type=Path, required=True)
    parser.add_argument("--diffusion", type=Path, required=True, help="made by diffusion_table.py")
    parser.add_argument("--sample", type=Path, help="made by `python render.py` of ICT-FaceKit")
    parser.add_argument("--other", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("-o", "--output", type=Path, required=True)
    a = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    out = a.output.absolute()
    out.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {
        "ferplus": ferplus(a.data, out),
        "diffusionfer": diffusionfer(a.diffusion, out),
    }
    if a.sample:
        figures["sample"] = plain(a.sample, out)
    rigs = {"rendered": a.renders} | {
        name: Path(path) for name, _, path in (o.partition("=") for o in a.other)
    }
    for name, folder in rigs.items():
        figures[name] = evaluate(folder, folder / "labels.csv", out)
    figures |= {"mirrored": mirrored(a.data, out), "cost_ms": cost(a.data)}
    (out / "figures.json").write_text(json.dumps(figures, indent=1))
    print(json.dumps(figures, indent=1)[:4000])


if __name__ == "__main__":
    main()
