"""What a run is to do, from what is asked for now and what the set has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from curate.errors import InputError
from curate.manifest import Manifest, SourceRecord
from curate.metadata import NONE
from curate.models.session import Device, Profile, resolve_device
from curate.scorers.generation.scorer import Generation
from curate.scorers.geometry import Geometry
from curate.scorers.scorer import Scorer, check_columns, fingerprint, make_scorer
from curate.scoring import FacesKept, MeshKind, Scoring
from curate.urls import is_url

DEFAULT_SCORERS = ("mesh", "quality", "lite", "generation")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user says of the measuring; None is what the set has, or else the default (see `curate.api.score`)."""

    scorers: Sequence[str] | None = None
    faces: FacesKept | None = None
    landmarks: bool | None = None
    mesh: MeshKind | None = None
    metadata: str | Path | None = None
    profile: Profile | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    elsewhere: bool = False  # other machines do the work: what this one has says nothing of theirs

    def table(self, earlier: Manifest | None) -> str | None:
        """The metadata table that is asked for now, or was when the set was made: an absolute path, or `none`."""
        if self.metadata is None:
            before = _had(earlier).get("metadata")
            return before if isinstance(before, str) else None
        named = str(self.metadata)
        return named if named == NONE or is_url(named) else str(Path(named).absolute())

    def scoring(self, earlier: Manifest | None) -> Scoring:
        """What is done to a picture, as far as it can be said without looking into the set.

        Raises:
            InputError: there is no scorer of a name.
            ModelError: a model, or what its profile needs, is missing, which is said before anything is written.
        """
        had = _had(earlier)
        asked = "cpu" if self.device == "auto" and self.elsewhere else self.device
        device: Device = "cuda" if asked == "cuda" and self.elsewhere else resolve_device(asked)
        profile = self._profile(earlier)
        scoring = Scoring(
            tuple(
                make_scorer(name, profile, device) for name in dict.fromkeys(self.scorers or DEFAULT_SCORERS)
            ),
            faces=self.faces or ("all" if had.get("faces") == "all" else "largest"),
            mesh=self.mesh or ("mediapipe" if had.get("mesh") == "mediapipe" else "onnx"),
            device=device,
        )
        for scorer in scoring.scorers:
            fingerprint(scorer, scoring.mesh)
        return scoring

    def completed(
        self,
        scoring: Scoring,
        present: Collection[str],
        folder: str,
        earlier: Manifest | None,
        metadata: str,
    ) -> Scoring:
        """The scoring with the scorers that the set has already: new rows must not lack columns that old ones have.

        Where nobody asked for scorers, one that would fill another's columns is left out.

        Args:
            scoring: what `scoring` gave.
            present: names of the scorers whose columns are in the set.
            folder: the set, for errors.
            earlier: its manifest.
            metadata: fingerprint of the metadata tables.

        Raises:
            InputError: two scorers fill one column, or nobody reads the metadata table that was named.
        """
        profile = self._profile(earlier)
        others = [
            make_scorer(name, profile, scoring.device)
            for name in sorted(set(present) - {s.name for s in scoring.scorers})
        ]
        taken = {column.name for scorer in others for column in scorer.columns}
        scorers = [
            scorer
            for scorer in scoring.scorers
            if self.scorers is not None
            or scorer.name in present
            or not taken & {column.name for column in scorer.columns}
        ]
        landmarks = self.landmarks
        if landmarks is None:
            landmarks = earlier is not None and "landmarks" in {
                column for record in earlier.scorers.values() for column in record.columns
            }
        told: dict[str, Scorer] = {Geometry.name: Geometry(landmarks), Generation.name: Generation(metadata)}
        scorers = [told.get(scorer.name) or scorer for scorer in (*scorers, *others)]
        check_columns(
            scorers,
            where=folder if others else "--scorers",
            hint="choose one of them with --scorers; in a set that has the other: -o, or --overwrite",
        )
        if self.metadata is not None and Generation.name not in {scorer.name for scorer in scorers}:
            raise InputError(
                "metadata is read by the scorer `generation`, which is not among those asked for",
                where="--metadata",
                hint="--scorers mesh,quality,lite,generation",
            )
        return replace(scoring, scorers=tuple(scorers))

    def _profile(self, earlier: Manifest | None) -> Profile:
        """Of all scorers that have profiles: a set has one."""
        records = earlier.scorers.values() if earlier else ()
        before: Profile = "fast" if any(r.options.get("profile") == "fast" for r in records) else "exact"
        return self.profile or before


def folder_of(source: SourceRecord, earlier: Manifest | None) -> Path | str | None:
    """The folder whose own metadata tables count: the one that is scored, or that the set was made from."""
    records = [source, *([earlier.source] if earlier else [])]
    found = next((record.location for record in records if record.kind == "folder"), None)
    return found if found is None or is_url(found) else Path(found)


def _had(earlier: Manifest | None) -> Mapping[str, object]:
    return earlier.options if earlier else {}
