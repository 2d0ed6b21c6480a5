"""`curate score` against the `libreface` package: same pictures, same seeded weights, same machine, one run.

    CURATE_CACHE=FOLDER python benchmarks/score_speed.py [PICTURES] --env REFERENCE_ENV [--count 60] [--repeats 3]

Needs this project installed, `reference_env.py`'s environment, a cache that holds the pack of the same seeded weights
(`$CURATE_CACHE/models/libreface`), and ffmpeg for the package's video path. Contestants take turns, and each figure
is the median over the turns, ratios within a turn:

- the package's image loop: `get_facial_attributes` on each picture, its default (joint) model, imports not counted;
- its video path: a lossless FFV1 clip of the same pictures, each fitted into 512 x 512 with black beside it;
- `curate score --scorers mesh,quality,libreface` with each number of workers: end to end, from the shell and back,
  and steady, which is that less the time of a run on a single picture.

Pictures for which the package has no answer (it fails on two faces) are left out for everybody. The answers are
compared, too. Last come our stages, each measured alone (`stages.py`), their sum, which is the floor under the time of
a picture, and how much of a worker's time it is.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

from PIL import Image

HERE = Path(__file__).resolve().parent
DEMO_FACES = HERE.parent.parent / "shared" / "data" / "demo_faces"
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
SCORERS = "mesh,quality,libreface"
FRAME = 512


class Cost(NamedTuple):
    """Seconds of wall clock and of CPU, of all processes together."""

    wall: float
    cpu: float


def run(command: list[Any], codes: tuple[int, ...] = (0,), **options: Any) -> Cost:
    """Run a program silently and to its end; SystemExit with what it said where its exit code is not expected."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in codes:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}")
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def original(python: Path, command: str, argument: Path, temp: Path) -> dict[str, Any]:
    """One turn of the package; see `original.py` for what comes back."""
    output = temp / "original.json"
    run([python, HERE / "original.py", command, argument, "-o", output], cwd=temp)
    result: dict[str, Any] = json.loads(output.read_text())
    return result


def curate(pictures: Path, out: Path, workers: int) -> Cost:
    """One turn of ours, into a new score set."""
    command = [Path(sys.executable).parent / "curate", "score", pictures, "-o", out, "--scorers", SCORERS]
    # Exit code 3: some pictures have no face.
    return run(
        [*command, "--workers", str(workers), "--device", "cpu", "--overwrite", "--quiet"], codes=(0, 3)
    )


