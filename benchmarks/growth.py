"""What a score set costs as it grows: writing it, going on with it, and asking it something, with memory.

    python benchmarks/growth.py [--rows 1000 10000 100000] [--workers 2] [--keep FOLDER] [--json]

The pictures are PNG files of 32 x 32 pixels, every one another, as cells of Parquet files (a data set): a million files
of their own would measure the file system. The scorer is `fake`, which draws its numbers from the pixels, so that
what is left is the set's own work; all else is what `curate score` does in every run, a real decode and a real sha256
of each picture included. For each number of rows, each step a program of its own:

- **write**: `curate score` into a new set;
- **resume, nothing new**: the same command again: every picture is hashed and found;
- **resume, 1 % new**: one more Parquet file, of a hundredth as many pictures;
- **query**: `curate query` with `temperature > 60`, sorted, from the shell and back.

Seconds are wall clock, CPU seconds those of all processes together, memory is the peak of the largest process (Linux).
A million rows take ten minutes on two cores, six of them in `write`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

import polars as pl
from host import cores, describe

SIDE = 32
A_FILE = 10_000
STEPS = ("write", "resume, nothing new", "resume, 1 % new", "query")


class Cost(NamedTuple):
    """Of a program: seconds, CPU seconds of all its processes, and megabytes of the largest."""

    seconds: float
    cpu_seconds: float
    megabytes: float


def run(*command: object) -> Cost:
    """Run a program to its end; SystemExit with what it said where it fails."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(
            list(map(str, command)),
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(map(str, command))}\nexit code {process.returncode}\n{out.read()}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3)


def picture(number: int) -> bytes:
    """A grey PNG of 32 x 32 pixels that no other number gives; unpacked it is the number, over and over."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + struct.pack(">Q", number * 0x9E3779B97F4A7C15 % 2**64) * (SIDE // 8)
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    data = zlib.compress(row * SIDE, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def add_pictures(folder: Path, begin: int, end: int) -> None:
    """Pictures by number, as Parquet files with a column `image`."""
    folder.mkdir(parents=True, exist_ok=True)
    for first in range(begin, end, A_FILE):
        numbers = range(first, min(first + A_FILE, end))
        cells = [{"bytes": picture(number), "path": f"{number:09}.png"} for number in numbers]
        types = pl.Struct({"bytes": pl.Binary, "path": pl.String})
        frame = pl.DataFrame({"image": pl.Series(cells, dtype=types)})
        frame.write_parquet(folder / f"train-{first:09}.parquet", row_group_size=1000)


def measure(folder: Path, rows: int, workers: int) -> dict[str, Cost]:
    """The four steps with so many rows, the last hundredth of which comes later."""
    pictures, scores = folder / "pictures", folder / "pictures.scores"
    curate = (sys.executable, "-m", "curate.app")
    score = (*curate, "score", pictures, "-o", scores, "--scorers", "fake", "--workers", workers, "--quiet")
    before = rows - max(rows // 100, 1)
    add_pictures(pictures, 0, before)
    costs = [run(*score), run(*score)]
    add_pictures(pictures, before, rows)
    costs.append(run(*score))
    costs.append(run(*curate, "query", scores, "temperature > 60", "--sort", "temperature desc", "--json"))
    held = pl.scan_parquet(scores / "part-*.parquet").select(pl.col("sha256").n_unique()).collect().item()
    if held != rows:
        raise SystemExit(f"{held:,} different pictures are in the set, and there are {rows:,}")
    return dict(zip(STEPS, costs, strict=True))


def table(figures: dict[int, dict[str, Cost]]) -> str:
    """The figures in Markdown, a line a number of rows."""
    lines = ["| rows | " + " | ".join(STEPS) + " |", "|---:|" + "---:|" * len(STEPS)]
    for rows, costs in figures.items():
        cells = [
            f"{c.seconds:.1f} s ({c.cpu_seconds:.1f} CPU), {c.megabytes:,.0f} MB" for c in costs.values()
        ]
        lines.append(f"| {rows:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--keep", type=Path, help="work here, and leave the sets there")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures: dict[int, dict[str, Cost]] = {}
    for rows in arguments.rows:
        folder = Path(tempfile.mkdtemp(prefix="growth-", dir=arguments.keep))
        try:
            figures[rows] = measure(folder, rows, arguments.workers)
        finally:
            if arguments.keep is None:
                shutil.rmtree(folder, ignore_errors=True)
        print(f"{rows:,} rows are done", file=sys.stderr)
    if arguments.json:
        costs = {rows: {step: cost._asdict() for step, cost in of.items()} for rows, of in figures.items()}
        print(json.dumps({"host": describe(), "workers": arguments.workers, "rows": costs}, indent=2))
    else:
        print(table(figures))


if __name__ == "__main__":
    main()
