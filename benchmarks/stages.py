"""Time each stage of `curate score` alone: one thread, batches of eight, nothing else between.

    python benchmarks/stages.py sets.json -o stages.json [--repeats 3]

`sets.json` names pictures by set: {"jpeg-512-unpadded": ["a.jpeg", ...]}. Written are milliseconds of CPU a picture, by
set and stage. Which stages make up which scorer is said by `floor`: their sum is the floor under the time of a picture,
what a worker would need if carrying pictures and rows cost nothing. A network of the profile `fast` is a stage of its
own. LibreFace's stages are there where its pack is.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # as the workers run; read when numpy and the like are imported

T = TypeVar("T")
BATCH = 8
COMMON = ("read and hash", "decode", "detect and mesh", "pose and boxes", "quality and picture hash")
OF_SCORER = {
    ("lite", "exact"): ("crop and shape", "lite network"),
    ("lite", "fast"): ("crop and shape", "lite network, fast"),
    ("libreface", "exact"): (
        "align", "resize and normalise", "action-unit network", "expression network", "mesh for gaze", "gaze network",
    ),
    ("libreface", "fast"): (
        "align and resize, fast", "action-unit network, fast", "expression network, fast", "mesh for gaze, fast",
        "gaze network, fast",
    ),
}  # fmt: skip
_ROLES = {"action-unit network": "au", "expression network": "expression", "gaze network": "gaze"}


def floor(stages: dict[str, float], scorer: str, profile: str) -> float:
    """Milliseconds of one thread that a picture takes at least; `stages` of the picture's set."""
    return sum(stages.get(name, 0.0) for name in (*COMMON, *OF_SCORER[scorer, profile]))


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


class Parts:
    """Everything that a worker opens."""

    def __init__(self) -> None:
        import cv2

        from curate.errors import ModelError
        from curate.models.pack import find_pack
        from curate.models.profile import open_network
        from curate.scorers.fast import FastNetworks
        from curate.scorers.geometry import Geometry
        from curate.scorers.mesh import FaceMesh
        from curate.scorers.networks import Networks
        from curate.scorers.quality import Quality
        from curate.scorers.scorer import make_scorer

        cv2.setNumThreads(1)
        self.mesh, self.quality, self.geometry = FaceMesh("cpu"), Quality(), Geometry()
        fast = find_spec("openvino") is not None
        lite = find_pack("lite")
        self.side = lite.network("face").input.size[0]
        self.lite = {"lite network": open_network(lite, "face", {}, "cpu")}
        if fast:
            self.lite["lite network, fast"] = open_network(
                lite, "face", make_scorer("lite", "fast").options, "cpu"
            )
        self.exact: Networks | None = None
        self.fast: FastNetworks | None = None
        try:
            self.pack = find_pack("libreface")
        except ModelError:
            return
        self.roles = {stage: role for stage, role in _ROLES.items() if role in self.pack.networks}
        self.exact = Networks(self.pack, tuple(self.roles.values()), "cpu")
        if fast:
            options = make_scorer("libreface", "fast").options
            self.fast = FastNetworks(self.pack, tuple(self.roles.values()), options)


def measure(paths: list[Path], parts: Parts, repeats: int) -> dict[str, float]:
    """Milliseconds of CPU a picture, by stage; the median over the repeats, the first pass not counted."""

    def once() -> dict[str, float]:
        stages = Stages()
        for start in range(0, len(paths), BATCH):
            _batch(paths[start : start + BATCH], parts, stages)
        return stages.seconds

    once()
    runs = [once() for _ in range(repeats)]
    return {stage: 1000 * median(run[stage] for run in runs) / len(paths) for stage in runs[0]}


def _batch(paths: list[Path], parts: Parts, stages: Stages) -> None:
    import numpy as np

    from curate.scorers.decode import decode
    from curate.scorers.face import Face
    from curate.scorers.lite import mirrored, network_inputs

    def read() -> list[bytes]:
        data = [path.read_bytes() for path in paths]
        for one in data:
            hashlib.sha256(one).hexdigest()
        return data

    data = stages.run("read and hash", read)
    pixels = stages.run("decode", lambda: [decode(one).pixels for one in data])
    found = stages.run("detect and mesh", lambda: parts.mesh.detect(pixels))
    faces = [
        Face(p, of_picture[0].landmarks) for p, of_picture in zip(pixels, found, strict=True) if of_picture
    ]
    stages.run("pose and boxes", lambda: parts.geometry.score(faces))
    stages.run("quality and picture hash", lambda: parts.quality.score(faces))

    def small() -> dict[str, Any]:
        x = network_inputs(faces, parts.side)
        shape = x["shape"].reshape(len(faces), -1, 3)
        both = np.concatenate([shape, mirrored(shape)]).reshape(2 * len(faces), -1)
        return {"pixels": np.concatenate([x["pixels"], x["pixels"][..., ::-1]]), "shape": both}

    x = stages.run("crop and shape", small)
    for stage, network in parts.lite.items():
        stages.run(stage, lambda n=network: n.run(x))  # type: ignore[misc]
    if parts.exact is not None:
        _libreface(faces, parts, stages)


def _libreface(faces: list[Any], parts: Parts, stages: Stages) -> None:
    import numpy as np

    from curate.scorers.align import align
    from curate.scorers.fast import CarriedMesh
    from curate.scorers.fast_align import SmallPictures
    from curate.scorers.libreface import gaze_features
    from curate.scorers.preprocess import normalise, resize_and_crop

    aligned = stages.run("align", lambda: [align(face.pixels, face.mesh) for face in faces])

    def prepared(card: Any) -> Any:
        small = [resize_and_crop(face, card.resize, card.crop, card.resample) for face in aligned]
        return normalise(small, card.mean, card.std)

    seen = stages.run("mesh for gaze", lambda: parts.mesh.detect(aligned, max_faces=1, zooms=(1,)))
    small = cache(lambda: SmallPictures(faces))  # once for all networks, as in the scorer
    ways: list[tuple[Any, str, Any, str, Callable[[Any], Any]]] = [
        (parts.exact, "", seen, "resize and normalise", prepared)
    ]
    if parts.fast is not None:
        mesh = CarriedMesh()
        carried = stages.run("mesh for gaze, fast", lambda: mesh.detect(faces, max_faces=1, zooms=(1,)))
        ways.append(
            (
                parts.fast,
                ", fast",
                carried,
                "align and resize, fast",
                lambda card: small()(card),
            )
        )
    for networks, end, found, making, make in ways:
        inputs: dict[Any, Any] = {}
        for stage, role in parts.roles.items():
            card = parts.pack.network(role).input
            if role == "gaze":
                x = np.stack([gaze_features(f[0].landmarks, 512) for f in found if f])
            elif card in inputs:
                x = inputs[card]
            else:
                x = inputs[card] = stages.run(making, lambda c=card, m=make: m(c))  # type: ignore[misc]
            stages.run(f"{stage}{end}", lambda n=networks, r=role, v=x: n.on_features(r, v))  # type: ignore[misc]


def main() -> None:
    """Measure every set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    parts = Parts()
    sets = json.loads(given.sets.read_text())
    found = {
        name: measure([Path(path) for path in paths], parts, given.repeats) for name, paths in sets.items()
    }
    given.output.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
