"""How many pictures a second: PNG and JPEG, 512 and 1024 pixels, padded and not, by engine, profile and workers.

    python benchmarks/speed.py -o speed.json [--pictures examples/faces] [--turns 3] [--scratch FOLDER] [--quick]

Every run is the command that a user types, `curate score LIST --scorers ...`, or, for `score_images`, as many processes
of a loop over batches of eight; LIST holds the sets one after the other, behind pictures that only warm up. A scorer
that comes last (`clock.py`) writes down when its process was done with a batch, and how much CPU it had used. From one
batch of a process to its next is what a batch costs there, all included: wall clock gives pictures/s of so many
workers without start-up, CPU time the milliseconds a picture. Start-up is the rest of the command's time.

In a turn all configurations run once, and the stages are measured (`stages.py`): their sum is the floor. Figures are
medians over the turns; how near a worker comes to the floor is taken within a turn.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import clock
from host import ONE_THREAD, describe, run
from picture_sets import EXAMPLES, NAMES, make_sets
from stages import floor

if TYPE_CHECKING:
    import polars as pl

HERE = Path(__file__).resolve().parent
BATCH = 8
WORKERS = (1, 2)
QUICK = ("jpeg-512-unpadded", "png-512-padded")
# What carries the pictures costs the same whatever they are: two sets say it.
OF_ENGINES = QUICK
SCORERS = {"mesh": "mesh", "lite": "mesh,quality,lite", "libreface": "mesh,quality,libreface"}
# What `libreface` takes is ten times what `lite` takes: fewer pictures say as much.
PICTURES = {"lite": 32, "libreface": 16}
# All pictures of a set, and how many times a worker: the first batches are slower.
WARM = 2


@dataclass(frozen=True, slots=True)
class Config:
    """A way to run a scorer."""

    engine: str
    scorer: str
    profile: str
    workers: int

    def command(self, listing: Path, out: Path) -> list[object]:
        """What is typed."""
        options = ["--scorers", f"{SCORERS[self.scorer]},clock", "--profile", self.profile]
        if self.engine == "score_images":
            return [
                sys.executable,
                HERE / "speed.py",
                "--job",
                listing,
                out,
                self.scorer,
                self.profile,
                self.workers,
            ]
        engine = ["--engine", self.engine] if self.engine != "local" else []
        curate = Path(sys.executable).parent / "curate"
        more = ["--workers", self.workers, "--device", "cpu", "--overwrite", "--quiet", *engine]
        return [curate, "score", listing, "-o", out, *options, *more]


def missing() -> dict[str, str]:
    """What cannot be measured here, and why: by engine, profile or scorer."""
    from curate.errors import ModelError
    from curate.models.pack import find_pack

    lacks = {}
    for name, package in (("ray", "ray"), ("fast", "openvino")):
        if find_spec(package) is None:
            lacks[name] = f"{package} is not installed"
    try:
        find_pack("libreface")
    except ModelError as error:
        lacks["libreface"] = f"{error.message} ({error.hint})"
    return lacks


def configs(lacks: dict[str, str], quick: bool) -> Iterator[Config]:
    """Every engine, scorer and profile; engines other than our own with all workers alone."""
    for engine, scorer, profile, workers in product(
        ("local", "ray", "score_images"), ("lite", "libreface"), ("exact", "fast"), WORKERS
    ):
        if workers != WORKERS[-1] and (quick or engine != "local"):
            continue
        if not {engine, scorer, profile} & lacks.keys():
            yield Config(engine, scorer, profile, workers)


def periods(rows: pl.DataFrame) -> pl.DataFrame:
    """A row a batch: one `image`, `pictures`, milliseconds `wall` and `cpu` since its process had the last one."""
    import polars as pl

    process, wall, cpu = clock.COLUMNS
    batches = (
        rows.filter(pl.col(wall).is_not_null())
        .group_by(process, wall, cpu)
        .agg(pl.col("image").first(), pictures=pl.len())
    )
    of_process = batches.sort(process, wall).with_columns(
        (pl.col(name).cast(pl.Int64).diff().over(process) / 1e6).alias(short)
        for name, short in ((wall, "wall"), (cpu, "cpu"))
    )
    return of_process.filter(pl.col("wall").is_not_null())


def turn(config: Config, sets: dict[str, list[Path]], warm: list[Path], temp: Path) -> dict[str, Any]:
    """One run of a configuration over all sets."""
    import polars as pl

    from curate.scoreset import open_scores

    pictures = [*warm[: WARM * BATCH * config.workers], *(path for paths in sets.values() for path in paths)]
    listing, out = temp / "pictures.txt", temp / "speed.scores"
    listing.write_text("\n".join(map(str, pictures)))
    environment = {"PYTHONPATH": str(temp / "site"), "PYTHONSAFEPATH": "1"}
    cost = run(config.command(listing, out), env=environment)
    if config.engine == "score_images":
        rows = pl.concat([pl.read_parquet(path) for path in sorted(temp.glob("job-*.parquet"))])
    else:
        rows = open_scores(out).stored().collect()
    if rows.height != len(pictures):
        raise SystemExit(f"{config}: {rows.height} rows of {len(pictures)} pictures")
    batches = periods(rows)
    of_set = batches.with_columns(set=pl.col("image").str.split("/").list.get(-2)).filter(
        pl.col("set").is_in(list(sets))
    )
    sums = of_set.group_by("set").agg(pl.sum("wall", "cpu", "pictures"))
    if set(sums["set"]) != set(sets):
        raise SystemExit(f"{config}: too few batches of {set(sets) - set(sums['set'])}")
    ms = {name: (wall / n / config.workers, cpu / n) for name, wall, cpu, n in sums.iter_rows()}
    worked = len(pictures) / batches["pictures"].sum() * batches["wall"].sum() / config.workers / 1000
    return {
        "ms": ms,
        "wall": cost.wall,
        "cpu": cost.cpu,
        "pictures": len(pictures),
        "start": cost.wall - worked,
    }


def measure(given: argparse.Namespace, temp: Path) -> dict[str, Any]:
    """All turns, and their medians."""
    scratch = given.scratch or temp
    names = QUICK if given.quick else NAMES
    count = BATCH * 2 if given.quick else max(PICTURES.values())
    sets = make_sets(scratch / "pictures", given.pictures, count, names)
    warm = links(next(iter(sets.values())), WARM * BATCH * max(WORKERS), temp / "warm")
    clock.install(temp / "site")
    lacks = missing()
    chosen = list(configs(lacks, given.quick))
    turns: dict[Config, list[dict[str, Any]]] = defaultdict(list)
    floors: list[dict[str, dict[str, float]]] = []
    for number in range(given.turns):
        for config in list(chosen):
            print(f"turn {number + 1} of {given.turns}: {config}", file=sys.stderr, flush=True)
            try:
                few = {
                    name: paths[: PICTURES[config.scorer]]
                    for name, paths in sets.items()
                    if config.engine == "local" or name in OF_ENGINES
                }
                turns[config].append(turn(config, few, warm, temp))
            except SystemExit as failure:  # a blank cell; what it says goes to the person who watches
                print(failure, file=sys.stderr)
                lacks[config.engine if config.engine != "local" else config.profile] = "it fails here"
                turns.pop(config, None)
                chosen = [other for other in chosen if other != config]
        floors.append(time_stages(sets, temp, quick=given.quick))
    rows = [_row(config, name, found, floors) for config, found in turns.items() for name in found[0]["ms"]]
    runs = [
        {**asdict(config), **{key: _median(found, key) for key in ("wall", "cpu", "pictures", "start")}}
        for config, found in turns.items()
    ]
    stages = {
        name: {stage: round(median(f[name][stage] for f in floors), 3) for stage in of_set}
        for name, of_set in floors[0].items()
    }
    return {
        "host": describe(),
        "pictures": _shown(given.pictures),
        "counts": {scorer: min(count, n) for scorer, n in PICTURES.items()},
        "turns": given.turns,
        "kilobytes": {n: round(sum(p.stat().st_size for p in ps) / len(ps) / 1000) for n, ps in sets.items()},
        "missing": lacks,
        "rows": rows,
        "runs": runs,
        "stages": stages,
    }


def _row(
    config: Config, name: str, found: list[dict[str, Any]], floors: list[dict[str, dict[str, float]]]
) -> dict[str, Any]:
    wall = [one["ms"][name][0] for one in found]
    cpu = [one["ms"][name][1] for one in found]
    least = [floor(stages[name], config.scorer, config.profile) for stages in floors]
    return {
        **asdict(config),
        "set": name,
        "images_s": round(1000 / median(wall), 2),
        "turns": [round(1000 / ms, 2) for ms in wall],
        "cpu_ms": round(median(cpu), 2),
        "floor_ms": round(median(least), 2),
        "of_floor": round(median(f / c for f, c in zip(least, cpu, strict=True)), 3),
        "of_floor_by_the_clock": round(
            median(f / w / config.workers for f, w in zip(least, wall, strict=True)), 3
        ),
    }


def _median(found: list[dict[str, Any]], key: str) -> float:
    return round(median(one[key] for one in found), 2)


def _shown(pictures: Path) -> str:
    return "examples/faces" if pictures.resolve() == EXAMPLES.resolve() else pictures.resolve().name


def links(paths: list[Path], count: int, folder: Path) -> list[Path]:
    """So many names for some pictures: a list names none of them twice."""
    folder.mkdir()
    links = [folder / f"{i:04}{paths[i % len(paths)].suffix}" for i in range(count)]
    for i, link in enumerate(links):
        link.symlink_to(paths[i % len(paths)].resolve())
    return links


def time_stages(sets: dict[str, list[Path]], temp: Path, *, quick: bool) -> dict[str, dict[str, float]]:
    listing, out = temp / "sets.json", temp / "stages.json"
    few = {
        name: [str(path) for path in paths[: BATCH if quick else 2 * BATCH]] for name, paths in sets.items()
    }
    listing.write_text(json.dumps(few))
    run([sys.executable, HERE / "stages.py", listing, "-o", out, "--repeats", 1])
    found: dict[str, dict[str, float]] = json.loads(out.read_text())
    return found


def images(listing: Path, out: Path, scorer: str, profile: str, workers: int) -> None:
    """`score_images` in so many processes, each with every so-manieth batch; this program starts itself for them."""
    if workers > 1 or "SPEED_PART" not in os.environ:
        command = [sys.executable, __file__, "--job", listing, out, scorer, profile, "1"]
        started = [
            subprocess.Popen(
                list(map(str, command)),
                env={**os.environ, **ONE_THREAD, "SPEED_PART": f"{part}/{workers}"},
            )
            for part in range(workers)
        ]
        if any(process.wait() for process in started):
            raise SystemExit("a process of score_images failed")
        return
    import polars as pl

    import curate

    part, of = map(int, os.environ["SPEED_PART"].split("/"))
    paths = listing.read_text().splitlines()
    batches = [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)][part::of]
    scorers = [*SCORERS[scorer].split(","), "clock"]
    rows = [curate.score_images(batch, scorers=scorers, profile=profile, device="cpu") for batch in batches]  # type: ignore[arg-type]
    pl.concat(rows).write_parquet(out.parent / f"job-{part}.parquet")


def main() -> None:
    """Measure, and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--pictures", type=Path, default=EXAMPLES)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="keep the pictures here for the next time")
    parser.add_argument(
        "--quick", action="store_true", help="two sets, one turn: whether it works, not how fast"
    )
    parser.add_argument("--job", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        listing, out, scorer, profile, workers = given.job
        images(Path(listing), Path(out), scorer, profile, int(workers))
        return
    if given.output is None:
        parser.error("-o is needed")
    given.turns = 1 if given.quick else given.turns
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="speed-") as folder:
        found = measure(given, Path(folder))
    given.output.write_text(json.dumps(found | {"seconds": round(time.monotonic() - start)}, indent=1))


if __name__ == "__main__":
    main()
