"""Make the environment in which the original, `libreface` 0.2.0, runs with seeded weights; then check it.

    python benchmarks/reference_env.py [--env FOLDER] [--shared ../shared/libreface]

Running it again costs seconds. The package pins versions that no longer install together; these do, and they give
the answers that were recorded (`oracle/cases/*.json`), which is what the last step compares: digit for digit,
except gaze. Its seeded network makes degrees out of 1,404 numbers up to 512 with a gain of 100, so that the order
in which a CPU adds shows in the second decimal (measured: 0.02 degrees of 703 between AVX2 and AVX-512).
"""

import argparse
import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SHARED = HERE.parent.parent / "shared" / "libreface"
REQUIREMENTS = [
    "Pillow==9.5.0",
    "gdown==5.2.0",
    "huggingface_hub<0.30",
    "mediapipe==0.10.21",
    "numpy<2",
    "pandas<2.3",
    "pyyaml",
    "requests",
    "safetensors",
    "scikit-learn<1.6",
    "scipy<1.15",
    "torch==2.13.0",
    "tqdm",
]
BARE = [
    "torchvision==0.28.0",
    "timm==1.0.9",
    "libreface==0.2.0",
]  # their own requirements contradict the above
CPU_TORCH = "https://download.pytorch.org/whl/cpu"
GAZE = 0.05  # degrees
CASES = ["gray", "tight_crop", "exif_rotated"]


def default_folder() -> Path:
    """The user's cache directory, as far as it can be known without installing anything."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "curate" / "libreface-original"


def make(env: Path, shared: Path) -> Path:
    """Create or complete the environment; return its interpreter."""
    python = env / "bin" / "python"
    recipe = hashlib.sha256(json.dumps([REQUIREMENTS, BARE]).encode()).hexdigest()
    done = env / "installed.txt"
    if not (done.exists() and done.read_text() == recipe):
        if not python.exists():
            venv.create(env, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--extra-index-url", CPU_TORCH, *REQUIREMENTS], check=True)
        subprocess.run([*pip, "--no-deps", *BARE], check=True)
        done.write_text(recipe)
    seeded = env / "seeded" / "complete.txt"
    if not seeded.exists():
        subprocess.run([python, HERE / "original.py", "weights", "--shared", shared], check=True)
        seeded.write_text("")
    return python


def differences(recorded: Any, answer: Any, place: str) -> list[str]:
    """Every place where the answer is not the recorded one."""
    if isinstance(recorded, dict):
        return [
            line
            for key, value in recorded.items()
            for line in differences(value, answer[key], f"{place}.{key}")
        ]
    if isinstance(recorded, float):
        same = math.isclose(recorded, float(answer), rel_tol=1e-9, abs_tol=GAZE if ".gaze" in place else 1e-9)
    else:
        same = recorded == answer
    return [] if same else [f"{place}: recorded {recorded}, got {answer}"]


def check(python: Path, shared: Path) -> list[str]:
    """Ask the original about a few recorded inputs; return what differs from the recordings."""
    cases = {name: json.loads((shared / "oracle" / "cases" / f"{name}.json").read_text()) for name in CASES}
    paths = {name: str(shared / "oracle" / case["input"]) for name, case in cases.items()}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "answers.json"
        subprocess.run(
            [python, HERE / "original.py", "answers", *paths.values(), "-o", output],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        answers = json.loads(output.read_text())
    keys = [
        "detected_aus",
        "au_intensities",
        "facial_expression",
        "gaze_yaw",
        "gaze_pitch",
        "pitch",
        "yaw",
        "roll",
    ]
    return [
        line
        for name, case in cases.items()
        for line in differences({key: case["joint"][key] for key in keys}, answers[paths[name]], name)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", type=Path, default=default_folder())
    parser.add_argument("--shared", type=Path, default=SHARED)
    arguments = parser.parse_args()
    shared = arguments.shared.resolve()
    python = make(arguments.env.absolute(), shared)
    wrong = check(python, shared)
    print("\n".join(wrong) or f"{python}: the original answers as recorded on {', '.join(CASES)}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
