"""Who is in the picture: a random adult's shape, and everything about the looks that stays with the person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .model import Model

ANCESTRIES = ("african", "asian", "caucasian")  # MakeHuman's folders, in the order of Person.ancestry
HEAD_SHAPES = ("diamond", "oval", "rectangular", "round", "square", "triangular")

# MakeHuman's symmetric details: the target's name, then its two opposite ends. Those that would move what the
# labels are about (lip corners, eyebrows, dimples) or turn the head are left out.
DETAILS = """
head/head-age decr incr
head/head-fat decr incr
head/head-scale-depth decr incr
head/head-scale-horiz decr incr
head/head-scale-vert decr incr
cheek/l-cheek-bones decr incr
cheek/l-cheek-inner decr incr
cheek/l-cheek-trans down up
cheek/l-cheek-volume decr incr
chin/chin-bones decr incr
chin/chin-cleft decr incr
chin/chin-height decr incr
chin/chin-jaw-drop decr incr
chin/chin-prognathism decr incr
chin/chin-prominent decr incr
chin/chin-width decr incr
eyes/l-eye-epicanthus in out
eyes/l-eye-eyefold-angle down up
eyes/l-eye-eyefold concave convex
eyes/l-eye-eyefold down up
eyes/l-eye-scale decr incr
eyes/l-eye-trans down up
forehead/forehead-scale-vert decr incr
forehead/forehead-temple decr incr
mouth/mouth-cupidsbow decr incr
mouth/mouth-cupidsbow-width decr incr
mouth/mouth-lowerlip-height decr incr
mouth/mouth-lowerlip-volume decr incr
mouth/mouth-lowerlip-width decr incr
mouth/mouth-philtrum-volume decr incr
mouth/mouth-scale-depth decr incr
mouth/mouth-scale-horiz decr incr
mouth/mouth-scale-vert decr incr
mouth/mouth-upperlip-height decr incr
mouth/mouth-upperlip-volume decr incr
mouth/mouth-upperlip-width decr incr
nose/nose-base down up
nose/nose-curve concave convex
nose/nose-flaring decr incr
nose/nose-greek decr incr
nose/nose-hump decr incr
nose/nose-nostrils-angle down up
nose/nose-nostrils-width decr incr
nose/nose-point down up
nose/nose-point-width decr incr
nose/nose-scale-depth decr incr
nose/nose-scale-horiz decr incr
nose/nose-scale-vert decr incr
nose/nose-septumangle decr incr
nose/nose-trans backward forward
nose/nose-trans down up
nose/nose-volume decr incr
nose/nose-width1 decr incr
nose/nose-width2 decr incr
nose/nose-width3 decr incr
""".strip().splitlines()

TONES = np.array(
    [[0.90, 0.70, 0.60], [0.80, 0.58, 0.45], [0.62, 0.42, 0.31], [0.42, 0.27, 0.19], [0.28, 0.17, 0.12]]
)
DARKNESS = np.array([1.0, 0.35, 0.2])  # of the skin, by ancestry: 0 and 1 are the ends of TONES
HAIR = np.array(
    [[0.05, 0.04, 0.035], [0.10, 0.065, 0.045], [0.20, 0.13, 0.08], [0.36, 0.25, 0.14], [0.42, 0.40, 0.38]]
)
HAIR_SHARES = [0.4, 0.25, 0.18, 0.1, 0.07]
IRIS = np.array([[0.16, 0.09, 0.05], [0.24, 0.15, 0.08], [0.28, 0.36, 0.46], [0.28, 0.36, 0.22]])
IRIS_SHARES = [0.4, 0.25, 0.2, 0.15]


@dataclass(frozen=True)
class Person:
    """`vertices` (V, 3) float32 is the face at rest. Colours are (3,); lengths are decimetres of the base head."""

    vertices: np.ndarray
    ancestry: np.ndarray  # shares of ANCESTRIES
    tone: np.ndarray
    hair: np.ndarray
    lips: float  # how much redder than the skin, 0 to 1.35
    stubble: float  # cover, 0 to 0.5
    iris: np.ndarray
    brow_thickness: float
    brow_arch: float
    brow_density: float
    hairline: float  # its height above the forehead's middle
    bald: bool
    hair_volume: float
    shirt: np.ndarray
    blush: float  # 0 to 1
    moles: np.ndarray  # (3, 2): x, y
    seed: int  # of eyebrows, skin and hair, which must not change between two pictures


def draw_person(model: Model, rng: np.random.Generator) -> Person:
    """A random adult."""
    ancestry = rng.dirichlet([0.45] * 3)
    male = float(rng.beta(0.5, 0.5))
    old = float(np.clip(rng.beta(0.8, 1.8), 0, 1))
    weight = float(rng.uniform(-0.6, 0.7))
    vertices = _figure(model, ancestry, male, old, weight)
    for detail in DETAILS:
        strength = float(np.clip(rng.normal(0, 0.22), -0.5, 0.5))
        name, low, high = detail.split()
        target = f"{name}-{low if strength < 0 else high}"
        vertices += abs(strength) * model.shapes[target]
        if "/l-" in target:  # the other side's
            vertices += abs(strength) * model.shapes[target.replace("/l-", "/r-")]
    strength = rng.uniform(0, 0.4)
    vertices += strength * model.shapes[f"head/head-{HEAD_SHAPES[rng.integers(len(HEAD_SHAPES))]}"]

    darkness = np.clip(ancestry @ DARKNESS + rng.normal(0, 0.12), 0, 1)
    place = darkness * (len(TONES) - 1)
    below = min(int(place), len(TONES) - 2)
    tone = TONES[below] * (1 - place + below) + TONES[below + 1] * (place - below)
    # Dark skin goes with the two darkest colours of hair and of eyes.
    hair = HAIR[rng.choice(5, p=HAIR_SHARES) if darkness < 0.6 else rng.choice(2)]
    tone = tone * rng.uniform(0.93, 1.05)
    lips = rng.uniform(0.5, 1.0) * (1.35 if male < 0.4 else 1)
    stubble = rng.uniform(0, 0.5) if male > 0.6 and rng.random() < 0.6 else 0.0
    iris = IRIS[rng.choice(4, p=IRIS_SHARES) if darkness < 0.45 else rng.integers(2)]
    return Person(
        vertices=vertices.astype("f4"),
        ancestry=ancestry,
        tone=tone,
        hair=hair,
        lips=lips,
        stubble=stubble,
        iris=iris,
        brow_thickness=rng.uniform(0.018, 0.034) * (1.15 if male > 0.5 else 0.9),
        brow_arch=rng.uniform(-0.008, 0.012),
        brow_density=rng.uniform(0.55, 0.95),
        hairline=rng.uniform(7.74, 7.90),
        bald=rng.random() < 0.12,
        hair_volume=rng.uniform(0.02, 0.14),
        seed=int(rng.integers(1 << 30)),
        shirt=_faded(rng.uniform(0.05, 0.75, 3)),
        blush=rng.uniform(0.2, 1.0),
        moles=rng.uniform([-0.5, 6.3], [0.5, 7.6], (3, 2)),
    )


def _figure(model: Model, ancestry: np.ndarray, male: float, old: float, weight: float) -> np.ndarray:
    """The base mesh blended as MakeHuman does: ancestry, gender and age; weight -1 to 1. (V, 3) float64."""
    vertices = model.vertices.copy()
    build = "maxweight" if weight > 0 else "minweight"
    for gender, gender_share in (("female", 1 - male), ("male", male)):
        for age, age_share in (("young", 1 - old), ("old", old)):
            for name, share in zip(ANCESTRIES, ancestry, strict=True):
                target = model.shapes[f"macrodetails/{name}-{gender}-{age}"]
                vertices += gender_share * age_share * share * target
            target = model.shapes[f"macrodetails/universal-{gender}-{age}-averagemuscle-{build}"]
            vertices += gender_share * age_share * abs(weight) * target
    return vertices


def _faded(colour: np.ndarray) -> np.ndarray:
    return colour.mean() + 0.5 * (colour - colour.mean())
