"""Exports of many pictures, from the shell and back, the check of every picture's sha256 included.

    python benchmarks/export_speed.py FOLDER [--pictures 10000] [--kilobytes 50] [--formats folder-hardlink,hf] [--json]

In FOLDER it makes that many pictures (the example faces, with bytes behind their end so that each is another file of
about that size), a score set of them with made rows (`make_rows.py`), and the exports, one after the other, each of
them removed before the next. Both sets and pictures are kept for the next run. Memory is the peak of the process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import polars as pl

from curate.manifest import SourceRecord, read_manifest
from curate.shards import Shard, list_shards, open_shard, write_shard

HERE = Path(__file__).resolve().parent
KINDS = {
    "folder-hardlink": ["--to", "folder", "--mode", "hardlink"],
    "folder-symlink": ["--to", "folder", "--mode", "symlink"],
    "folder-copy": ["--to", "folder"],
    "folder-by": ["--to", "folder", "--mode", "hardlink", "--by", "expression", "--sidecar"],
    "webdataset": ["--to", "webdataset"],
    "hf": ["--to", "hf"],
    "csv": ["--to", "csv"],
    "coco": ["--to", "coco"],
    "kohya": ["--to", "kohya"],
}


def make(folder: Path, count: int, kilobytes: int) -> Path:
    """Pictures in `folder/pictures`, and their set, unless they are there."""
    scores, pictures = folder / "made.scores", folder / "pictures"
    if scores.is_dir():
        return scores
    pictures.mkdir(parents=True, exist_ok=True)
    faces = [path.read_bytes() for path in sorted((HERE.parent / "examples" / "faces").glob("*.png"))]
    digests = []
    for i in range(count):
        data = faces[i % len(faces)]
        data += os.urandom(max(8, kilobytes * 1000 - len(data)))
        (pictures / f"{i:06}.png").write_bytes(data)
        digests.append(hashlib.sha256(data).hexdigest())
    made = folder / "rows.scores"
    command = [sys.executable, HERE / "make_rows.py", made, "--rows", str(2 * count)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    rows = pl.concat([pl.read_parquet(path) for path in list_shards(made)], how="diagonal")
    rows = rows.filter(pl.col("status") == "ok", pl.col("face") == 0).head(count)
    assert rows.height == count, f"only {rows.height} rows"
    names = [str(pictures.resolve() / f"{i:06}.png") for i in range(count)]
    rows = rows.with_columns(image=pl.Series(names), sha256=pl.Series(digests), format=pl.lit("png"))
    scores.mkdir()
    write_shard(Shard(scores / "part-000000.parquet", *_fingerprints(made)), rows)
    source = SourceRecord(kind="folder", location=str(pictures.resolve()))
    manifest = read_manifest(made)
    manifest.model_copy(update={"rows": count, "inputs": count, "source": source}).write(scores)
    return scores


def _fingerprints(made: Path) -> tuple[str, dict[str, str], str]:
    shard = open_shard(list_shards(made)[0])
    return shard.rows, dict(shard.scorers), shard.derived


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--kilobytes", type=int, default=50)
    parser.add_argument("--formats", default=",".join(KINDS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    scores = make(given.folder, given.pictures, given.kilobytes)
    rows = []
    if not given.json:
        print("| export | seconds | pictures/s | peak memory |\n| --- | --- | --- | --- |")
    for kind in given.formats.split(","):
        seconds, memory = [], 0.0
        for _ in range(given.repeats):
            out = given.folder / "out"
            shutil.rmtree(out, ignore_errors=True)
            start = time.perf_counter()
            command = [sys.executable, "-m", "curate.app", "export", scores, out, *KINDS[kind], "--quiet"]
            # Not the checkout's folder of the same name, where the package is installed.
            safe = {**os.environ, "PYTHONSAFEPATH": "1"}
            process = subprocess.Popen(list(map(str, command)), env=safe)
            _, status, usage = os.wait4(process.pid, 0)
            assert status == 0, f"{kind} failed"
            process.returncode = 0
            seconds.append(time.perf_counter() - start)
            memory = max(memory, usage.ru_maxrss / 1e6)
        best = sorted(seconds)[len(seconds) // 2]
        rows.append({"export": kind, "seconds": round(best, 2), "memory_gb": round(memory, 2)})
        if given.json:
            continue
        print(f"| {kind} | {best:.2f} | {given.pictures / best:,.0f} | {memory:.2f} GB |", flush=True)
    if given.json:
        print(json.dumps({"pictures": given.pictures, "repeats": given.repeats, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
