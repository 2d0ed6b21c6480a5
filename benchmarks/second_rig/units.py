"""Action units: which shapes make them, how often they are drawn, how far they part the lips, the labels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .model import LOWER_TEETH, SKIN, TONGUE, Model
from .people import ANCESTRIES, Person

INTENSITIES = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
PRESENCES = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17)
PRESENT = 0.2  # activation from which on an action unit counts as present: FACS intensity B

# The action units that are switched on by themselves, in this order; 25 follows from the lips. The last four
# have no label: they are there so that a network does not take them for one of the others.
DRIVEN = (1, 2, 4, 5, 6, 9, 10, 12, 15, 17, 20, 26, 7, 14, 24, 16, 18, 22, 43)
UNLABELLED = (16, 18, 22, 43)
# Ekman & Friesen's prototypes (EMFACS), whole or in part: faces move in such groups more often than at random.
PROTOTYPES = (
    (6, 12), (6, 12, 26), (12,), (1, 4, 15), (1, 4, 15, 17), (1, 2, 5, 26), (1, 2, 4, 5, 7, 20, 26), (9, 17),
    (9, 10), (4, 5, 7, 24), (4, 7), (14,), (1, 2), (15, 17),
)  # fmt: skip


@dataclass(frozen=True)
class Rig:
    """`shapes` gives, per action unit, shapes and their weights; `limits` the activations beyond which they tear.

    `{ancestry}` in a name stands for the person's blend of ANCESTRIES; `LOWER_JAW` for the lower teeth and
    tongue alone, moved as Face Units moves them.
    """

    name: str
    shapes: dict[int, dict[str, float]]
    limits: dict[int, float] = field(default_factory=dict)


LOWER_JAW = "lower jaw"
JAW_OPEN = "faceunits/jawOpen"


def _face_unit(name: str) -> dict[str, float]:
    return {f"faceunits/{name}Left": 1.0, f"faceunits/{name}Right": 1.0}


def _legacy(name: str, weight: float = 1.0) -> dict[str, float]:
    """An expression unit; `*` stands for both sides."""
    sides = ("left", "right") if "*" in name else ("",)
    return {f"expression/units/{{ancestry}}/{name.replace('*', side)}": weight for side in sides}


# Face Units 01, whose shapes have ARKit's names.
FACE_UNITS = Rig(
    "faceunits",
    {
        1: {"faceunits/browInnerUp": 1.0},
        2: _face_unit("browOuterUp"),
        4: _face_unit("browDown"),
        5: _face_unit("eyeWide"),
        6: _face_unit("cheekSquint"),
        7: _face_unit("eyeSquint"),
        9: _face_unit("noseSneer"),
        10: _face_unit("mouthUpperUp"),
        12: _face_unit("mouthSmile"),
        14: _face_unit("mouthDimple"),
        15: _face_unit("mouthFrown"),
        16: _face_unit("mouthLowerDown"),
        17: {"faceunits/mouthShrugLower": 1.0},
        18: {"faceunits/mouthPucker": 1.0},
        20: _face_unit("mouthStretch"),
        22: {"faceunits/mouthFunnel": 1.0},
        24: _face_unit("mouthPress"),
        26: {JAW_OPEN: 1.0},
        43: _face_unit("eyeBlink"),
    },
)
# MakeHuman's own expression units, by other hands and years older.
LEGACY = Rig(
    "legacy",
    {
        1: _legacy("eyebrows-*-inner-up"),
        2: _legacy("eyebrows-*-extern-up"),
        4: _legacy("eyebrows-*-down"),
        5: _legacy("eye-*-opened-up"),
        7: _legacy("eye-*-slit"),
        10: _legacy("mouth-elevation"),
        12: _legacy("mouth-corner-puller"),
        15: _legacy("mouth-depression"),
        18: _legacy("mouth-pursing", 0.7),
        26: _legacy("mouth-open") | {LOWER_JAW: 1.0},  # mouth-open leaves teeth and tongue behind
        43: _legacy("eye-*-closure"),
    },
    limits={26: 0.6},  # beyond this mouth-open tears the mouth's corners
)


def draw_activations(rig: Rig, rng: np.random.Generator) -> dict[int, float]:
    """Action units of one picture, 0 to 1: nothing at all, a prototype and a little more, or single ones."""
    on: dict[int, float] = {}
    kind = rng.random()
    if kind <= 0.07:
        return on
    prototype = kind < 0.45
    if prototype:
        strength = rng.beta(2, 1.3)
        for unit in PROTOTYPES[rng.integers(len(PROTOTYPES))]:
            if unit in rig.shapes:
                value = float(np.clip(strength * rng.uniform(0.6, 1.3), 0, 1))
                on[unit] = value * rig.limits.get(unit, 1)
    for unit in DRIVEN:
        if unit in rig.shapes:
            rate = 0.05 if unit in UNLABELLED else 0.06 if prototype else 0.16
            if rng.random() < rate:
                on[unit] = float(rng.beta(1.5, 1.2)) * rig.limits.get(unit, 1)
    if 43 in on:
        on.pop(5, None)  # eyes cannot close and widen
    return on


def displacement(
    model: Model, rig: Rig, person: Person, on: dict[int, float], gaze: float = 0.0
) -> np.ndarray:
    """How far the face moves from rest, (V, 3) float64; `gaze` is the turn of the eyes, -1 to 1."""
    moved = np.zeros_like(model.vertices)
    for unit, value in on.items():
        for name, weight in rig.shapes[unit].items():
            if name == LOWER_JAW:
                jaw = np.zeros((len(moved), 1))
                jaw[model.of_part(LOWER_TEETH, TONGUE)] = 1
                moved += value * weight * model.shapes[JAW_OPEN] * jaw
            elif "{" in name:
                for ancestry, share in zip(ANCESTRIES, person.ancestry, strict=True):
                    moved += value * weight * share * model.shapes[name.format(ancestry=ancestry)]
            else:
                moved += value * weight * model.shapes[name]
    for name, side in (("InLeft", -gaze), ("OutRight", -gaze), ("OutLeft", gaze), ("InRight", gaze)):
        moved += np.maximum(side, 0) * model.shapes[f"faceunits/eyeLook{name}"]
    return moved


class Lips:
    """The edges between which the mouth opens, on seven lines along its middle."""

    def __init__(self, model: Model) -> None:
        x, y, z = model.vertices.T
        skin = np.zeros(len(x), bool)
        skin[model.of_part(SKIN)] = True
        edge = skin & (z > 1.42) & (np.abs(x) < 0.2) & (y > 6.56) & (y < 6.66)
        # They touch at rest: what tells them apart is whether the jaw takes them along.
        drop = model.shapes[JAW_OPEN][:, 1]
        upper, lower = np.flatnonzero(edge & (drop > -0.05)), np.flatnonzero(edge & (drop < -0.15))
        self._lines = [
            (upper[np.abs(x[upper] - at) < 0.025], lower[np.abs(x[lower] - at) < 0.025])
            for at in np.linspace(-0.12, 0.12, 7)
        ]

    def gap(self, vertices: np.ndarray) -> float:
        """The mean distance between upper and lower lip, in decimetres; where they overlap it is 0."""
        gaps = [vertices[upper, 1].min() - vertices[lower, 1].max() for upper, lower in self._lines]
        return float(np.mean(np.maximum(gaps, 0)))


def labels(
    model: Model, lips: Lips, rig: Rig, person: Person, on: dict[int, float], moved: np.ndarray
) -> dict[str, float | str]:
    """Intensities 0 to 5 and presences 0 or 1 by column; empty where the rig has no such shape.

    Action unit 25 is measured: the lips' gap as a share of what this person's open jaw gives.
    """
    rest = person.vertices.astype("f8")
    closed = lips.gap(rest)
    widest = lips.gap(rest + displacement(model, rig, person, {26: 1.0})) - closed
    parted = float(np.clip((lips.gap(rest + moved) - closed) / widest, 0, 1))
    value = {unit: on.get(unit, 0.0) for unit in rig.shapes} | {25: parted}
    row: dict[str, float | str] = {
        f"au{unit:02}": round(value[unit] * 5, 3) if unit in value else "" for unit in INTENSITIES
    }
    return row | {
        f"au{unit:02}_p": float(value[unit] >= PRESENT) if unit in value else "" for unit in PRESENCES
    }
