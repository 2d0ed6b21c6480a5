"""`exact` against `fast`: CPU a picture, end to end and stage by stage, and how far the answers are apart.

    CURATE_CACHE=... python benchmarks/profiles.py [PICTURES] [--count 120] [--scorer libreface] [--json]

One thread. The profiles take turns, batch by batch, in one process: what the machine does meanwhile hits both alike.
End to end is what a worker does between bytes and rows (`--scorers mesh,quality,SCORER`), writing files left out;
figures are medians over batches, ratios medians of the ratios within a turn. Pictures whose alignment needs a
surround (`padded`) are batched apart. What `fast` takes is printed: run
`curate models profile` first to have it chosen.
"""

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # as the workers run; read when numpy and the like are imported

DEMO_FACES = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "demo_faces"
PROFILES = ("exact", "fast")
BATCH = 8
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


class Turns:
    """Milliseconds of CPU a picture, by stage and profile, batch by batch."""

    def __init__(self) -> None:
        self.times: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def run(self, stage: str, profile: str, count: int, call: Callable[[], Any]) -> Any:
        """Call, and note how long it took."""
        begin = time.process_time()
        result = call()
        self.times[stage][profile].append(1000 * (time.process_time() - begin) / count)
        return result

    def rows(self) -> list[dict[str, Any]]:
        """A stage a row: both medians, and the median of the ratios."""
        return [
            {
                "stage": stage,
                **{profile: round(median(of[profile]), 2) for profile in PROFILES},
                "ratio": round(median(e / f for e, f in zip(of["exact"], of["fast"], strict=True)), 2),
                "batches": len(of["exact"]),
            }
            for stage, of in self.times.items()
        ]


def by_surround(paths: list[Path]) -> dict[str, list[Path]]:
    """The pictures with a face, by whether its alignment is padded."""
    from curate.scorers.align import make_plan
    from curate.scorers.decode import decode
    from curate.scorers.mesh import FaceMesh

    mesh, found = FaceMesh(), defaultdict(list)
    for path in paths:
        pixels = decode(path.read_bytes()).pixels
        faces = mesh.detect([pixels])[0]
        plan = make_plan(pixels.shape[1], pixels.shape[0], faces[0].landmarks) if faces else None
        if plan is not None:
            found["unpadded" if plan.margins is None else "padded"].append(path)
    return found


def measure(paths: list[Path], name: str) -> dict[str, Any]:
    """Everything that is printed."""
    import cv2

    from curate.models.openvino_network import cpu_name
    from curate.profiling.faces import faces_in_order
    from curate.profiling.whole import compare_whole
    from curate.scorers.scorer import make_scorer
    from curate.scoring import Batch, Scoring
    from curate.sources.source import file_input

    cv2.setNumThreads(1)
    names = ("mesh", "quality", name)
    whole = {p: Scoring(tuple(make_scorer(n, p) for n in names)).open() for p in PROFILES}
    alone = {p: make_scorer(name, p) for p in PROFILES}
    for scorer in alone.values():
        scorer.open("cpu")
    turns = Turns()
    groups = by_surround(paths)
    for kind, group in groups.items():
        for start in range(-BATCH, len(group) - BATCH + 1, BATCH):
            # The first batch allocates, and is run twice.
            some = group[max(start, 0) : max(start, 0) + BATCH]
            log = turns if start >= 0 else Turns()
            batch = Batch(tuple(file_input(str(path)) for path in some), names)
            for profile in PROFILES:
                log.run(f"end to end, {kind}", profile, len(some), lambda p=profile, b=batch: whole[p](b))
            for profile in PROFILES:
                faces = faces_in_order(some)
                log.run(
                    f"{name} alone, {kind}", profile, len(faces), lambda p=profile, f=faces: alone[p].score(f)
                )
    faces = faces_in_order([path for group in groups.values() for path in group])
    compared = compare_whole(name, faces)
    return {
        "processor": cpu_name(),
        "pictures": {kind: len(group) for kind, group in groups.items()},
        "options": dict(alone["fast"].options),
        "stages": turns.rows(),
        "apart": {
            key: round(getattr(compared, key), 5) for key in ("label_flips", "presence_flips", "mean", "p99")
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", default=DEMO_FACES)
    parser.add_argument("--count", type=int, default=120, help="pictures, taken evenly [default: 120]")
    parser.add_argument("--scorer", default="libreface", choices=("libreface", "libreface-separate", "lite"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    paths = sorted(p for p in arguments.folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if len(paths) > arguments.count:
        paths = [paths[i * len(paths) // arguments.count] for i in range(arguments.count)]
    found = measure(paths, arguments.scorer)
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{found['processor']}; pictures: {found['pictures']}")
    print(
        "fast:",
        ", ".join(f"{k} {v.split()[0] if k != 'alignment' else v}" for k, v in found["options"].items()),
    )
    print(f"{'CPU-ms a picture':34}{'exact':>8}{'fast':>8}{'ratio':>8}")
    for row in found["stages"]:
        print(f"{row['stage']:34}{row['exact']:8.2f}{row['fast']:8.2f}{row['ratio']:8.2f}")
    print("answers apart:", ", ".join(f"{k} {v}" for k, v in found["apart"].items()))


if __name__ == "__main__":
    main()
