"""Near-duplicates: faces that are the same picture and the same expression but for little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from curate.recipes.dedupe import near_duplicates
from curate.recipes.vectors import au_vectors
from curate.reports.album import Shot
from curate.reports.material import Gap, Material
from curate.reports.wording import count, percent

# As the built-in recipe `balanced-expressions` has it.
HASH_BITS, AU_DISTANCE = 6, 0.15
_GROUPS, _SHOWN = 6, 6
_BOX = ("box_x", "box_y", "box_w", "box_h")


@dataclass(frozen=True, slots=True)
class Group:
    """A face that is kept and those that are near it: how many in all, and the first of them."""

    faces: int
    shown: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What the section shows; `sizes` tells how many groups have how many faces."""

    finding: str
    bits: int
    distance: float
    near: int
    groups: int
    largest: tuple[Group, ...]
    sizes: tuple[tuple[int, int], ...]


def duplicates(material: Material) -> Duplicates | Gap:
    """What a recipe with `dedupe: {hash_bits: 6, au_distance: .15}` would leave out."""
    if not material.has("phash"):
        return material.gap("Pictures are compared by a perceptual hash, which this set lacks.")
    faces = material.faces
    order = faces.with_row_index("_row").sort(
        ["sharpness", "sha256", "face", "image"]
        if "sharpness" in faces.columns
        else ["sha256", "face", "image"],
        descending=[True, False, False, False] if "sharpness" in faces.columns else False,
        nulls_last=True,
    )["_row"]
    boxed = set(_BOX) <= set(faces.columns)
    keeper = near_duplicates(
        faces["phash"].fill_null(0).to_numpy(),
        au_vectors(faces),
        hash_bits=HASH_BITS,
        au_distance=AU_DISTANCE,
        order=order.to_numpy().astype(np.intp),
        box=faces.select(pl.col(_BOX).fill_null(float("nan"))).to_numpy().astype(np.float32)
        if boxed
        else None,
        picture=faces["image"].rank("dense").to_numpy().astype(np.int64),
        valid=faces["phash"].is_not_null().to_numpy(),
    )
    near = int((keeper >= 0).sum())
    heads, sizes = np.unique(keeper[keeper >= 0], return_counts=True)
    largest = sorted(zip(-sizes, heads, strict=True))[:_GROUPS]
    groups = []
    for size, head in largest:
        rows = [int(head), *np.flatnonzero(keeper == head)[: _SHOWN - 1].tolist()]
        shots = tuple(material.album.want(faces.row(i, named=True)) for i in rows)
        groups.append(Group(int(-size) + 1, shots))
    many = np.unique(sizes + 1, return_counts=True)
    finding = f"No two of the {count(faces.height, 'face')} are near-duplicates."
    if near:
        repeat, share = "repeats" if near == 1 else "repeat", percent(near, faces.height)
        within = count(len(heads), "group")
        finding = f"{count(near, 'face')} of {faces.height:,} ({share}) {repeat} another one, in {within}."
    told = tuple((int(size), int(n)) for size, n in zip(*many, strict=True))
    return Duplicates(finding, HASH_BITS, AU_DISTANCE, near, len(heads), tuple(groups), told)
