"""How near `--device cuda` comes to what the decoders alone can do, and whether its rows are the CPU's.

    python benchmarks/gpu.py FOLDER [--device cuda] [--scorers mesh,libreface] [--count 20000] [-o gpu.json]

FOLDER's pictures are taken over and over until there are `--count`, so they come from the page cache. Four things are
measured, each without its start:

- decoders: 1, 2, 4 ... processes decode into shared memory, and nobody looks at it;
- the device: pages of pictures that lie in memory already, stage by stage, and all of it (`rows`);
- end to end: `DeviceEngine` with as many decoders as there are cores, less one;
- equality: the rows of up to 300 of the pictures, of this engine and of the ordinary one on the CPU.

The aim is 60 % of what the decoders alone reach. `--device cpu` runs the same code on the CPU provider.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent))

from host import describe

from curate.decoded import decoded
from curate.decoders import Decoding, Job, SharedPixels
from curate.device_engine import DeviceEngine
from curate.device_scoring import TOGETHER, DeviceScoring
from curate.engines.local import LocalEngine
from curate.engines.work import Failure
from curate.models.session import Device
from curate.scorers.face import Face
from curate.scorers.scorer import make_scorer
from curate.scoring import Batch, Scoring
from curate.sources import open_source
from curate.sources.source import Input

JOB = {"cpu": 8, "cuda": 16}
ROOM = 512 * 512
EQUAL = 300
AIM = 0.6


def main() -> None:
    """Measure, print, and write down."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--scorers", default="mesh,libreface")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--decoders", type=int, default=max((os.cpu_count() or 2) - 1, 1))
    parser.add_argument("--out", "-o", type=Path)
    asked = parser.parse_args()
    names = tuple(asked.scorers.split(","))
    files = list(open_source(asked.folder))
    inputs = list(islice(cycle(files), asked.count))
    result: dict[str, Any] = {
        "host": describe(),
        "device": asked.device,
        "scorers": names,
        "pictures": len(files),
    }

    counts = sorted({*(2**i for i in range(8) if 2**i < asked.decoders), asked.decoders})
    result["decoders"] = {n: decoders_alone(inputs, n, asked.device) for n in counts}
    for n, rate in result["decoders"].items():
        print(f"decoders alone, {n:3} processes  {rate:10,.1f} pictures/s")
    result["stages"] = device_alone(files, names, asked.device)
    for stage, ms in result["stages"].items():
        print(f"device alone, {stage:10}  {ms:10.3f} ms a picture  {1000 / ms:10,.1f} a second")
    result["end_to_end"] = rate = end_to_end(inputs, names, asked.device, asked.decoders)
    share = rate / max(result["decoders"].values())
    result["share"] = share
    print(
        f"end to end, {asked.decoders} decoders     {rate:10,.1f} pictures/s, "
        f"{share:.0%} of the decoders (aim: {AIM:.0%})"
    )
    result["equality"] = equality(files[:EQUAL], names, asked.device, asked.decoders)
    for column, difference in result["equality"].items():
        print(f"largest difference from the CPU, {column:12} {difference:.6g}")
    if asked.out:
        asked.out.write_text(json.dumps(result, indent=1))


def scoring(names: Sequence[str], device: Device) -> Scoring:
    """Those scorers on that device."""
    return Scoring(tuple(make_scorer(name, device=device) for name in names), device=device)


