"""The colour and gloss of every visible point: skin, brows, hair, shirt, eyes and the inside of the mouth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .head import EYES, Head
from .model import LOWER_TEETH, SKIN, TONGUE, UPPER_TEETH
from .people import Person
from .textures import BROW_HEIGHT, BROW_TOP, BROW_WIDTH, eyebrow, noise, sample

IRIS_RADIUS, PUPIL_RADIUS = 0.46, 0.19  # of the eyeball's


@dataclass(frozen=True)
class Surface:
    """What is seen at n pixels.

    `point` and `normal` (n, 3), turned as the camera sees them, the normal of length 1; `rest` (n, 3) on the
    base head; `uv` (n, 2); `eye` (n, 3), the direction from the eyeball's centre; `part` (n,).
    """

    point: np.ndarray
    normal: np.ndarray
    rest: np.ndarray
    uv: np.ndarray
    eye: np.ndarray
    part: np.ndarray

    @property
    def teeth(self) -> np.ndarray:
        return np.isin(self.part, (UPPER_TEETH, LOWER_TEETH))


def hair_cover(person: Person, rest: np.ndarray) -> np.ndarray:
    """Where hair grows, (n,) float32 0 to 1, at rest positions (n, 3)."""
    x, y, z = rest.T
    line = person.hairline - 0.10 * np.abs(x) - 1.0 * np.clip(np.abs(x) - 0.45, 0, 1)  # falls at the temples
    front = np.clip((y - line) / 0.07, 0, 1)
    back = np.clip((0.62 - z) / 0.10, 0, 1) * np.clip((y - 6.75) / 0.1, 0, 1)
    return np.maximum(front, back).astype("f4")


def hair_depth(person: Person, head: Head, rng: np.random.Generator) -> np.ndarray:
    """How far the hair stands off the scalp, (N,) float32, in decimetres."""
    lumps = noise(rng, 64, 64, [(3, 0.5), (8, 0.5)])
    uneven = 1 + 0.3 * sample(lumps, (head.rest[:, 0] + 1.2) / 2.4, (head.rest[:, 1] - 6) / 3)
    return hair_cover(person, head.rest) * person.hair_volume * uneven


def colours(
    person: Person, head: Head, surface: Surface, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Albedo (n, 3), strength of the gloss (n,) and its exponent (n,).

    `rng` must be the person's own, in the same state for every picture.
    """
    x, y, z = surface.rest.T
    skin = surface.part == SKIN
    blotches = noise(rng, 256, 256, [(2, 0.35), (6, 0.5), (24, 0.7)])
    pores = noise(rng, 512, 512, [(1, 1.0)])
    coarse = sample(blotches, (x + 1.2) / 2.4, (y - 5.6) / 3)
    fine = sample(pores, (x * 1.3 + 1.2) / 2.4, (y - 5.6) / 2.4 + z * 0.2)
    colour = _skin(person, surface, coarse, fine)

    lips = np.clip(head.mask("lips", surface.uv), 0, 1)[:, None]
    lip_colour = person.tone * (1 - 0.32 * np.clip(person.lips, 0, 1.3) * np.array([0.35, 1.05, 0.95]))
    colour = _blend(colour, lip_colour * (1 + 0.03 * fine[:, None]), lips)
    lids = head.mask("eyelids", surface.uv)[:, None]
    colour = colour * (1 - 0.12 * lids * np.array([0.4, 1, 1]))
    mouth = head.mask("inside-mouth", surface.uv)[:, None]
    colour = _blend(colour, np.array([0.36, 0.11, 0.11]), mouth)

    drawn = eyebrow(
        np.random.default_rng(person.seed), person.brow_thickness, person.brow_arch, person.brow_density
    )
    brow = sample(drawn, np.abs(x) / BROW_WIDTH, (BROW_TOP - y) / BROW_HEIGHT)
    brow = brow * (z > 0.9) * skin * (np.abs(x) < 0.74) * (y < 7.69) * (y > 7.31)
    colour = colour * (1 - 0.92 * brow[:, None]) + person.hair * 0.92 * brow[:, None]
    gloss = 0.10 * (1 - 0.8 * brow) + 0.10 * lips[:, 0] + 0.05 * np.exp(-((x / 0.15) ** 2))
    exponent = np.full(len(x), 22.0)

    if not person.bald:
        ear = np.clip(head.mask("ears", surface.uv), 0, 1)
        cover = (hair_cover(person, surface.rest) * (1 - ear))[:, None]
        # Strands fall from the crown: much finer around it than along them.
        around = np.arctan2(x, y - 7.4)
        strands = noise(rng, 64, 1024, [(1, 1.0)])
        strand = sample(strands, (around / np.pi + 1) / 2, np.clip((z + 0.6) / 2.3, 0, 1))
        colour = _blend(colour, person.hair * np.clip(1 + 0.3 * strand, 0.4, 1.8)[:, None], cover)
        gloss = gloss * (1 - 0.6 * cover[:, 0])

    collar = 5.75 + np.where(np.abs(x) < 0.6, 0.25, 0.0) * (np.abs(x) - 0.6)  # lowest at the throat
    shirt = (np.clip((collar - y) / 0.02, 0, 1) * skin)[:, None]
    colour = _blend(colour, person.shirt * (1 + 0.03 * fine[:, None]), shirt)
    gloss = gloss * (1 - shirt[:, 0])

    eyes = np.isin(surface.part, EYES)
    colour[eyes], gloss[eyes], exponent[eyes] = _eyes(person, surface.eye[eyes]), 0.55, 180.0
    teeth, tongue = surface.teeth, surface.part == TONGUE
    colour[teeth], gloss[teeth], exponent[teeth] = np.array([0.92, 0.88, 0.80]), 0.2, 60.0
    colour[tongue], gloss[tongue] = np.array([0.55, 0.22, 0.20]), 0.12

    # The deeper in the mouth, the less light: there is no lamp inside.
    depth = np.clip((1.5 - z) / 0.5, 0, 1)
    inside = teeth | tongue | (mouth[:, 0] > 0.5)
    dark = np.where(teeth, 0.9, 0.75) * np.where(teeth, depth**1.5, depth)
    colour = colour * np.where(inside, 1 - dark, 1)[:, None]
    gloss = np.where(inside, gloss * (1 - 0.8 * depth), gloss)
    return colour, gloss, exponent


