"""Queries and recipes on a large score set, next to the same jobs in plain pandas.

    python benchmarks/make_rows.py million.scores
    python benchmarks/choose_speed.py million.scores [--repeats 3] [--slice 20000] [--json]

- **query**: `curate query` from the shell and back, and inside, from opening the set to the rows that are shown, the
  interpreter's start and the imports not counted. pandas reads the columns it needs and takes boolean masks.
- **apply**: `curate apply` of a recipe with where, dedupe and balance, from the shell and back; it writes what it
  keeps and what it rejects, with reasons. pandas reads the columns, masks, drops rows with the *same* hash and keeps
  the best 50 of each cell, and writes nothing. Dropping equal hashes is the easier job: it finds no near-duplicates
  and throws away new expressions.
- **near-duplicates the naive way**: each face of a slice against each one kept, by numpy; what the whole set
  would take is extrapolated with the square of the rows.

Contestants take turns, each in a process of its own; figures are medians over the turns, ratios are medians of the
ratios within a turn. Memory is the peak of the process (Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

QUERY = "fear > .6 and temperature > 60 and abs(yaw) < 20 and pct(au05) > 90"
HASH_BITS, AU_DISTANCE, PER_CELL = 6, 0.15, 50
RECIPE = f"""\
description: {PER_CELL} of each expression and band, one frontal face, nothing twice
where: [n_faces = 1, abs(yaw) < 25, eye_distance >= 60, sharpness > .2]
dedupe: {{hash_bits: {HASH_BITS}, au_distance: {AU_DISTANCE}, keep: sharpness}}
balance: {{by: [expression, band], per_cell: {PER_CELL}}}
pick: {{order: confidence desc}}
shortfall: none
"""


class Cost(NamedTuple):
    """Seconds from start to end of a process, its peak in gigabytes, and what it printed."""

    wall: float
    memory: float
    output: str


def run(*command: str | Path) -> Cost:
    """Run a program to its end; SystemExit with what it said where it fails."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(list(map(str, command)), stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{said}")
    return Cost(wall, usage.ru_maxrss / 1e6, said)


def job(name: str, scores: Path, *more: str) -> Cost:
    """One of the jobs below, in a process of its own."""
    return run(sys.executable, __file__, scores, "--job", name, *more)


def query_inside(scores: Path) -> dict[str, Any]:
    """The query, by our functions."""
    from curate.querying import search
    from curate.recipes.query import parse_condition
    from curate.scoreset import open_scores

    start = time.perf_counter()
    opened = open_scores(scores)
    schema = opened.scan().collect_schema()
    found = search(opened, None, parse_condition(QUERY, schema), limit=20)
    found.table(["image", "fear", "temperature", "yaw", "au05"])
    return {"seconds": time.perf_counter() - start, "rows": found.count}


def query_pandas(scores: Path) -> dict[str, Any]:
    """The query, in pandas."""
    import pandas as pd

    start = time.perf_counter()
    columns = ["image", "status", "fear", "temperature", "yaw", "au05"]
    rows = pd.read_parquet(sorted(scores.glob("*.parquet")), columns=columns)
    ok = rows[rows["status"] == "ok"]
    ranks = ok["au05"].rank(method="average", pct=True) * 100
    found = ok[(ok["fear"] > 0.6) & (ok["temperature"] > 60) & (ok["yaw"].abs() < 20) & (ranks > 90)]
    return {"seconds": time.perf_counter() - start, "rows": len(found)}


def apply_pandas(scores: Path) -> dict[str, Any]:
    """Where, equal hashes, balance, in pandas."""
    import pandas as pd

    start = time.perf_counter()
    columns = [
        "image", "status", "n_faces", "yaw", "eye_distance", "sharpness", "phash", "expression", "band", "confidence"
    ]  # fmt: skip
    rows = pd.read_parquet(sorted(scores.glob("*.parquet")), columns=columns)
    rows = rows[rows["status"] == "ok"]
    rows = rows[rows["n_faces"] == 1]
    rows = rows[rows["yaw"].abs() < 25]
    rows = rows[rows["eye_distance"] >= 60]
    rows = rows[rows["sharpness"] > 0.2]
    rows = rows.sort_values("sharpness", ascending=False).drop_duplicates("phash")
    kept = rows.sort_values("confidence", ascending=False).groupby(["expression", "band"]).head(PER_CELL)
    return {"seconds": time.perf_counter() - start, "rows": len(kept)}


def dedupe_naive(scores: Path, count: int) -> dict[str, Any]:
    """Near-duplicates of the first rows: each against each one that is kept."""
    import numpy as np
    import polars as pl

    from curate.recipes.vectors import au_vectors

    rows = pl.read_parquet(scores / "*.parquet").filter(pl.col("status") == "ok")
    rows = rows.head(count).sort("sharpness", descending=True)
    hashes, vectors = rows["phash"].to_numpy(), au_vectors(rows)
    start = time.perf_counter()
    kept = np.empty(0, np.intp)
    for row in range(len(hashes)):
        near = kept[np.bitwise_count(hashes[kept] ^ hashes[row]) <= HASH_BITS]
        apart = np.sqrt(((vectors[near] - vectors[row]) ** 2).mean(axis=1))
        if not (apart <= AU_DISTANCE).any():
            kept = np.append(kept, row)
    return {"seconds": time.perf_counter() - start, "rows": len(kept), "of": len(hashes)}