def decoders_alone(inputs: Sequence[Input], processes: int, device: Device) -> float:
    """Pictures a second, from the first tenth on."""
    size = JOB[device]
    places = 8 * processes + 2
    shared = SharedPixels(places * size * ROOM)
    jobs = (
        Job(
            Batch(tuple(inputs[i : i + size]), ()),
            True,
            False,
            (i // size % places) * size * ROOM,
            size * ROOM,
        )
        for i in range(0, len(inputs), size)
    )
    return _steady(
        (len(job) for job, _ in LocalEngine(Decoding(shared), workers=processes, ahead=3).run(jobs)),
        len(inputs),
    )


def end_to_end(inputs: Sequence[Input], names: tuple[str, ...], device: Device, decoders: int) -> float:
    """Pictures a second, from the first tenth on."""
    batches = (Batch(tuple(inputs[i : i + 256]), names) for i in range(0, len(inputs), 256))
    engine = DeviceEngine(scoring(names, device), decoders=decoders)
    return _steady((len(batch) for batch, _ in engine.run(batches)), len(inputs))


def _steady(done: Iterator[int], total: int) -> float:
    """How fast things get done after the first tenth, and at least one step, of `total`."""
    started, begun, count = 0.0, 0, 0
    for step in done:
        count += step
        if not started and count >= total / 10:
            started, begun = time.perf_counter(), count
    if count == begun:
        raise SystemExit("too few pictures to measure with: raise --count")
    return (count - begun) / (time.perf_counter() - started)


def device_alone(files: Sequence[Input], names: tuple[str, ...], device: Device) -> dict[str, float]:
    """Milliseconds a picture: uploading, the mesh, each scorer, and all of it with the rows; medians of five."""
    opened = DeviceScoring(scoring(names, device), TOGETHER[device])
    chosen = list(islice(cycle(files), TOGETHER[device] * 2))
    batch = Batch(tuple(chosen), names)
    one_by_one = [
        decoded(item, item.read(), for_mesh=True, words=opened.wants_words(batch)) for item in chosen
    ]
    shown = [one.picture.pixels for one in one_by_one if one.picture is not None]
    page = np.concatenate([pixels.reshape(-1, 3) for pixels in shown])
    ends = np.cumsum([pixels.shape[0] * pixels.shape[1] for pixels in shown])
    seen = [part.reshape(p.shape) for part, p in zip(np.split(page, ends[:-1]), shown, strict=True)]
    stages: dict[str, float] = {"upload": _milliseconds(lambda: opened.store.put(page), len(chosen))}
    stages["faces"] = _milliseconds(lambda: opened.mesh.detect(seen), len(seen))
    faces = [
        Face(pixels, found[0].landmarks)
        for pixels, found in zip(seen, opened.mesh.detect(seen), strict=True)
        if found
    ]
    for scorer in opened.scorers:
        stages[scorer.name] = _milliseconds(partial(scorer.score, faces), len(faces))
    placed = iter(seen)
    in_page = [
        one if one.picture is None else replace(one, picture=replace(one.picture, pixels=next(placed)))
        for one in one_by_one
    ]
    stages["rows"] = _milliseconds(
        lambda: opened.rows(batch, [replace(one, row=dict(one.row)) for one in in_page]), len(seen)
    )
    return stages


def _milliseconds(work: Callable[[], object], pictures: int) -> float:
    work()
    times = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return sorted(times)[2] * 1000 / pictures


def equality(
    files: Sequence[Input], names: tuple[str, ...], device: Device, decoders: int
) -> dict[str, float]:
    """The largest difference of any number by column, of those that differ; and how many expressions are others."""
    batches = [Batch(tuple(files[i : i + 64]), names) for i in range(0, len(files), 64)]
    ours = _frame(DeviceEngine(scoring(names, device), decoders=decoders).run(batches))
    theirs = _frame(LocalEngine(scoring(names, "cpu"), workers=decoders).run(batches))
    found: dict[str, float] = {"statuses": float((ours["status"] != theirs["status"]).sum())}
    for column in theirs.columns:
        if theirs[column].dtype.is_float():
            most = (ours[column] - theirs[column]).abs().max()
            if isinstance(most, float) and most > 0:
                found[column] = most
    if "expression" in theirs.columns:
        found["expression"] = float((ours["expression"] != theirs["expression"]).sum())
    return found


def _frame(outcomes: Iterator[tuple[Batch, pl.DataFrame | Failure]]) -> pl.DataFrame:
    return pl.concat([frame for _, frame in outcomes if not isinstance(frame, Failure)])


if __name__ == "__main__":
    main()
