"""`curate score` as a function: from a source to a score set that says everything about it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from curate.affect import Tables, keep_tables, tables_of
from curate.engines.local import LocalEngine
from curate.errors import InputError
from curate.known import Known
from curate.manifest import FILE, Manifest, SourceRecord, begin_manifest, now, read_manifest
from curate.metadata import NONE, Metadata, open_metadata
from curate.models.session import Device, resolve_device
from curate.run import Progress, Run
from curate.scorers.generation.scorer import Generation
from curate.scorers.geometry import Geometry
from curate.scorers.scorer import fingerprint, make_scorer
from curate.scoreset import open_scores
from curate.scoring import FacesKept, MeshKind, Scoring
from curate.shards import list_shards, remove_partials, set_aside
from curate.sources import open_source
from curate.target import check_folder, default_folder, locked

# A worker on a GPU needs memory there for every network.
_GPU_WORKERS = 4
DEFAULT_SCORERS = ("mesh", "quality", "lite", "generation")


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
    faces: FacesKept | None = None,
    landmarks: bool | None = None,
    mesh: MeshKind | None = None,
    metadata: str | Path | None = None,
    affect: str | Path | None = None,
    words: str | Path | None = None,
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
        scorers: their names; if None, `DEFAULT_SCORERS`, less what would fill columns of a scorer that the set has.
        faces: score the `largest` face of a picture, or `all` of them; None is what the set has, or the largest.
        landmarks: keep all 478 landmarks; None is what the set has, or no.
        mesh: `mediapipe` takes the original face mesh instead of ours (`onnx`); None is what the set has, or ours.
        metadata: a table that says what the pictures were made from (docs/generation.md), or `none`; None is what
            the set has, or the tables called `metadata.*` that lie in the folder.
        affect: a table of affect of one's own (docs/affect.md), or `shipped`; None is what the set has, or the
            shipped one. Another one rewrites columns and scores nothing.
        words: a file of words for the lexicon (docs/lexicon.md), likewise.
        device: `auto` is CUDA where it truly works.
        workers: processes; one a core if None.
        batch_size: pictures a network sees at once.
        overwrite: start anew instead of going on.
        patience: seconds that a picture may take before its worker is given up.
        on_progress: called after every batch.

    Raises:
        InputError: the source cannot be used; the folder is something else, is in use, or cannot be written to.
        ModelError: a model is missing or damaged.
        RecipeError: a table of affect, or a file of words, cannot be read or makes no sense.
    """
    started = time.monotonic()
    for name, number in (("workers", workers), ("batch_size", batch_size)):
        if number is not None and number < 1:
            raise InputError(f"{number} is not enough", where=name, hint=f"{name}=1")
    pictures = open_source(source, split=split, limit=limit)
    record = SourceRecord(kind=pictures.kind, location=pictures.location, split=split)
    folder = Path(out) if out is not None else default_folder(pictures)
    check_folder(folder, record, partial=pictures.partial, overwrite=overwrite)
    earlier = None if overwrite or not (folder / FILE).exists() else read_manifest(folder)
    had = earlier.options if earlier else {}
    scoring = Scoring(
        tuple(make_scorer(name) for name in dict.fromkeys(scorers or DEFAULT_SCORERS)),
        faces=faces or ("all" if had.get("faces") == "all" else "largest"),
        mesh=mesh or ("mediapipe" if had.get("mesh") == "mediapipe" else "onnx"),
        device=resolve_device(device),
    )
    if landmarks is None:
        landmarks = earlier is not None and "landmarks" in {
            c for s in earlier.scorers.values() for c in s.columns
        }
    named = _table_named(metadata, had)
    said = open_metadata(named, _folder_of(record, earlier))
    tables = tables_of(folder, earlier, affect, words)
    for scorer in scoring.scorers:
        fingerprint(scorer, scoring.mesh)  # a missing model is said before anything is written
    workers = workers or _default_workers(scoring.device)
    with locked(folder):
        remove_partials(folder)
        if overwrite:
            for path in [*list_shards(folder), folder / FILE]:
                path.unlink(missing_ok=True)
        known = Known(folder)
        aside = [set_aside(path).name for path in known.damaged]
        scoring = _with_present_scorers(scoring, known, folder, landmarks, asked=scorers is not None)
        scoring = replace(
            scoring,
            scorers=tuple(
                Generation(said.fingerprint) if isinstance(s, Generation) else s for s in scoring.scorers
            ),
        )
        if metadata is not None and "generation" not in {s.name for s in scoring.scorers}:
            raise InputError(
                "metadata is read by the scorer `generation`, which is not among those asked for",
                where="--metadata",
                hint="--scorers mesh,quality,lite,generation",
            )
        manifest = begin_manifest(
            # Single pictures that are added to a set do not make it theirs.
            earlier.source if earlier and pictures.partial else record,
            scoring,
            {"workers": workers, "batch_size": batch_size, "limit": limit, "metadata": named},
            earlier,
        ).model_copy(update=tables.records({c.name for s in scoring.scorers for c in s.columns}))
        if all(shard.derived == tables.fingerprint for shard in known.shards.values()):
            manifest.derived = tables.fingerprint
        keep_tables(tables, folder)
        manifest.write(folder)
        progress = Progress(total=pictures.count)
        on_progress(progress)
        engine = LocalEngine(scoring, workers=workers, patience=patience)
        homes = {pictures.location, manifest.source.location, *([earlier.source.location] if earlier else [])}
        run = Run(
            pictures, folder, scoring, known, sorted(homes), batch_size, progress, on_progress, said, tables
        )
        run.go(engine)
        seconds = time.monotonic() - started
        inputs, statuses = _counts(folder)
        manifest.model_copy(
            update={
                "finished": now(),
                "seconds": round(manifest.seconds + seconds, 3),
                "inputs": inputs,
                "rows": sum(statuses.values()),
                "statuses": statuses,
                "derived": tables.fingerprint,
            }
        ).write(folder)
        warnings = [
            f"a damaged file was set aside as {name}; what it held of this source was scored again"
            for name in aside
        ]
        warnings += _dead_heads(folder, tables, statuses.get("ok", 0))
        warnings += _not_in_the_table(folder, said, are_files=pictures.kind != "dataset")
    return Summary(folder, inputs, statuses, progress.scored, progress.kept, seconds, tuple(warnings))