def make_video(paths: list[Path], temp: Path) -> Path:
    """A lossless clip of the pictures, a frame each."""
    frames = temp / "frames"
    frames.mkdir()
    for number, path in enumerate(paths):
        picture = Image.open(path).convert("RGB")
        picture.thumbnail((FRAME, FRAME), Image.Resampling.LANCZOS)
        frame = Image.new("RGB", (FRAME, FRAME))
        frame.paste(picture, ((FRAME - picture.width) // 2, (FRAME - picture.height) // 2))
        frame.save(frames / f"{number:06}.png", compress_level=1)
    video = temp / "clip.mkv"
    run(
        [
            "ffmpeg",
            "-y",
            "-framerate",
            "25",
            "-i",
            frames / "%06d.png",
            "-c:v",
            "ffv1",
            "-pix_fmt",
            "bgr0",
            video,
        ]
    )
    shutil.rmtree(frames)
    return video


def compare(answers: dict[str, dict[str, Any]], scores: Path) -> list[str]:
    """How far our score set is from the package's answers, in lines to print."""
    import polars as pl

    rows = {row["image"]: row for row in pl.read_parquet(scores / "part-*.parquet").iter_rows(named=True)}
    by_name = {Path(image).name: row for image, row in rows.items()}
    intensity, gaze = [], []
    presence = expressions = missing = 0
    for path, answer in answers.items():
        row = by_name[Path(path).name]
        if row["status"] != "ok":
            missing += 1
            continue
        for key, value in answer["au_intensities"].items():
            intensity.append(abs(row[f"au{int(key.split('_')[1]):02}"] - value))
        for key, value in answer["detected_aus"].items():
            presence += (row[f"au{int(key.split('_')[1]):02}_p"] >= 0.5) != bool(value)
        expressions += row["expression"] != answer["facial_expression"].lower()
        if row["gaze_yaw"] is not None:
            gaze += [abs(row[name] - answer[name]) for name in ("gaze_yaw", "gaze_pitch")]
    n = len(answers) - missing
    lines = [
        f"the answers on {n} pictures (meshes differ by up to 0.1 px, which the seeded networks magnify):"
    ]
    if intensity:
        lines.append(
            f"    intensity 0-5    mean |difference| {mean(intensity):.4f}, max {max(intensity):.3f}"
        )
    lines.append(f"    presence         {presence} of {12 * n} labels differ")
    lines.append(f"    expression       {expressions} of {n} labels differ")
    if gaze:
        lines.append(f"    gaze in degrees  mean |difference| {mean(gaze):.3f} (answers reach +-2,000)")
    if missing:
        lines.append(f"    no face found by us in {missing}")
    return lines


def choose(folder: Path, count: int | None) -> list[Path]:
    """So many pictures, taken evenly from the whole folder."""
    paths = sorted(p.resolve() for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise SystemExit(f"no pictures in {folder}")
    if count is None or count >= len(paths):
        return paths
    return [paths[i * len(paths) // count] for i in range(count)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", default=DEMO_FACES)
    parser.add_argument("--env", type=Path, required=True, help="made by reference_env.py")
    parser.add_argument("--count", type=int, default=60, help="pictures [default: 60]")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-video", action="store_true")
    arguments = parser.parse_args()
    python = arguments.env.absolute() / "bin" / "python"

    with tempfile.TemporaryDirectory(prefix="score-speed-") as folder:
        temp = Path(folder)
        paths, everything = choose(arguments.folder, arguments.count), temp / "all.txt"
        everything.write_text("\n".join(map(str, paths)))
        calls = original(python, "images", everything, temp)["calls"]
        answers = {
            str(path): call["answer"]
            for path, call in zip(paths, calls, strict=True)
            if call["answer"] is not None
        }
        kept, single = temp / "pictures.txt", temp / "single.txt"
        kept.write_text("\n".join(answers))
        single.write_text(next(iter(answers)))
        n = len(answers)
        print(f"{n} pictures of {arguments.folder}; left out, as the package fails on them: {len(paths) - n}")
        video = None if arguments.no_video else make_video([Path(path) for path in answers], temp)

        walls: dict[str, list[float]] = defaultdict(list)
        cpus: dict[str, list[float]] = defaultdict(list)
        floors: dict[str, list[float]] = defaultdict(list)
        starts: list[float] = []

        def note(name: str, wall: float, cpu: float | None, pictures: int = n) -> None:
            walls[name].append(1000 * wall / pictures)
            if cpu is not None:
                cpus[name].append(1000 * cpu / pictures)

        scores = temp / "faces.scores"
        for turn in range(arguments.repeats):
            print(f"turn {turn + 1} of {arguments.repeats}", file=sys.stderr, flush=True)
            if turn:  # in the first turn it has just run
                calls = original(python, "images", kept, temp)["calls"]
            calls = [call for call in calls if call["answer"] is not None]
            note("libreface, image loop", sum(c["wall"] for c in calls), sum(c["cpu"] for c in calls))
            if video is not None:
                call = original(python, "video", video, temp)["calls"][0]
                if call["error"]:
                    raise SystemExit(f"the package's video path: {call['error']}")
                note("libreface, video", call["wall"], call["cpu"])
            for workers in arguments.workers:
                one = curate(single, temp / "single.scores", workers)
                many = curate(kept, scores, workers)
                starts.append(one.wall)
                name = f"curate, {workers} worker{'s' if workers > 1 else ''}"
                note(f"{name}, end to end", many.wall, many.cpu)
                note(f"{name}, steady", many.wall - one.wall, many.cpu - one.cpu, n - 1)
            times_file = temp / "stages.json"
            run([sys.executable, HERE / "stages.py", kept, "-o", times_file, "--repeats", "1"])
            for stage, ms in json.loads(times_file.read_text()).items():
                floors[stage].append(ms)

        base = walls["libreface, image loop"]
        print(f"{'':<34}{'ms/image':>10}{'images/s':>10}{'ratio':>8}{'CPU-ms':>9}   ms/image in each turn")
        for name, times in walls.items():
            turns = " ".join(f"{t:.1f}" for t in times)
            ms = median(times)
            # The machine drifts: turns are compared with each other, not with another hour.
            ratio = median(theirs / ours for theirs, ours in zip(base, times, strict=True))
            print(
                f"{name:<34}{ms:>10.1f}{1000 / ms:>10.2f}{ratio:>7.1f}x{median(cpus[name]):>9.1f}   {turns}"
            )
        print(f"a run on a single picture, from the shell and back: {median(starts):.2f} s")
        print("\n".join(compare(answers, scores)))

        stages = {stage: median(times) for stage, times in floors.items()}
        floor = sum(stages.values())
        floor_of_turn = [sum(times) for times in zip(*floors.values(), strict=True)]
        print("our stages, each alone, one thread:")
        for stage, ms in stages.items():
            print(f"    {stage:<20}{ms:>8.2f} ms {100 * ms / floor:>5.1f} %")
        print(f"    {'floor':<20}{floor:>8.2f} ms")
        for workers in arguments.workers:
            name = f"curate, {workers} worker{'s' if workers > 1 else ''}, steady"
            by_clock = median(f / (workers * t) for f, t in zip(floor_of_turn, walls[name], strict=True))
            by_cpu = median(f / t for f, t in zip(floor_of_turn, cpus[name], strict=True))
            print(
                f"{name}: {100 * by_clock:.0f} % of the floor by the clock, {100 * by_cpu:.0f} % by CPU time"
            )


if __name__ == "__main__":
    if "CURATE_CACHE" not in os.environ:
        raise SystemExit(
            "set CURATE_CACHE to a cache with the seeded pack models/libreface (benchmarks/README.md)"
        )
    main()
