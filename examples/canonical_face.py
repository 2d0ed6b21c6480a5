"""Rebuild `scorers/canonical_face.npy`: the average mesh of rendered, frontal, neutral heads.

    pip install numba
    python examples/canonical_face.py ../shared/data/ict

Every head of ICT-FaceKit light (MIT) is rendered upright, looking straight ahead, and its mirror image too;
the meshes are laid over each other by their rigid points and averaged, so left and right come out equal.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curate.scorers.align import EYE_33, EYE_263
from curate.scorers.mesh import FaceMesh

HEADS = 100
SIDE = 384


def main(ict: Path, out: Path) -> None:
    """Render, measure, average, write."""
    sys.path.insert(0, str(ict))
    from render import render

    mesh = FaceMesh()
    shapes = []
    for head in range(HEADS):
        random = np.random.default_rng(head)
        identity = random.normal(0, 0.6, 40).astype(np.float32)
        picture, _ = render({}, identity, random, S=SIDE)
        pixels = np.asarray(picture.convert("RGB"))
        for view in (pixels, np.ascontiguousarray(pixels[:, ::-1])):
            faces = mesh.detect([view])[0]
            if len(faces) == 1:
                shapes.append(faces[0].landmarks.astype(np.float64) * SIDE * (1, -1, -1))
    average = _average(np.stack(shapes))
    np.save(out, average.astype(np.float32))
    print(f"{len(shapes)} meshes -> {out}")


def _average(shapes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean shape in units of its own eye distance, centred between the eyes.

    Translation and scale are taken out of each mesh, rotation is not: the heads look straight ahead, and
    turning them to fit each other would let the first one decide where that is.
    """
    eyes = (shapes[:, list(EYE_33), :].mean(axis=1) + shapes[:, list(EYE_263), :].mean(axis=1)) / 2
    distance = np.linalg.norm(
        shapes[:, list(EYE_33), :2].mean(axis=1) - shapes[:, list(EYE_263), :2].mean(axis=1), axis=1
    )
    mean = ((shapes - eyes[:, None]) / distance[:, None, None]).mean(axis=0)
    # The network is not quite the same for a face and its mirror image: pair each point with the one its
    # reflection falls on, and take the middle.
    mirrored = mean * (-1, 1, 1)
    partner = np.linalg.norm(mean[:, None] - mirrored[None], axis=2).argmin(axis=1)
    symmetric: NDArray[np.float64] = (mean + mirrored[partner]) / 2
    return symmetric


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).resolve().parent.parent / "scorers" / "canonical_face.npy")