def dedupe_ours(scores: Path) -> dict[str, Any]:
    """Near-duplicates of the whole set, by our function."""
    import numpy as np
    import polars as pl

    from curate.recipes.dedupe import near_duplicates
    from curate.recipes.vectors import au_vectors

    rows = pl.read_parquet(scores / "*.parquet").filter(pl.col("status") == "ok")
    rows = rows.sort(pl.col("sharpness"), "sha256", "face", descending=[True, False, False])
    start = time.perf_counter()
    found = near_duplicates(
        rows["phash"].to_numpy(),
        au_vectors(rows),
        hash_bits=HASH_BITS,
        au_distance=AU_DISTANCE,
        order=np.arange(len(rows)),
        box=rows.select("box_x", "box_y", "box_w", "box_h").to_numpy(),
        picture=rows["image"].rank("dense").to_numpy().astype(np.int64),
    )
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "rows": int((found < 0).sum()), "of": len(rows)}


def show(title: str, ours: list[float], theirs: list[float] | None = None, note: str = "") -> None:
    """A line of medians, with the ratio."""
    line = f"{title:<44} {median(ours):8.2f} s"
    if theirs:
        ratio = median(a / b for a, b in zip(theirs, ours, strict=True))
        line += f"   pandas {median(theirs):6.2f} s, {ratio:5.2f} times ours"
    print(f"{line}   {note}".rstrip(), flush=True)


def compare(scores: Path, repeats: int, count: int, as_json: bool) -> None:
    """All turns, then the table."""
    curate = Path(sys.executable).parent / "curate"
    turns: dict[str, list[Cost]] = {}
    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / "recipe.yaml"
        recipe.write_text(RECIPE, encoding="utf-8")
        for turn in range(repeats):
            out = Path(folder) / f"{turn}.scores"
            for name, cost in (
                ("query", run(curate, "query", scores, QUERY)),
                ("query inside", job("query-inside", scores)),
                ("query pandas", job("query-pandas", scores)),
                ("apply", run(curate, "apply", recipe, scores, "-o", out, "--json")),
                ("apply pandas", job("apply-pandas", scores)),
                ("dedupe", job("dedupe-ours", scores)),
            ):
                turns.setdefault(name, []).append(cost)
        naive = json.loads(job("dedupe-naive", scores, "--slice", str(count)).output)

    def walls(name: str) -> list[float]:
        return [cost.wall for cost in turns[name]]

    def inside(name: str) -> list[float]:
        return [json.loads(cost.output)["seconds"] for cost in turns[name]]

    def last(name: str) -> Any:
        return json.loads(turns[name][-1].output)

    def peak(name: str) -> str:
        return f"{max(cost.memory for cost in turns[name]):.2f} GB"

    if as_json:
        steps = (
            ("query, from the shell and back", "query", walls("query"), walls("query pandas")),
            ("query, inside", "query inside", inside("query inside"), inside("query pandas")),
            ("apply, from the shell and back", "apply", walls("apply"), walls("apply pandas")),
            ("of that, near-duplicates", "dedupe", inside("dedupe"), None),
        )
        rows = [
            {
                "step": title,
                "seconds": round(median(ours), 2),
                "memory_gb": round(max(cost.memory for cost in turns[name]), 2),
                "pandas_seconds": round(median(theirs), 2) if theirs else None,
            }
            for title, name, ours, theirs in steps
        ]
        print(json.dumps({"faces": last("dedupe")["of"], "repeats": repeats, "rows": rows}, indent=1))
        return
    print(f"{scores}, medians of {repeats}, {os.cpu_count()} CPUs\n")
    show("query, shell to shell", walls("query"), walls("query pandas"), peak("query"))
    note = f"{last('query inside')['rows']:,} faces, pandas {last('query pandas')['rows']:,}"
    show("query, inside", inside("query inside"), inside("query pandas"), note)
    show("apply, shell to shell", walls("apply"), walls("apply pandas"), peak("apply"))
    print(
        f"{'':<44} pandas keeps {last('apply pandas')['rows']:,}, with equal hashes dropped, {peak('apply pandas')}"
    )
    show(
        "near-duplicates, inside",
        inside("dedupe"),
        None,
        f"{last('dedupe')['rows']:,} of {last('dedupe')['of']:,} kept",
    )
    rows = last("dedupe")["of"]
    whole = naive["seconds"] * (rows / naive["of"]) ** 2
    title = f"near-duplicates, naive, {naive['of']:,} faces"
    print(
        f"{title:<44} {naive['seconds']:8.2f} s"
        f"   extrapolated to {rows:,}: {whole / 3600:.1f} h, {whole / median(inside('dedupe')):,.0f} times ours"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scores", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--slice", type=int, default=20_000, help="faces for the naive way")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    jobs = {
        "query-inside": query_inside,
        "query-pandas": query_pandas,
        "apply-pandas": apply_pandas,
        "dedupe-ours": dedupe_ours,
        "dedupe-naive": lambda scores: dedupe_naive(scores, arguments.slice),
    }
    if arguments.job:
        print(json.dumps(jobs[arguments.job](arguments.scores)))
    else:
        compare(arguments.scores, arguments.repeats, arguments.slice, arguments.json)


if __name__ == "__main__":
    main()
