"""What a scorer is, and the scorers there are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from curate.errors import InputError
from curate.models.pack import find_pack
from curate.models.session import Device, Profile
from curate.scorers.columns import Column, suggest
from curate.scorers.face import Face

ENTRY_POINTS = "curate.scorers"
MESH_PACK = "face-mesh"

Values = Mapping[str, NDArray[np.generic] | Sequence[object]]


@runtime_checkable
class Scorer(Protocol):
    """A pure function from a batch of faces to columns.

    An instance is cheap to make and to pickle; `open` loads what is heavy, once in every worker process.
    Another package adds its own by naming a class without required arguments in the entry-point group
    `curate.scorers`.

    Attributes:
        name: what the user types after `--scorers`.
        version: raised whenever the same pixels may give other numbers.
        columns: what `score` returns.
        needs_mesh: whether its faces must have landmarks.
        packs: names of the model packs it reads.
        options: what it was told, as words; part of its fingerprint.

    It may also say `of_picture = True` (see `of_picture`).
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def columns(self) -> tuple[Column, ...]: ...
    @property
    def needs_mesh(self) -> bool: ...
    @property
    def packs(self) -> tuple[str, ...]: ...
    @property
    def options(self) -> Mapping[str, str]: ...

    def open(self, device: Device) -> None:
        """Load the models on `cpu` or `cuda`; ModelError where that cannot be done."""

    def score(self, faces: Sequence[Face]) -> Values:
        """One value a face for each of `columns`; None or NaN where there is no answer."""


def of_picture(scorer: Scorer) -> bool:
    """Whether a scorer answers for the picture rather than the face.

    One that says `of_picture = True` is given every picture that could be decoded, once, also those without a
    face, and all rows of the picture have its answer.
    """
    return bool(getattr(scorer, "of_picture", False))


def check_columns(scorers: Iterable[Scorer], *, where: str, hint: str) -> None:
    """Raises InputError, with what it is told to say, where two scorers fill the same column."""
    owners: dict[str, str] = {}
    for scorer in scorers:
        for column in scorer.columns:
            other = owners.setdefault(column.name, scorer.name)
            if other != scorer.name:
                raise InputError(
                    f"the scorers {other} and {scorer.name} both fill the column {column.name}",
                    where=where,
                    hint=hint,
                )


def fingerprint(scorer: Scorer, mesh: str) -> str:
    """What a scorer's columns depend on, in 16 hexadecimal digits.

    Args:
        scorer: the scorer; its packs must be there (ModelError).
        mesh: which face mesh gives it its faces.
    """
    parts = [scorer.name, scorer.version, *(f"{k}={v}" for k, v in sorted(scorer.options.items()))]
    parts += [find_pack(name).fingerprint for name in scorer.packs]
    if scorer.needs_mesh:
        parts += [mesh, find_pack(MESH_PACK).fingerprint]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def scorer_names() -> list[str]:
    """Every scorer that can be asked for, ours and other packages'."""
    return sorted({*_built_in(), *(point.name for point in entry_points(group=ENTRY_POINTS))})


def make_scorer(name: str, profile: Profile = "exact", device: Device = "cpu") -> Scorer:
    """The scorer of that name, not yet opened.

    Args:
        name: ours, or another package's.
        profile: of the scorers that have profiles: those that run networks. The others are the same in both.
        device: where it will be opened; what `fast` takes depends on it.

    Raises:
        InputError: there is no such scorer.
        ModelError: `fast` needs a package or a pack that is not there.
    """
    if profile == "fast" and name in _with_profiles():
        return _with_profiles()[name](profile, device)
    if name in _built_in():
        return _built_in()[name]()
    for point in entry_points(group=ENTRY_POINTS):
        if point.name == name:
            scorer = point.load()()
            if not isinstance(scorer, Scorer):
                raise InputError(f"{point.value} is not a scorer: see docs/scorers.md", where=name)
            return scorer
    names = scorer_names()
    raise InputError(
        f"no scorer of this name{suggest(name, names)}", where=name, hint=f"choose from: {', '.join(names)}"
    )


def _with_profiles() -> dict[str, Callable[[Profile, Device], Scorer]]:
    from curate.scorers.libreface import LibreFace, LibreFaceSeparate
    from curate.scorers.lite import Lite

    return {Lite.name: Lite, LibreFace.name: LibreFace, LibreFaceSeparate.name: LibreFaceSeparate}


def _built_in() -> dict[str, Callable[[], Scorer]]:
    from curate.scorers.fake import FakeScorer
    from curate.scorers.generation.scorer import Generation
    from curate.scorers.geometry import Geometry
    from curate.scorers.libreface import LibreFace, LibreFaceSeparate
    from curate.scorers.lite import Lite
    from curate.scorers.quality import Quality

    return {
        Geometry.name: Geometry,
        Generation.name: Generation,
        Quality.name: Quality,
        Lite.name: Lite,
        LibreFace.name: LibreFace,
        LibreFaceSeparate.name: LibreFaceSeparate,
        FakeScorer.name: FakeScorer,
    }
