"""Renders faces with exactly known action units, to train and to test `lite`'s action units.

    python benchmarks/render_training_faces.py --ict ../shared/data/ict -o renders --count 9000 --seed 1

The rig is ICT-FaceKit light (MIT), driven through the `render.py` beside it; the looks are ours: hair, beard,
skin texture, make-up, lamps, backgrounds and lenses, so that a network cannot hold on to one of them. Writes
PNG files and `labels.csv`: `image`, `subject` (the identity) and the label columns of the catalogue. Pictures
with `--seed` n share no identity with those of another seed. `--dense` mixes action units as `render.py` does, and
draws every other face in its plain looks. Needs numba.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

INTENSITIES = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
PRESENCES = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
# The action units that are switched on by themselves; 25 follows from the lips, 23 is made below.
DRIVEN = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 24, 26, 43)
PRESENT = 0.2  # activation from which on an action unit counts as present: FACS intensity B

# Ekman & Friesen's prototypes (EMFACS), whole or in part: faces move in such groups more often than at random.
PROTOTYPES = (
    (6, 12), (6, 12, 26), (12,), (1, 4, 15), (1, 4, 15, 17), (1, 2, 5, 26), (1, 2, 4, 5, 7, 20, 26), (9, 17),
    (9, 10), (4, 5, 7, 24), (4, 7, 22), (4, 7), (14,), (6, 7, 12, 10), (10, 16, 26), (15, 17), (1, 2),
)  # fmt: skip
TONES = np.array([[.93, .76, .66], [.85, .66, .54], [.72, .52, .40], [.55, .38, .28], [.38, .25, .18]])  # fmt: skip
HAIR = np.array(
    [[.08, .06, .05], [.2, .13, .08], [.35, .24, .14], [.62, .48, .28], [.5, .5, .5], [.4, .16, .08]]
)  # fmt: skip
IRIS = np.array([[.22, .13, .07], [.25, .35, .5], [.25, .33, .2], [.35, .3, .25]])  # fmt: skip
SIZE = 256
SKIN = 9409 + 5015  # vertices of face and back of the head; eyes, teeth and gums come after them
IDENTITY_SHAPES = 40


class Rig:
    """render.py's model with what it lacks: hair, and a wide mouth's measure."""

    def __init__(self, folder: Path) -> None:
        self.r = r = load(folder)
        x, y, z = r.NEU.T
        hairline = np.where(
            z > 0, 4.5 + 5.2 * np.clip((z - 1.0) / 6.5, 0, 1) - 0.25 * np.abs(x) * (z > 4), -6.0
        )
        self.hair_height = np.where(np.arange(len(r.NEU)) < SKIN, y - hairline, -9.0)
        self.hair_height[(np.abs(x) > 7.6) & (z > -3.5) & (z < 2.5) & (y < 4.5)] = -9
        self.collar = np.clip((-12.8 - y - 0.02 * x**2) / 0.4, 0, 1)
        lips, chin = r.P[48:60], r.P[8]
        self.beard = np.clip((lips[:, 1].min() + 2.4 - y) / 1.0, 0, 1) * (z > -1) * (y > chin[1] - 1.0)
        self.inner = r.L68[60:68]
        self.cheeks = np.exp(-(((np.abs(x) - 4.2) / 1.6) ** 2) - ((y - r.P[30, 1]) / 1.6) ** 2) * (z > 0)
        mouth = np.isin(r.FM, [r.M.index("M_Teeth"), r.M.index("M_GumsTongue")])
        self.teeth = np.unique(r.F[mouth])
        self.normals = fast_normals(r)
        open_jaw = r.NEU + r.EX[r.EN["jawOpen"]]
        self.widest = self.gap(open_jaw) - self.gap(r.NEU)
        self.rest = self.gap(r.NEU)

    def gap(self, vertices: np.ndarray) -> float:
        """The mean distance between the inner lips."""
        p = vertices[self.inner]
        return float(np.linalg.norm(p[[1, 2, 3]] - p[[7, 6, 5]], axis=1).mean())


def load(folder: Path) -> Any:
    """Import render.py without leaving anything beside it."""
    sys.dont_write_bytecode = True
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="render-training-")
    spec = importlib.util.spec_from_file_location("ict_render", folder / "render.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"no render.py in {folder}")
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules["ict_render"] = module
    spec.loader.exec_module(module)
    return module


def fast_normals(r: Any) -> Any:
    """Vertex normals as in render.py, compiled."""
    import numba

    faces = r.F

    @numba.njit(fastmath=True)
    def add(v: Any, f: Any) -> Any:
        n = np.zeros_like(v)
        for i in range(len(f)):
            a, b, c = f[i]
            u, w = v[b] - v[a], v[c] - v[a]
            x, y, z = u[1] * w[2] - u[2] * w[1], u[2] * w[0] - u[0] * w[2], u[0] * w[1] - u[1] * w[0]
            for k in (a, b, c):
                n[k, 0] += x
                n[k, 1] += y
                n[k, 2] += z
        for i in range(len(n)):
            n[i] /= np.sqrt((n[i] ** 2).sum()) + 1e-9
        return n

    return lambda v: add(v, faces)


def activations(rng: np.random.Generator) -> dict[int, float]:
    """Action units of one picture, 0 to 1: a prototype or none, and others at random."""
    on: dict[int, float] = {}
    kind = rng.random()
    if kind < 0.07:
        return on
    if kind < 0.5:
        strength = rng.beta(2, 1.3)
        for unit in PROTOTYPES[rng.integers(len(PROTOTYPES))]:
            on[unit] = float(np.clip(strength * rng.uniform(0.6, 1.3), 0, 1))
    rate = 0.06 if kind < 0.5 else 0.16
    for unit in DRIVEN:
        if rng.random() < (rate * 0.5 if unit in (16, 18, 22, 43) else rate):
            on[unit] = float(rng.beta(1.5, 1.2))
    if kind > 0.9:  # one alone, faint or full
        unit = DRIVEN[rng.integers(len(DRIVEN) - 1)]
        on = {unit: float(rng.random())}
    if rng.random() < 0.05 and 26 not in on:
        on[23] = float(rng.beta(1.5, 1.2))
    return on


def dense_activations(r: Any, rng: np.random.Generator) -> dict[int, float]:
    """As render.py mixes them: each of the rig's action units by itself, whether they get on or not."""
    on = {}
    for name in r.AU:
        rare = name in ("AU28", "AD34") and rng.random() > 0.1
        if not rare and rng.random() < 0.18:
            on[int(name[2:])] = float(rng.beta(1.5, 1.2))
    return on


