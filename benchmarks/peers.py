"""`curate score` against the `libreface` package, MediaPipe's own loop, and py-feat: same pictures, one run.

    CURATE_CACHE=FOLDER python benchmarks/peers.py -o peers.json --env REFERENCE_ENV [--pyfeat ENV] [--pictures FOLDER]

REFERENCE_ENV is `reference_env.py`'s; FOLDER holds the pack of the same seeded weights (`FOLDER/models/libreface`, see
benchmarks/README.md); ENV has py-feat, and its networks. Contestants take turns, each in a process of its own; imports,
opening and start-up are not counted for anybody, nor is a first picture (a first batch for us). Figures are medians
over the turns, ratios are taken within a turn. Pictures for which the package has no answer (it fails on two faces) are
left out for everybody. A contestant that cannot run here is in the table with the reason.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import mean, median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import clock
from host import describe, run
from picture_sets import EXAMPLES, SUFFIXES
from PIL import Image
from speed import BATCH, WARM, Config, links, missing, time_stages, turn
from stages import floor

HERE = Path(__file__).resolve().parent
FRAME = 512
LIBREFACE, VIDEO = "libreface 0.2.0, image loop", "libreface 0.2.0, its video path"
MEDIAPIPE, PYFEAT = "MediaPipe 0.10.21, face_mesh loop", "py-feat, Detector, batches of 8"
OURS = {
    **{
        f"curate score, mesh,quality,libreface, {n}": Config("local", "libreface", "exact", n) for n in (1, 2)
    },
    "curate score, mesh,quality,libreface, 2, fast": Config("local", "libreface", "fast", 2),
    **{f"curate score, mesh, {n}": Config("local", "mesh", "exact", n) for n in (1, 2)},
    "curate score, mesh,quality,lite, 1": Config("local", "lite", "exact", 1),
}
# Which contestant does the same job, for the ratio.
AGAINST = {"libreface": LIBREFACE, "mesh": MEDIAPIPE, "lite": PYFEAT}

Calls = list[dict[str, Any]]


def ask(python: Path, program: str, *arguments: object, temp: Path) -> Calls:
    """The calls that one turn of a contestant made."""
    output = temp / "calls.json"
    run([python, HERE / program, *arguments, "-o", output])
    calls: Calls = json.loads(output.read_text())["calls"]
    return calls


def make_video(paths: list[Path], temp: Path) -> Path:
    """A lossless clip of the pictures, a frame each, fitted into 512 x 512 with black beside them."""
    frames = temp / "frames"
    frames.mkdir()
    for number, path in enumerate(paths):
        picture = Image.open(path).convert("RGB")
        picture.thumbnail((FRAME, FRAME), Image.Resampling.LANCZOS)
        frame = Image.new("RGB", (FRAME, FRAME))
        frame.paste(picture, ((FRAME - picture.width) // 2, (FRAME - picture.height) // 2))
        frame.save(frames / f"{number:06}.png", compress_level=1)
    video = temp / "clip.mkv"
    codec = ["-c:v", "ffv1", "-pix_fmt", "bgr0"]
    run(["ffmpeg", "-y", "-framerate", "25", "-i", frames / "%06d.png", *codec, video])
    return video


def choose(folder: Path, count: int) -> list[Path]:
    """So many pictures, taken evenly from the whole folder."""
    paths = sorted(p.resolve() for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise SystemExit(f"no pictures in {folder}")
    return [paths[i * len(paths) // count] for i in range(count)] if count < len(paths) else paths


def peers(given: argparse.Namespace) -> tuple[dict[str, tuple[Path, str]], dict[str, str]]:
    """The interpreter and the program of each contestant that can run, and why the others cannot."""
    can: dict[str, tuple[Path, str]] = {}
    cannot: dict[str, str] = {}
    reference = given.env.absolute() / "bin" / "python" if given.env else None
    if reference is None or not reference.exists():
        reason = "no environment with it: python benchmarks/reference_env.py --env ENV"
        cannot |= dict.fromkeys((LIBREFACE, VIDEO, MEDIAPIPE), reason)
    else:
        can |= {LIBREFACE: (reference, "images"), MEDIAPIPE: (reference, "mesh")}
        if shutil.which("ffmpeg"):
            can[VIDEO] = (reference, "video")
        else:
            cannot[VIDEO] = "ffmpeg is not installed"
    if given.pyfeat is None:
        cannot[PYFEAT] = (
            "no environment with it; py-feat 2.1.5 downloads its networks from the Hugging Face hub at first use, "
            "which this machine cannot reach"
        )
    else:
        python = given.pyfeat.absolute() / "bin" / "python"
        done = subprocess.run([python, "-c", "import feat"], capture_output=True, text=True, check=False)
        if done.returncode:
            cannot[PYFEAT] = (done.stderr.strip().splitlines() or ["it does not start"])[-1]
        else:
            can[PYFEAT] = (python, "pyfeat.py")
    return can, cannot


def one(name: str, peer: tuple[Path, str], listing: Path, video: Path | None, temp: Path) -> Calls:
    """One turn of a contestant of others'."""
    python, what = peer
    if name == PYFEAT:
        return ask(python, what, listing, temp=temp)
    return ask(python, "original.py", what, video if what == "video" else listing, temp=temp)