def _skin(person: Person, surface: Surface, coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Skin (n, 3): blotches and pores, red cheeks and nose, shade under the eyes, moles, stubble."""
    x, y, z = surface.rest.T
    colour = person.tone * (1 + 0.022 * coarse[:, None] + 0.02 * fine[:, None])
    cheeks = np.exp(-(((np.abs(x) - 0.38) / 0.17) ** 2 + ((y - 6.95) / 0.16) ** 2))
    nose = np.exp(-((x / 0.12) ** 2 + ((y - 6.92) / 0.12) ** 2)) * (z > 1.4)
    red = cheeks + 0.8 * nose
    colour = colour * (1 - person.blush * 0.16 * red[:, None] * np.array([0.0, 1.0, 0.9]))
    under_eyes = np.exp(-(((np.abs(x) - 0.30) / 0.12) ** 2 + ((y - 7.13) / 0.045) ** 2))
    colour = colour * (1 - 0.12 * under_eyes[:, None] * np.array([0.8, 1, 0.9]))
    for mole_x, mole_y in person.moles:
        mole = np.exp(-(((x - mole_x) ** 2 + (y - mole_y) ** 2) / 0.012**2))
        colour = colour * (1 - 0.35 * mole[:, None] * (z > 0.9)[:, None])
    if person.stubble:
        below_nose, above_throat = np.clip((6.82 - y) / 0.12, 0, 1), np.clip((y - 6.1) / 0.1, 0, 1)
        around_lips = np.clip(1.1 - np.exp(-((x / 0.25) ** 2 + ((y - 6.6) / 0.07) ** 2)), 0, 1)
        cover = person.stubble * below_nose * above_throat * (z > 0.4) * (0.6 + 0.4 * fine)
        cover = np.clip(cover * around_lips, 0, 0.6)
        colour = _blend(colour, person.hair, cover[:, None])
    return colour


def _eyes(person: Person, out: np.ndarray) -> np.ndarray:
    """The eyeball's colour (n, 3) in directions `out` (n, 3) from its centre, z to the front."""
    x, y, z = out.T
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    front = (z > 0)[:, None]
    white = np.array([0.80, 0.76, 0.73])
    colour = white - np.array([0.02, 0.12, 0.12]) * np.clip((radius - 0.6) / 0.4, 0, 1)[:, None]
    rays = (1 + 0.25 * np.sin(angle * 37) * np.sin(angle * 23 + 1))[:, None]
    rim = np.clip((radius - IRIS_RADIUS * 0.75) / (IRIS_RADIUS * 0.25), 0, 1)
    iris = person.iris * rays * (1.2 - 0.9 * rim)[:, None]
    colour = _blend(colour, iris, np.clip((IRIS_RADIUS - radius) / 0.03, 0, 1)[:, None] * front)
    pupil = np.clip((PUPIL_RADIUS - radius) / 0.03, 0, 1)[:, None] * front
    return _blend(colour, 0.015, pupil)


def _blend(under: np.ndarray, over: np.ndarray | float, cover: np.ndarray) -> np.ndarray:
    return under * (1 - cover) + over * cover