def plain_picture(
    rig: Rig, rng: np.random.Generator, who: np.random.Generator
) -> tuple[Image.Image, dict[str, float]]:
    """A face as render.py draws it: bald, its own lamps and backgrounds."""
    r = rig.r
    on = dense_activations(r, rng)
    ident = who.normal(0, 0.8, IDENTITY_SHAPES).astype("f4")
    named = {_name(unit): value for unit, value in on.items()}
    yaw, pitch, roll = rng.normal(0, 0.18), rng.normal(0, 0.08), rng.normal(0, 0.05)
    image, w = r.render(named, ident, rng, S=SIZE, yaw=yaw, pitch=pitch, roll=roll)
    return image, labels(rig, on, r.NEU + np.tensordot(w, r.EX, 1))


def _name(unit: int) -> str:
    return "AD34" if unit == 34 else f"AU{unit:02}"


def weights(r: Any, on: dict[int, float], rng: np.random.Generator) -> np.ndarray:
    """Blendshape weights, a little lopsided, with eyes that look about."""
    w = np.zeros(len(r.EX), "f4")
    for unit, value in on.items():
        if unit == 23:  # lips tightened: pressed and rolled in a little, the rig has no shape of its own
            shapes = {
                "mouthRollLower": 0.45,
                "mouthRollUpper": 0.45,
                "mouthPress_L": 0.4,
                "mouthPress_R": 0.4,
            }
            for name, share in shapes.items():
                w[r.EN[name]] = max(w[r.EN[name]], share * value)
            continue
        tilt = np.clip(rng.normal(0, 0.12), -0.3, 0.3) if rng.random() < 0.6 else 0.0
        for name in r.AU[_name(unit)]:
            lean = tilt if name.endswith("_L") else -tilt if name.endswith("_R") else 0.0
            w[r.EN[name]] = max(w[r.EN[name]], float(np.clip(value * (1 + lean), 0, 1.15)))
    if rng.random() < 0.5:
        side, up = rng.normal(0, 0.3), rng.normal(0, 0.2)
        look = {
            "Out_L": side,
            "In_R": side,
            "In_L": -side,
            "Out_R": -side,
            "Up_L": up,
            "Up_R": up,
            "Down_L": -up,
            "Down_R": -up,
        }
        for name, value in look.items():
            if f"eyeLook{name}" in r.EN:
                w[r.EN[f"eyeLook{name}"]] = np.clip(value, 0, 1)
    for name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight", "jawForward"):
        if name in r.EN and rng.random() < 0.04:
            w[r.EN[name]] = rng.uniform(0, 0.6)
    return w


