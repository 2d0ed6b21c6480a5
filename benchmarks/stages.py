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
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # as the workers run; read when numpy and the like are imported

T = TypeVar("T")
BATCH = 8
FAST = ", fast"
COMMON = ("read and hash", "decode", "detect and mesh", "pose and boxes", "quality and picture hash")
OF_SCORER = {
    "lite": ("crop and shape", "lite network"),
    "libreface": (
        "align", "resize and normalise", "action-unit network", "expression network", "mesh for gaze", "gaze network",
    ),
}  # fmt: skip
_ROLES = {"action-unit network": "au", "expression network": "expression", "gaze network": "gaze"}


def floor(stages: dict[str, float], scorer: str, profile: str) -> float:
    """Milliseconds of one thread that a picture takes at least; `stages` of the picture's set."""
    names = (*COMMON, *OF_SCORER[scorer])
    return sum(
        stages.get(f"{name}{FAST}" if profile == "fast" else name, stages.get(name, 0.0)) for name in names
    )


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
        from curate.scorers.geometry import Geometry
        from curate.scorers.mesh import FaceMesh
        from curate.scorers.quality import Quality
        from curate.scorers.scorer import make_scorer

        cv2.setNumThreads(1)
        self.mesh, self.quality, self.geometry = FaceMesh("cpu"), Quality(), Geometry()
        profiles = {"": "exact"} | ({FAST: "fast"} if _has("openvino") else {})
        self.lite = find_pack("lite")
        self.side = self.lite.network("face").input.size[0]
        self.networks: dict[str, Any] = {}
        try:
            self.libreface = find_pack("libreface")
        except ModelError:
            self.libreface = None  # type: ignore[assignment]
        for end, profile in profiles.items():
            options = make_scorer("lite", profile).options  # type: ignore[arg-type]
            self.networks[f"lite network{end}"] = open_network(self.lite, "face", options, "cpu")
            if self.libreface is not None:
                options = make_scorer("libreface", profile).options  # type: ignore[arg-type]
                for stage, role in _ROLES.items():
                    if role in self.libreface.networks:
                        self.networks[f"{stage}{end}"] = open_network(self.libreface, role, options, "cpu")


def _has(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


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
    for stage, network in parts.networks.items():
        if stage.startswith("lite"):
            stages.run(stage, lambda n=network: n.run(x))  # type: ignore[misc]
    if parts.libreface is not None:
        _libreface(faces, parts, stages)


def _libreface(faces: list[Any], parts: Parts, stages: Stages) -> None:
    import numpy as np

    from curate.scorers.align import align
    from curate.scorers.libreface import gaze_features
    from curate.scorers.preprocess import normalise, resize_and_crop

    aligned = stages.run("align", lambda: [align(face.pixels, face.mesh) for face in faces])
    seen = stages.run("mesh for gaze", lambda: parts.mesh.detect(aligned, max_faces=1, zooms=(1,)))
    points = [gaze_features(f[0].landmarks, 512) for f in seen if f]
    for role in ("au", "expression"):
        card = parts.libreface.network(role).input

        def prepared(card: Any = card) -> Any:
            small = [resize_and_crop(face, card.resize, card.crop, card.resample) for face in aligned]
            return normalise(small, card.mean, card.std)

        x = stages.run("resize and normalise", prepared)
        for stage, network in parts.networks.items():
            if _ROLES.get(stage.removesuffix(FAST)) == role:
                stages.run(stage, lambda n=network, x=x: n.run(x))  # type: ignore[misc]
    for stage, network in parts.networks.items():
        if stage.startswith("gaze") and points:
            stages.run(stage, lambda n=network: n.run(np.stack(points)))  # type: ignore[misc]


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