def compare(answers: dict[str, dict[str, Any]], scores: Path) -> dict[str, float]:
    """How far our score set is from the package's answers."""
    import polars as pl

    rows = {
        Path(row["image"]).name: row
        for row in pl.read_parquet(scores / "part-*.parquet").iter_rows(named=True)
    }
    apart, labels = [], []
    for name, answer in answers.items():
        row = rows[name]
        for key, value in answer["au_intensities"].items():
            apart.append(abs(row[f"au{int(key.split('_')[1]):02}"] - value))
        labels.append(row["expression"] == answer["facial_expression"].lower())
    return {
        "pictures": len(labels),
        "au_apart": round(mean(apart), 4),
        "labels_equal": round(mean(labels), 3),
    }


def _others(scorers: set[str]) -> set[str]:
    return {AGAINST[scorer] for scorer in scorers} | ({VIDEO} if "libreface" in scorers else set())


def measure(given: argparse.Namespace, temp: Path) -> dict[str, Any]:
    """All turns, and their medians."""
    can, cannot = peers(given)
    lacks = missing()
    asked = set(given.only.split(",")) if given.only else set(AGAINST)
    wanted = {name: c for name, c in OURS.items() if c.scorer in asked}
    cannot = {name: reason for name, reason in cannot.items() if name in _others(asked)}
    can = {name: peer for name, peer in can.items() if name in _others(asked)}
    ours = {name: c for name, c in wanted.items() if not {c.scorer, c.profile} & lacks.keys()}
    cannot |= {
        name: next(lacks[word] for word in (c.scorer, c.profile) if word in lacks)
        for name, c in wanted.items()
        if name not in ours
    }
    paths, listing = choose(given.pictures, given.count), temp / "pictures.txt"
    listing.write_text("\n".join(map(str, paths)))
    answers: dict[str, dict[str, Any]] = {}
    if LIBREFACE in can:
        calls = one(LIBREFACE, can[LIBREFACE], listing, None, temp)
        answers = {p.name: call["answer"] for p, call in zip(paths, calls, strict=True) if call["answer"]}
        paths = [path for path in paths if path.name in answers]
        listing.write_text("\n".join(map(str, paths)))
    video = make_video(paths, temp) if VIDEO in can else None
    (temp / "peers").mkdir()
    same = [temp / "peers" / path.name for path in paths]
    for link, path in zip(same, paths, strict=True):
        link.symlink_to(path)
    warm = links(same, WARM * BATCH * 2, temp / "warm")
    clock.install(temp / "site")

    walls: dict[str, list[float]] = defaultdict(list)
    cpus: dict[str, list[float]] = defaultdict(list)
    floors: list[dict[str, float]] = []
    apart: dict[str, float] = {}
    for number in range(given.turns):
        print(f"turn {number + 1} of {given.turns}", file=sys.stderr, flush=True)
        for name, peer in can.items():
            try:
                calls = one(name, peer, listing, video, temp)
            except SystemExit as failure:
                print(failure, file=sys.stderr)
                cannot[name] = str(failure).strip().splitlines()[-1]
                continue
            counted = calls[1:] or calls
            pictures = len(paths) if name == VIDEO else len(counted) * (BATCH if name == PYFEAT else 1)
            walls[name].append(1000 * sum(call["wall"] for call in counted) / pictures)
            cpus[name].append(1000 * sum(call["cpu"] for call in counted) / pictures)
        for name, config in ours.items():
            found = turn(config, {"peers": same}, warm, temp)["ms"]["peers"]
            walls[name].append(found[0])
            cpus[name].append(found[1])
            if answers and config == OURS["curate score, mesh,quality,libreface, 2"]:
                apart = compare(answers, temp / "speed.scores")
        floors.append(time_stages({"peers": same}, temp, quick=False)["peers"])
    return {
        "host": describe(),
        "pictures": given.pictures.resolve().name,
        "count": len(paths),
        "turns": given.turns,
        "rows": [_row(name, walls, cpus, floors) for name in (*can, *ours) if name in walls],
        "missing": cannot,
        "answers": apart,
        "stages": {stage: round(median(f[stage] for f in floors), 3) for stage in floors[0]},
    }


def _row(
    name: str, walls: dict[str, list[float]], cpus: dict[str, list[float]], floors: list[dict[str, float]]
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name,
        "ms": round(median(walls[name]), 2),
        "images_s": round(1000 / median(walls[name]), 2),
        "turns": [round(1000 / ms, 2) for ms in walls[name]],
        "cpu_ms": round(median(cpus[name]), 2),
    }
    config = OURS.get(name)
    if config is None:
        return row
    if config.scorer != "mesh":
        least = [floor(stages, config.scorer, config.profile) for stages in floors]
        row["floor_ms"] = round(median(least), 2)
        row["of_floor"] = round(median(f / c for f, c in zip(least, cpus[name], strict=True)), 3)
    theirs = walls.get(AGAINST[config.scorer])
    if theirs:
        row["ratio"] = round(median(a / b for a, b in zip(theirs, walls[name], strict=True)), 2)
    return row


def main() -> None:
    """Measure, and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--env", type=Path, help="made by reference_env.py")
    parser.add_argument("--pyfeat", type=Path, help="an environment with py-feat")
    parser.add_argument("--pictures", type=Path, default=EXAMPLES)
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", help=f"of {', '.join(AGAINST)}")
    given = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        found = measure(given, Path(folder))
    given.output.write_text(json.dumps(found | {"seconds": round(time.monotonic() - start)}, indent=1))


if __name__ == "__main__":
    main()
