"""Our face mesh against the original, `mediapipe.solutions.face_mesh` 0.10.21, on a folder of pictures.

    python benchmarks/mesh_gate.py [FOLDER] [--env REFERENCE_ENV] [--opencv 4.11.0.86 4.12.0.88 ...]

Both sides get the same pixels: Pillow decodes once, and MediaPipe reads those from .npy files. The gate: the same
number of faces in every picture, landmarks within 0.01 px on average and 0.1 px at most. `--opencv` repeats our half
under other versions of opencv-python-headless, each installed into a folder that is thrown away. Exit code 1 where
the gate does not hold.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HERE = Path(__file__).resolve().parent
DEMO_FACES = HERE.parent.parent / "shared" / "data" / "demo_faces"
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
MEAN, MAX = 0.01, 0.1  # pixels
FACES = 2

Meshes = dict[str, NDArray[np.float32]]

THEIRS = """
import sys, pathlib, numpy as np, mediapipe as mp
folder, out = map(pathlib.Path, sys.argv[1:3])
found = {}
with mp.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True, max_num_faces=2,
                                     min_detection_confidence=0.5) as mesh:
    for path in sorted(folder.glob("*.npy")):
        faces = mesh.process(np.load(path)).multi_face_landmarks or []
        points = [[(p.x, p.y, p.z) for p in face.landmark] for face in faces]
        found[path.stem] = np.array(points, np.float32).reshape(-1, 478, 3)
np.savez(out, **found)
"""


def theirs(python: Path, pictures: Path, out: Path) -> None:
    """Run MediaPipe over the .npy files of a folder; write {stem: (faces, 478, 3)} to `out`."""
    subprocess.run([python, "-c", THEIRS, pictures, out], check=True, stderr=subprocess.DEVNULL)


def ours(pictures: Path, out: Path) -> None:
    """The same with our mesh, with its first pass alone, as MediaPipe has no other."""
    from curate.scorers.mesh import FaceMesh

    mesh = FaceMesh("cpu")
    found: Meshes = {}
    for path in sorted(pictures.glob("*.npy")):
        faces = mesh.detect([np.load(path)], max_faces=FACES, zooms=(1,))[0]
        found[path.stem] = np.array([face.landmarks for face in faces], np.float32).reshape(-1, 478, 3)
    np.savez(out, **found)  # type: ignore[arg-type]  # numpy's stubs take the names for its options


def ours_elsewhere(version: str, pictures: Path, out: Path) -> None:
    """Our half in a process of its own, under another OpenCV."""
    with tempfile.TemporaryDirectory(prefix="opencv-") as target:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target]
        subprocess.run([*pip, f"opencv-python-headless=={version}"], check=True)
        environment = {**os.environ, "PYTHONPATH": target}
        program = (
            "import sys, pathlib, cv2; sys.path.insert(0, sys.argv[4]); import mesh_gate\n"
            "assert pathlib.Path(cv2.__file__).is_relative_to(sys.argv[3]), cv2.__file__\n"
            "mesh_gate.ours(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))"
        )
        subprocess.run(
            [sys.executable, "-c", program, pictures, out, target, HERE], check=True, env=environment
        )


def make_environment(folder: Path) -> Path:
    """An environment with MediaPipe alone; returns its interpreter."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "mediapipe==0.10.21", "numpy<2"], check=True
        )
    return python


def holds(label: str, reference: Meshes, found: Meshes, sizes: dict[str, tuple[int, int]]) -> bool:
    """Print one line of comparison; True where the gate holds."""
    counts = [name for name in reference if len(reference[name]) != len(found[name])]
    distances = []
    for name, (width, height) in sizes.items():
        if name not in counts and len(reference[name]):
            scale = np.array([width, height, width], np.float32)
            distances.append(np.abs((reference[name] - found[name]) * scale).reshape(-1))
    delta = np.concatenate(distances) if distances else np.full(1, np.nan)
    passed = not counts and float(delta.mean()) <= MEAN and float(delta.max()) <= MAX
    faces = sum(map(len, reference.values()))
    print(
        f"{label:<22}{len(reference):>6} pictures {faces:>6} faces  other count in {len(counts)}"
        f"  mean {delta.mean():.4f} px  p99 {np.percentile(delta, 99):.4f}  max {delta.max():.4f}"
        f"  {'holds' if passed else 'FAILS'}"
    )
    for name in counts:
        print(f"    {name}: MediaPipe {len(reference[name])}, ours {len(found[name])}")
    return passed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", default=DEMO_FACES)
    parser.add_argument("--env", type=Path, help="an environment with mediapipe 0.10.21 [default: a new one]")
    parser.add_argument("--opencv", nargs="*", default=[], metavar="VERSION")
    parser.add_argument("--keep", type=Path, help="keep MediaPipe's landmarks in this .npz")
    parser.add_argument("--limit", type=int)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="mesh-gate-") as temp:
        pictures = Path(temp) / "pictures"
        pictures.mkdir()
        sizes: dict[str, tuple[int, int]] = {}
        paths = sorted(p for p in arguments.folder.iterdir() if p.suffix.lower() in SUFFIXES)
        for path in paths[: arguments.limit]:
            pixels = np.asarray(Image.open(path).convert("RGB"))
            np.save(pictures / f"{path.name}.npy", pixels)
            sizes[path.name] = (pixels.shape[1], pixels.shape[0])
        python = make_environment((arguments.env or Path(temp) / "mediapipe").absolute())
        reference_file = arguments.keep or Path(temp) / "theirs.npz"
        theirs(python, pictures, reference_file)
        reference: Meshes = dict(np.load(reference_file))

        passed = []
        for version in [None, *arguments.opencv]:
            out = Path(temp) / "ours.npz"
            if version is None:
                ours(pictures, out)
            else:
                ours_elsewhere(version, pictures, out)
            label = f"OpenCV {version}" if version else "OpenCV as installed"
            passed.append(holds(label, reference, dict(np.load(out)), sizes))
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