def labels(rig: Rig, on: dict[int, float], vertices: np.ndarray) -> dict[str, float]:
    """Intensities 0 to 5 and presences 0 or 1."""
    parted = float(np.clip((rig.gap(vertices) - rig.rest) / rig.widest, 0, 1))
    value = {**on, 25: parted}
    row = {f"au{n:02}": round(5 * value.get(n, 0.0), 3) for n in INTENSITIES}
    row |= {f"au{n:02}_p": float(value.get(n, 0.0) >= PRESENT) for n in PRESENCES}
    return row


def noise(rng: np.random.Generator, points: np.ndarray, scale: float) -> np.ndarray:
    """Smooth noise over 3-D points, about -1 to 1."""
    total = np.zeros(len(points))
    for _ in range(5):
        wave = rng.normal(0, 1 / scale, 3)
        total += np.sin(points @ wave + rng.uniform(0, 6.28))
    return total / 2.5


def colours(
    rig: Rig, rng: np.random.Generator, v: np.ndarray, who: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Albedo (V, 3), and how far each vertex stands off for its hair (V,)."""
    r = rig.r
    tone = np.clip(TONES[who.integers(5)] * who.uniform(0.88, 1.1, 3) * who.uniform(0.9, 1.1), 0, 1)
    c = np.tile(tone, (len(v), 1))
    base = r.NEU
    for scale, strength in ((6.0, 0.05), (2.0, 0.05), (0.6, 0.04)):
        c *= 1 + noise(who, base, scale)[:, None] * strength * who.uniform(0, 1.5) * np.array([0.7, 1, 1])
    c *= 1 + rng.normal(0, who.uniform(0, 0.05), (len(v), 1))
    c *= 1 - rig.cheeks[:, None] * who.uniform(0, 0.35) * np.array([0.0, 0.6, 0.5])
    lip = (
        tone * np.array([0.86, 0.62, 0.62])
        if who.random() < 0.6
        else who.uniform(0.15, 0.8, 3) * (1, 0.5, 0.5)
    )
    c = c * (1 - r.LIP[:, None]) + np.clip(lip, 0, 1) * r.LIP[:, None]
    hair = HAIR[who.integers(len(HAIR))] * who.uniform(0.7, 1.3)
    brow = np.clip(r.BROW * who.uniform(0.3, 1.3), 0, 1)[:, None] * who.uniform(0.5, 0.95)
    c = c * (1 - brow) + hair * brow
    if who.random() < 0.35:
        shade = (rig.beard * who.uniform(0.2, 0.9) * (1 - r.LIP))[:, None]
        c = c * (1 - shade) + hair * shade
    stands = np.zeros(len(v))
    if who.random() < 0.85:
        lower = who.uniform(-1.5, 1.2)
        covered = np.clip((rig.hair_height + lower) / 0.7, 0, 1)
        x, y, z = base.T
        waves = 0.75 + 0.25 * np.sin(who.uniform(1, 3) * x + 1.1 * y) * np.sin(1.7 * y - 0.9 * z)
        stands = covered * waves * who.uniform(0.2, 1.8)
        strands = 1 + 0.25 * np.sin(noise(who, base, 0.4) * 6)
        c = c * (1 - covered[:, None]) + hair * strands[:, None] * covered[:, None]
    cloth = rig.collar[:, None] if who.random() < 0.8 else np.zeros((len(v), 1))
    c = c * (1 - cloth) + rng.uniform(0.05, 0.9, 3) * cloth
    for name, colour in (
        ("M_GumsTongue", (0.45, 0.16, 0.16)),
        ("M_Teeth", (0.85, 0.82, 0.74)),
        ("M_ScleraLeft", (0.9, 0.88, 0.86)),
        ("M_ScleraRight", (0.9, 0.88, 0.86)),
    ):
        c[np.unique(r.F[r.M.index(name) == r.FM])] = np.array(colour) * who.uniform(0.85, 1.05)
    iris = IRIS[who.integers(len(IRIS))]
    for points, t in r.irisM.values():
        rim = iris * np.where(t > 0.85, 0.55, 1)[:, None]
        c[points] = np.where((t < 0.4)[:, None], 0.02, np.where((t < 1)[:, None], rim, (0.9, 0.88, 0.86)))
    return np.clip(c, 0, 1), stands


def background(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side, 3) in 0..1: a gradient, blobs, or blocks."""
    kind = rng.integers(3)
    cells = int(rng.integers(2, 4)) if kind == 0 else int(rng.integers(3, 14))
    small = rng.uniform(0.02, 0.98, (cells, cells, 3)) ** rng.uniform(0.6, 1.8)
    if rng.random() < 0.5:
        small = small.mean(axis=(0, 1)) + (small - small.mean(axis=(0, 1))) * rng.uniform(0.05, 0.6)
    resample = Image.Resampling.NEAREST if kind == 2 else Image.Resampling.BICUBIC
    wall = Image.fromarray((np.clip(small, 0, 1) * 255).astype("u1")).resize((side, side), resample)
    return np.asarray(wall, "f4") / 255


def picture(
    rig: Rig, rng: np.random.Generator, who: np.random.Generator, *, dense: bool
) -> tuple[Image.Image, dict[str, float]]:
    """One face and its labels. `who` decides what belongs to the person, `rng` what belongs to the picture."""
    r = rig.r
    n = IDENTITY_SHAPES
    ident = who.normal(0, who.uniform(0.35, 0.7), n).astype("f4")
    on = dense_activations(r, rng) if dense else activations(rng)
    w = weights(r, on, rng)
    used = np.flatnonzero(w)
    v = r.NEU + np.tensordot(ident, r.ID[:n], 1)
    moved = v + (np.tensordot(w[used], r.EX[used], 1) if len(used) else 0)
    truth = labels(rig, on, r.NEU + (moved - v))
    c, stands = colours(rig, rng, moved, who)
    nor = rig.normals(moved.astype("f8"))
    if stands.any():
        moved = moved + nor * stands[:, None]
        nor = rig.normals(moved.astype("f8"))
    teeth = rig.teeth
    moved[teeth] += np.stack([-0.12 * moved[teeth, 0], 0 * moved[teeth, 0], np.full(len(teeth), -0.9)], 1)
    yaw, pitch, roll = rng.normal(0, 0.22), rng.normal(0, 0.13), rng.normal(0, 0.08)
    cy, sy, cp, sp, cr, sr = (
        np.cos(yaw),
        np.sin(yaw),
        np.cos(pitch),
        np.sin(pitch),
        np.cos(roll),
        np.sin(roll),
    )
    turn = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    turn = turn @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    centre = v[r.L68].mean(0) + np.array([0, 1.5, -5])
    x, normal = (moved - centre) @ turn.T, nor @ turn.T
    fine = 2 if rng.random() < 0.3 else 1
    side = SIZE * fine
    distance = float(rng.uniform(40, 140))
    focal = side * distance / 24.0 * rng.uniform(0.85, 1.15)
    depth = distance - x[:, 2]
    xy = np.stack([side / 2 + x[:, 0] / depth * focal, side / 2 - x[:, 1] / depth * focal], 1)
    az, el = rng.uniform(-1.3, 1.3), rng.uniform(-0.4, 1.0)
    lamps = np.array(
        [[np.sin(az) * np.cos(el), np.sin(el), np.cos(az) * np.cos(el)], [-np.sin(az) * 0.7, 0.2, 0.7]]
    )
    lamps /= np.linalg.norm(lamps, axis=1, keepdims=True)
    power = np.array([rng.uniform(0.35, 0.95), rng.uniform(0.0, 0.4)], "f4")
    image, z = r.raster(
        xy.astype("f4"), depth.astype("f4"), c.astype("f4"), normal.astype("f4"), r.F, side, side,
        lamps.astype("f4"), power, np.float32(rng.uniform(0.12, 0.45)), np.float32(rng.uniform(0, 0.3)),
    )  # fmt: skip
    image = np.where((z > 1e8)[..., None], background(rng, side), image * rng.uniform(0.85, 1.15, 3))
    out = Image.fromarray((np.clip(image, 0, 1) ** rng.uniform(0.6, 1.25) * 255).astype("u1"))
    if fine > 1:
        out = out.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    elif rng.random() < 0.6:
        out = out.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9)))
    return out, truth


