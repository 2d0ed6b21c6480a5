"""One picture: the moved face under a random lamp, before a random camera and background."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from .head import Head
from .looks import Surface, colours, hair_depth
from .model import LASHES, SKIN, THIN_LASHES
from .people import Person
from .raster import interpolate, rasterize
from .textures import background

SIZE = 224  # pixels
FIELD = 2.45  # decimetres across the picture, at the eyes' distance
PIVOT = np.array([0, -0.22, -0.55])  # about what the head turns, from the point between the eyes
SHADOW_SIZE, SHADOW_FIELD, SHADOW_CORNER = 640, 3.6, np.array([-1.7, -1.9])
LIGHT_BLEED = (0.32, 0.22, 0.18)  # how far red, green and blue wrap around the terminator in skin
GAMMA = 1.25


@dataclass(frozen=True)
class Lamps:
    """A key lamp and, on the other side, a fill lamp.

    `directions` (2, 3) of length 1, towards them; `powers` of each; `ambient` light from everywhere; `tint`
    (3,) of all of it; `soft` (12, 2), in pixels, the offsets at which the key lamp's shadow is looked up.
    """

    directions: np.ndarray
    powers: tuple[float, float]
    ambient: float
    tint: np.ndarray
    soft: np.ndarray


def draw_lamps(rng: np.random.Generator) -> Lamps:
    """Lamps at random: the key lamp up to 50 degrees to a side, from a little below to well above."""
    azimuth, height = rng.uniform(-0.9, 0.9), rng.uniform(-0.05, 0.8)
    key = [np.sin(azimuth) * np.cos(height), np.sin(height), np.cos(azimuth) * np.cos(height)]
    directions = np.array([key, [-np.sin(azimuth) * 0.7 - 0.2 * np.sign(azimuth), 0.25, 0.7]])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    powers = (rng.uniform(0.65, 0.95), rng.uniform(0.12, 0.35))
    ambient, tint = rng.uniform(0.22, 0.38), 1 + rng.normal(0, 0.04, 3)
    return Lamps(directions, powers, ambient, tint, rng.uniform(-1, 1, (12, 2)) * 5)


def render(
    head: Head,
    person: Person,
    moved: np.ndarray,
    rng: np.random.Generator,
    yaw: float,
    pitch: float,
    roll: float,
) -> Image.Image:
    """The person with the displacement `moved` (V, 3), turned by angles in radians, as RGB of SIZE pixels."""
    own = np.random.default_rng(person.seed + 1)
    vertices = head.refine(person.vertices + moved)
    normals = head.normals(vertices)
    if not person.bald:
        hair = hair_depth(person, head, own)
        vertices = vertices + normals * hair[:, None] * head.scalp[:, None]
        normals = head.normals(vertices)
    turn = rotation(yaw, pitch, roll)
    centre = head.eye_centre(person.vertices) + PIVOT
    points, normals = ((vertices - centre) @ turn.T).astype("f4"), (normals @ turn.T).astype("f4")

    distance = rng.uniform(7.0, 11.0)
    focal = SIZE * distance / FIELD * rng.uniform(0.92, 1.06)
    offset = rng.normal(0, 0.02, 2) * SIZE
    depth = distance - points[:, 2]
    across = SIZE / 2 + offset[0] + points[:, 0] / depth * focal
    down = SIZE / 2 + offset[1] - points[:, 1] / depth * focal
    xy, depth = np.stack([across, down], 1).astype("f4"), depth.astype("f4")
    lamps = draw_lamps(rng)

    triangles = head.triangles[head.solid]
    nearest, index, weights = rasterize(xy, depth, triangles, SIZE)
    seen = index >= 0
    surface = visible(head, points, normals, index[seen], weights[seen])
    colour, gloss, exponent = colours(person, head, surface, own)
    lit = shadow(points, surface, triangles, lamps)
    open_sky = creases(nearest, seen, surface)
    picture = background(rng, SIZE)
    picture[seen] = shade(surface, colour, gloss, exponent, lit, open_sky, lamps)

    for part, opacity in ((LASHES, 0.75), (THIN_LASHES, 0.3)):
        lash_depth, lash, _ = rasterize(xy, depth, head.triangles[head.part == part], SIZE)
        in_front = (lash >= 0) & (lash_depth < nearest + 0.02)
        cover = cv2.GaussianBlur(in_front.astype("f4"), (0, 0), 0.5)[..., None] * opacity
        picture = picture * (1 - cover) + cover * np.array([0.03, 0.025, 0.02])
    return Image.fromarray((np.clip(picture, 0, 1) ** (1 / GAMMA) * 255).astype("u1"))


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """(3, 3): first yaw about y, then pitch about x, then roll about z."""
    cy, sy, cp, sp, cr, sr = (f(angle) for angle in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return about_z @ about_x @ about_y


def visible(
    head: Head, points: np.ndarray, normals: np.ndarray, index: np.ndarray, weights: np.ndarray
) -> Surface:
    """The surface at pixels that show the solid triangles `index` (n,) at barycentric `weights` (n, 2)."""
    corners, uv_corners = head.triangles[head.solid][index], head.uv_triangles[head.solid][index]
    weights = np.stack([weights[:, 0], weights[:, 1], 1 - weights.sum(1)], 1)
    normal = interpolate(normals, corners, weights)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    return Surface(
        point=interpolate(points, corners, weights),
        normal=normal * np.where(normal[:, 2:] < 0, -1, 1),  # the inside of the mouth is seen from behind
        rest=interpolate(head.rest, corners, weights),
        uv=interpolate(head.uv, uv_corners, weights),
        eye=interpolate(head.eye, corners, weights),
        part=head.part[head.solid][index],
    )


def shadow(points: np.ndarray, surface: Surface, triangles: np.ndarray, lamps: Lamps) -> np.ndarray:
    """What reaches the surface (n,) of the key lamp's light, 0 to 1: a shadow map with soft edges."""
    key = lamps.directions[0]
    right = np.cross([0, 1, 0], key)
    right /= np.linalg.norm(right)
    up = np.cross(key, right)
    scale = SHADOW_SIZE / SHADOW_FIELD
    map_xy = (np.stack([points @ right, points @ up], 1) - SHADOW_CORNER) * scale
    nearest, _, _ = rasterize(map_xy.astype("f4"), (4 - points @ key).astype("f4"), triangles, SHADOW_SIZE)
    place = (np.stack([surface.point @ right, surface.point @ up], 1) - SHADOW_CORNER) * scale
    depth = 4 - surface.point @ key
    hidden = np.zeros(len(depth), "f4")
    for offset in lamps.soft:
        column, row = np.clip((place + offset).astype(int), 0, SHADOW_SIZE - 1).T
        hidden += nearest[row, column] < depth - 0.035
    # Lips and cheeks let some light through to the teeth.
    return 1 - np.where(surface.teeth, 0.3, 0.75) * hidden / len(lamps.soft)


