"""The same faces as PNG and JPEG, of 512 and 1024 pixels, with all of the alignment's square inside and without.

    python benchmarks/picture_sets.py FOLDER [--pictures examples/faces] [--count 32]

Each face is cut out so that its place in the frame is the one that is wanted, scaled, and given a little noise, so that
the files weigh about what a generator's weigh. `unpadded` means that alignment needs nothing that lies outside of the
picture, `padded` that it does; each picture is asked again, after it was written, and must have exactly one face.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples" / "faces"
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
SIDES = (512, 1024)
FORMATS = ("jpeg", "png")
# The side of the picture, in sides of the upright square around the one that alignment cuts out.
FRAMES = {"unpadded": 1.3, "padded": 0.85}
NOISE = 2.0  # grey levels, standard deviation
NAMES = tuple(f"{kind}-{side}-{frame}" for kind in FORMATS for side in SIDES for frame in FRAMES)


def make_sets(
    folder: Path, pictures: Path = EXAMPLES, count: int = 32, names: tuple[str, ...] = NAMES
) -> dict[str, list[Path]]:
    """So many pictures of each set, by its name; what lies in `folder` already is taken as it is."""
    listing = folder / "sets.json"
    if listing.exists():
        made = json.loads(listing.read_text())
        if set(names) <= set(made) and all(len(made[name]) >= count for name in names):
            return {name: [folder / file for file in made[name][:count]] for name in names}
    from curate.scorers.mesh import FaceMesh

    mesh = FaceMesh("cpu")
    sources = sorted(path for path in pictures.iterdir() if path.suffix.lower() in SUFFIXES)
    sets: dict[str, list[str]] = {name: [] for name in names}
    frames = {name: [n for n in names if n.endswith(f"-{name}")] for name in FRAMES}
    for frame, of_frame in frames.items():
        for number, source in enumerate(sources * (1 + 4 * count // len(sources))):
            if not of_frame or all(len(sets[name]) >= count for name in of_frame):
                break
            files = _variants(source, number, frame, of_frame, mesh)
            for name, data in (files or {}).items():
                path = folder / name / f"{number:04}.{name.split('-')[0]}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                sets[name].append(str(path.relative_to(folder)))
    short = [name for name in names if len(sets[name]) < count]
    if short:
        raise SystemExit(f"{pictures} does not give {count} pictures of {', '.join(short)}")
    listing.write_text(json.dumps(sets, indent=1))
    return {name: [folder / file for file in files[:count]] for name, files in sets.items()}


def _variants(
    source: Path, number: int, frame: str, names: list[str], mesh: object
) -> dict[str, bytes] | None:
    """The files of one face, by the name of their set; None where one of them would not be what its name says."""
    from curate.scorers.align import face_square
    from curate.scorers.decode import decode

    pixels = decode(source.read_bytes()).pixels
    found = mesh.detect([pixels])[0]  # type: ignore[attr-defined]
    if len(found) != 1:
        return None
    height, width = pixels.shape[:2]
    quad = face_square(found[0].landmarks[:, :2].astype(np.float64) * (width, height)).quad
    low, high = quad.min(axis=0), quad.max(axis=0)
    side = float((high - low).max()) * FRAMES[frame]
    left, top = (low + high) / 2 - side / 2
    # What the frame has and the picture has not is its mirror image.
    border = int(max(-left, -top, left + side - width, top + side - height, 0)) + 2
    wide = np.pad(pixels, ((border, border), (border, border), (0, 0)), mode="symmetric")
    box = (left + border, top + border, left + border + side, top + border + side)
    files = {}
    for name in names:
        kind, size, _ = name.split("-")
        scaled = Image.fromarray(wide).resize((int(size), int(size)), Image.Resampling.LANCZOS, box)
        noise = np.random.default_rng(number).normal(0, NOISE, (int(size), int(size), 3))
        noisy = Image.fromarray(np.clip(np.asarray(scaled) + noise, 0, 255).astype(np.uint8))
        file = io.BytesIO()
        noisy.save(file, kind, **({"quality": 95} if kind == "jpeg" else {}))
        if _padded(file.getvalue(), mesh) != (frame == "padded"):
            return None
        files[name] = file.getvalue()
    return files


def _padded(data: bytes, mesh: object) -> bool | None:
    """Whether alignment pads this file; None where it has not exactly one face."""
    from curate.scorers.align import make_plan
    from curate.scorers.decode import decode

    pixels = decode(data).pixels
    found = mesh.detect([pixels])[0]  # type: ignore[attr-defined]
    if len(found) != 1:
        return None
    plan = make_plan(pixels.shape[1], pixels.shape[0], found[0].landmarks)
    return plan is not None and plan.margins is not None


def main() -> None:
    """Make them and say how large they are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=Path, default=EXAMPLES)
    parser.add_argument("--count", type=int, default=32)
    given = parser.parse_args()
    for name, files in make_sets(given.folder, given.pictures, given.count).items():
        print(f"{name}: {len(files)} files of {np.mean([f.stat().st_size for f in files]) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
