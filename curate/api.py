"""`curate score` as a function: from a source to a score set that says everything about it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from curate.engines.local import LocalEngine
from curate.errors import InputError, ModelError
from curate.known import Known
from curate.manifest import FILE, begin_manifest, now
from curate.models.pack import find_pack
from curate.models.session import Device, resolve_device
from curate.run import Progress, Run
from curate.scorers.geometry import Geometry
from curate.scorers.scorer import Scorer, fingerprint, make_scorer
from curate.scoreset import open_scores
from curate.scoring import FacesKept, MeshKind, Scoring
from curate.shards import list_shards, remove_partials
from curate.sources import open_source
from curate.target import check_folder, default_folder, locked

# A worker on a GPU needs memory there for every network.
_GPU_WORKERS = 4


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    Attributes:
        folder: the score set.
        inputs: pictures in it.
        statuses: how many of its rows have which status.
        scored, kept: inputs worked on in this run, and inputs whose rows were there already.
        seconds: how long this run took.
        warnings: what the user should know, a line each.
    """

    folder: Path
    inputs: int
    statuses: dict[str, int]
    scored: int
    kept: int
    seconds: float
    warnings: tuple[str, ...]

    @property
    def faces(self) -> int:
        """How many faces were scored."""
        return self.statuses.get("ok", 0)

    @property
    def complete(self) -> bool:
        """Whether every input was scored."""
        return set(self.statuses) <= {"ok"}


def score(
    source: str | Sequence[str],
    out: str | Path | None = None,
    *,
    split: str | None = None,
    limit: int | None = None,
    scorers: Sequence[str] | None = None,
    faces: FacesKept = "largest",
    landmarks: bool = False,
    mesh: MeshKind = "onnx",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    workers: int | None = None,
    batch_size: int = 8,
    overwrite: bool = False,
    patience: float = 15.0,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Summary:
    """Score pictures into a score set, going on where an earlier run stopped.

    Rows are found again by the content of the file and the fingerprint of each scorer: only what is new, or
    what a changed option touches, is computed. Scorers that an existing set has are kept up to date, too.

    Args:
        source: a folder, files, a pattern, a list, or a data set (see `open_source`).
        out: the score set; `NAME.scores` in the working directory if None.
        split: of a data set; all of them if None.
        limit: at most so many pictures.
        scorers: their names; `default_scorers()` if None.
        faces: score the largest face of a picture, or all of them.
        landmarks: keep all 478 landmarks.
        mesh: `mediapipe` takes the original face mesh instead of ours.
        device: `auto` is CUDA where it truly works.
        workers: processes; one a core if None.
        batch_size: pictures a network sees at once.
        overwrite: start anew instead of going on.
        patience: seconds that a picture may take before its worker is given up.
        on_progress: called after every batch.

    Raises:
        InputError: the source cannot be used; the folder is something else, is in use, or cannot be written to.
        ModelError: a model is missing or damaged.
    """
    started = time.monotonic()
    pictures = open_source(source, split=split, limit=limit)
    folder = Path(out) if out is not None else default_folder(pictures)
    chosen: list[Scorer] = [make_scorer(name) for name in dict.fromkeys(scorers or default_scorers())]
    if landmarks:
        chosen = [Geometry(landmarks=True) if isinstance(s, Geometry) else s for s in chosen]
    scoring = Scoring(tuple(chosen), faces, mesh, resolve_device(device))
    for scorer in scoring.scorers:
        fingerprint(scorer, mesh)  # a missing model is said before anything is written
    workers = workers or _default_workers(scoring.device)
    check_folder(folder, pictures, overwrite)
    with locked(folder):
        remove_partials(folder)
        if overwrite:
            for path in [*list_shards(folder), folder / FILE]:
                path.unlink(missing_ok=True)
        known = Known(folder)
        for path in known.damaged:
            path.unlink()
        scoring = _with_present_scorers(scoring, known, folder)
        manifest = begin_manifest(
            pictures, scoring, {"split": split, "workers": workers, "batch_size": batch_size}, folder
        )
        manifest.write(folder)
        progress = Progress(total=pictures.count)
        on_progress(progress)
        engine = LocalEngine(scoring, workers=workers, patience=patience)
        Run(pictures, folder, scoring, known, batch_size, progress, on_progress).go(engine)
        seconds = time.monotonic() - started
        inputs, statuses = _counts(folder)
        manifest.model_copy(
            update={
                "finished": now(),
                "seconds": round(manifest.seconds + seconds, 3),
                "inputs": inputs,
                "rows": sum(statuses.values()),
                "statuses": statuses,
            }
        ).write(folder)
    damaged = tuple(f"{path.name} was damaged: its pictures were scored again" for path in known.damaged)
    return Summary(folder, inputs, statuses, progress.scored, progress.kept, seconds, damaged)


def default_scorers() -> list[str]:
    """What is scored unless told otherwise: everything whose models are there."""
    names = ["mesh", "quality"]
    with contextlib.suppress(ModelError):
        find_pack("libreface")
        names.append("libreface")
    return names


def _default_workers(device: Device) -> int:
    return min(cores(), _GPU_WORKERS) if device == "cuda" else cores()


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _with_present_scorers(scoring: Scoring, known: Known, folder: Path) -> Scoring:
    """Add the scorers that the set has already: new rows must not lack columns that old ones have."""
    asked = {scorer.name for scorer in scoring.scorers}
    present = {name for shard in known.shards.values() for name in shard.scorers}
    scorers = (*scoring.scorers, *(make_scorer(name) for name in sorted(present - asked)))
    owners: dict[str, str] = {}
    for scorer in scorers:
        for column in scorer.columns:
            other = owners.setdefault(column.name, scorer.name)
            if other != scorer.name:
                raise InputError(
                    f"the scorers {other} and {scorer.name} both fill the column {column.name}",
                    where=str(folder) if present - asked else "--scorers",
                    hint="choose one of them with --scorers; in a set that has the other: -o, or --overwrite",
                )
    return replace(scoring, scorers=scorers)


def _counts(folder: Path) -> tuple[int, dict[str, int]]:
    """Pictures in a set, and how many rows have which status."""
    import polars as pl

    rows = open_scores(folder).scan().select("image", "status").collect()
    counted = rows.group_by("status").len().sort("status")
    statuses = dict(counted.select(pl.col("status"), pl.col("len").cast(pl.Int64)).iter_rows())
    return rows["image"].n_unique(), statuses