def _table_named(metadata: str | Path | None, had: Mapping[str, object]) -> str | None:
    """The metadata table that is asked for now, or was when the set was made: an absolute path, or `none`."""
    if metadata is None:
        before = had.get("metadata")
        return before if isinstance(before, str) else None
    return NONE if str(metadata) == NONE else str(Path(metadata).absolute())


def _folder_of(source: SourceRecord, earlier: Manifest | None) -> Path | None:
    """The folder whose own tables count: the one that is scored, or that the set was made from."""
    records = [source, *([earlier.source] if earlier else [])]
    return next((Path(record.location) for record in records if record.kind == "folder"), None)


def _default_workers(device: Device) -> int:
    return min(cores(), _GPU_WORKERS) if device == "cuda" else cores()


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _with_present_scorers(
    scoring: Scoring, known: Known, folder: Path, landmarks: bool, *, asked: bool
) -> Scoring:
    """Add the scorers that the set has already: new rows must not lack columns that old ones have.

    Where nobody asked for scorers, one that would fill another's columns is left out.
    """
    named = {scorer.name for scorer in scoring.scorers}
    present = {name for shard in known.shards.values() for name in shard.scorers}
    others = [make_scorer(name) for name in sorted(present - named)]
    taken = {column.name for scorer in others for column in scorer.columns}
    scorers = (
        *(
            s
            for s in scoring.scorers
            if asked or s.name in present or not taken & {c.name for c in s.columns}
        ),
        *others,
    )
    scorers = tuple(Geometry(landmarks) if isinstance(s, Geometry) else s for s in scorers)
    owners: dict[str, str] = {}
    for scorer in scorers:
        for column in scorer.columns:
            other = owners.setdefault(column.name, scorer.name)
            if other != scorer.name:
                raise InputError(
                    f"the scorers {other} and {scorer.name} both fill the column {column.name}",
                    where=str(folder) if others else "--scorers",
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


def _not_in_the_table(folder: Path, metadata: Metadata, *, are_files: bool) -> list[str]:
    """A line where the named metadata table says nothing of some pictures of the set."""
    if metadata.named is None:
        return []
    rows = open_scores(folder).scan().select("image", "sha256").unique("image").collect()
    warning = metadata.missed(rows.iter_rows(), are_files=are_files)
    return [warning] if warning else []


def _dead_heads(folder: Path, tables: Tables, faces: int) -> list[str]:
    """What speaks against the action units of a set; no more of its faces are read than are looked at."""
    import polars as pl

    from curate.recipes.signal import ENOUGH, READS, dead_heads

    rows = open_scores(folder).scan(tables)
    rows = rows.select(name for name in rows.collect_schema().names() if name in ("status", *READS))
    rows = rows.filter(pl.col("status") == "ok").drop("status")
    return dead_heads(rows.gather_every(max(faces // ENOUGH, 1)).collect(), tables.affect)