_rig: list[Rig] = []


def start(folder: Path) -> None:
    """Load the rig once a process."""
    _rig.append(Rig(folder))


def make(seed: int, person: int, number: int, path: Path, dense: bool) -> dict[str, float]:
    """Render one picture to a file; its labels."""
    rng, who = np.random.default_rng((seed, 1, number)), np.random.default_rng((seed, 2, person))
    plain = dense and number % 2 == 0
    image, truth = plain_picture(_rig[0], rng, who) if plain else picture(_rig[0], rng, who, dense=dense)
    image.save(path, compress_level=1)
    return truth


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ict", type=Path, required=True, help="folder with render.py and ict_full.npz")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--count", type=int, default=9000)
    parser.add_argument("--people", type=int, help="identities [default: a third of the count]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--dense", action="store_true", help="mix action units as render.py does; half plain looks"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    a = parser.parse_args()
    a.output.mkdir(parents=True, exist_ok=True)
    people = a.people or max(1, a.count // 3)
    jobs = [(a.seed, i % people, i, a.output / f"face_{a.seed}_{i:06}.png", a.dense) for i in range(a.count)]
    with ProcessPoolExecutor(a.workers, initializer=start, initargs=(a.ict.resolve(),)) as pool:
        rows = list(pool.map(make, *zip(*jobs, strict=True), chunksize=32))
    with (a.output / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["image", "subject", *rows[0]])
        writer.writeheader()
        writer.writerows(
            {"image": path.name, "subject": f"{seed}-{who}"} | row
            for (seed, who, _, path, _), row in zip(jobs, rows, strict=True)
        )
    print(f"{len(rows)} faces of {people} people in {a.output}")


if __name__ == "__main__":
    main()
