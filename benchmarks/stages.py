"""Time each stage of `curate score` alone: one thread, the same batches, nothing else between.

    CURATE_CACHE=... python benchmarks/stages.py LIST -o stages.json [--batch-size 8] [--repeats 3]

LIST names pictures, a path a line. The sum of the stages is the floor under the time of a picture: what a worker
would need if carrying pictures and rows cost nothing. `score_speed.py` runs this and compares.
"""

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import TypeVar

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # as the workers run; read when numpy and the like are imported

T = TypeVar("T")


class Stages:
    """Seconds by stage, in the order of their first run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def run(self, stage: str, call: Callable[[], T]) -> T:
        """Call, and add how long it took. One thread: its CPU time is its wall clock on a quiet machine."""
        start = time.process_time()
        result = call()
        self.seconds[stage] += time.process_time() - start
        return result


def measure(paths: list[Path], batch_size: int, repeats: int) -> dict[str, float]:
    """Milliseconds of CPU a picture, by stage; the median over the repeats."""
    import hashlib

    import cv2

    from curate.models.pack import find_pack
    from curate.models.session import open_session
    from curate.scorers.align import align
    from curate.scorers.decode import decode
    from curate.scorers.face import Face
    from curate.scorers.geometry import Geometry
    from curate.scorers.libreface import expression_values, gaze_features
    from curate.scorers.mesh import FaceMesh
    from curate.scorers.preprocess import normalise, resize_and_crop
    from curate.scorers.quality import Quality

    cv2.setNumThreads(1)
    mesh, quality, geometry = FaceMesh("cpu"), Quality(), Geometry()
    pack = find_pack("libreface")
    sessions = {role: open_session(pack, role, device="cpu") for role in ("au", "expression", "gaze")}

    def prepare(role: str, aligned: list) -> object:  # type: ignore[type-arg]
        card = pack.network(role).input
        small = [resize_and_crop(face, card.resize, card.crop, card.resample) for face in aligned]
        return normalise(small, card.mean, card.std)

    def batches() -> Iterator[list[Path]]:
        for start in range(0, len(paths), batch_size):
            yield paths[start : start + batch_size]

    def once() -> dict[str, float]:
        stages = Stages()
        for batch in batches():
            data = stages.run("read", lambda b=batch: [path.read_bytes() for path in b])
            stages.run("hash", lambda d=data: [hashlib.sha256(one).hexdigest() for one in d])
            pixels = stages.run("decode", lambda d=data: [decode(one).pixels for one in d])
            found = stages.run("detect + mesh", lambda p=pixels: mesh.detect(p))
            faces = [
                max((Face(p, f.landmarks) for f in of_picture), key=lambda face: face.box[2] * face.box[3])
                for p, of_picture in zip(pixels, found, strict=True)
                if of_picture
            ]
            if not faces:
                continue
            stages.run("pose and boxes", lambda f=faces: geometry.score(f))
            stages.run("quality", lambda f=faces: quality.score(f))
            aligned = stages.run("align", lambda f=faces: [align(one.pixels, one.mesh) for one in f])
            for role in ("au", "expression"):
                x = stages.run("preprocess", lambda r=role, a=aligned: prepare(r, a))
                out = stages.run(f"{role} network", lambda r=role, v=x: sessions[r].run(v))
            stages.run("expression values", lambda o=out: expression_values(o["expression"]))
            seen = stages.run("gaze mesh", lambda a=aligned: mesh.detect(a, max_faces=1, zooms=(1,)))
            points = [gaze_features(f[0].landmarks, 512) for f in seen if f]
            if points:
                stages.run("gaze network", lambda p=points: sessions["gaze"].run(_stack(p)))
        return stages.seconds

    once()  # the first pass allocates
    runs = [once() for _ in range(repeats)]
    return {stage: 1000 * median(run[stage] for run in runs) / len(paths) for stage in runs[0]}


def _stack(rows: list) -> object:  # type: ignore[type-arg]
    import numpy as np

    return np.stack(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("list", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    paths = [Path(line) for line in arguments.list.read_text().splitlines()]
    arguments.output.write_text(json.dumps(measure(paths, arguments.batch_size, arguments.repeats), indent=1))


if __name__ == "__main__":
    main()