def creases(nearest: np.ndarray, seen: np.ndarray, surface: Surface) -> np.ndarray:
    """Ambient occlusion (n,), about 0.4 to 1.08: darker where a pixel lies deeper than those around it."""
    depth = nearest[seen]
    # The background counts as the back of the head, or the outline would shine.
    filled = np.minimum(np.where(seen, nearest, depth.max()), depth.min() + 1.6)
    deeper = np.zeros(len(depth), "f4")
    for sigma, strength in ((2.5, 7.0), (7, 2.5)):
        around = cv2.GaussianBlur(filled, (0, 0), sigma)[seen]
        deeper += np.clip((depth - around) * strength, -0.06, 0.35)
    return 1 - np.clip(deeper, -0.08, np.where(surface.teeth, 0.18, 0.6))


def shade(
    surface: Surface,
    colour: np.ndarray,
    gloss: np.ndarray,
    exponent: np.ndarray,
    lit: np.ndarray,
    open_sky: np.ndarray,
    lamps: Lamps,
) -> np.ndarray:
    """Light that leaves the surface, (n, 3): diffuse with a wrap that lets red bleed in skin, and Blinn's gloss."""
    skin = surface.part == SKIN
    diffuse, shine = np.zeros((len(skin), 3)), np.zeros(len(skin))
    for lamp, (direction, power) in enumerate(zip(lamps.directions, lamps.powers, strict=True)):
        facing = surface.normal @ direction
        reaches = lit if lamp == 0 else np.ones(len(skin))
        for channel in range(3):
            wrap = np.where(skin, LIGHT_BLEED[channel], 0.15)
            # Shadows on skin are a little red, too.
            hidden = (1 - reaches) * (0.88 if channel == 0 else 1)
            diffuse[:, channel] += power * np.maximum(0, (facing + wrap) / (1 + wrap)) * (1 - hidden)
        half = direction + np.array([0, 0, 1.0])
        half /= np.linalg.norm(half)
        shine += np.maximum(0, surface.normal @ half) ** exponent * gloss * power * reaches
    light = diffuse * lamps.tint + lamps.ambient * (0.75 + 0.25 * surface.normal[:, 1:2])
    return colour * light * open_sky[:, None] + (shine * np.clip(open_sky, 0, 1))[:, None]
