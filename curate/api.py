"""`curate score` as a function: from a source to a score set that says everything about it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from curate.affect import keep_tables, tables_of
from curate.asked import Asked, folder_of
from curate.cluster_run import ClusterRun, check_cluster
from curate.engines.cluster import cluster, named
from curate.engines.local import LocalEngine
from curate.engines.work import Engine
from curate.errors import InputError
from curate.form import form_of
from curate.known import Known
from curate.manifest import FILE, SourceRecord, begin_manifest, now, read_manifest
from curate.metadata import open_metadata
from curate.models.session import Device, Profile
from curate.place import place_of
from curate.plan import Order
from curate.progress import Progress
from curate.run import Run
from curate.scoring import Batch, FacesKept, MeshKind, Scoring
from curate.shards import list_shards, remove_partials, set_aside
from curate.sources import open_source
from curate.summary import Summary, count_rows, dead_columns, not_in_the_table
from curate.target import check_folder, default_folder, locked

if TYPE_CHECKING:
    import polars as pl

_BATCH_SIZE: dict[Device, int] = {"cpu": 8, "cuda": 256}


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
    profile: Profile | None = None,
    workers: int | None = None,
    batch_size: int | None = None,
    overwrite: bool = False,
    patience: float = 15.0,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Summary:
    """Score pictures into a score set, going on where an earlier run stopped.

    Rows are found again by the content of the file and the fingerprint of each scorer: only what is new, or
    what a changed option touches, is computed. Scorers that an existing set has are kept up to date, too.

    Args:
        source: a folder, files, a pattern, a list, or a data set (see `open_source`).
        out: the score set, a folder or a URL (`s3://...`); `NAME.scores` in the working directory if None.
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
        device: `auto` is CUDA where it truly works; on a cluster it is the CPU.
        profile: `fast` runs networks with fewer bits (docs/profiles.md); None is what the set has, or `exact`.
        workers: processes that score (with Ray: actors); one a core if None. On a GPU processes that decode.
        batch_size: pictures a network sees at once; if None 8, and 256 on a GPU.
        overwrite: start anew instead of going on.
        patience: seconds that a picture may take before its worker is given up.
        engine: processes on this machine, or actors of Ray (docs/scale.md); the rows are the same.
        address: of a Ray that runs, `auto` or `HOST:PORT`; if None the environment's RAY_ADDRESS, or one that is
            started on this machine for this run.
        on_progress: called after every batch.

    Raises:
        InputError: the source cannot be used; the folder is something else, is in use, or cannot be written to.
        ModelError: a model is missing or damaged.
        RecipeError: a table of affect, or a file of words, cannot be read or makes no sense.
        CurateError: Ray is not installed, cannot be reached, or lacks something on a node.
    """
    started = time.monotonic()
    if address is not None and engine != "ray":
        raise InputError(
            "only Ray has an address", where="--address", hint=f"--engine ray --address {address}"
        )
    for name, number in (("workers", workers), ("batch_size", batch_size)):
        if number is not None and number < 1:
            raise InputError(f"{number} is not enough", where=name, hint=f"{name}=1")
    pictures = open_source(source, split=split, limit=limit)
    record = SourceRecord(kind=pictures.kind, location=pictures.location, split=split)
    folder = place_of(out) if out is not None else default_folder(pictures)
    check_folder(folder, record, partial=pictures.partial, overwrite=overwrite)
    earlier = None if overwrite or not (folder / FILE).exists() else read_manifest(folder)
    elsewhere = engine == "ray" and named(address) is not None
    asked = Asked(scorers, faces, landmarks, mesh, metadata, profile, device, elsewhere)
    scoring = asked.scoring(earlier)
    table = asked.table(earlier)
    said = open_metadata(table, folder_of(record, earlier))
    tables = tables_of(folder, earlier, affect, words)
    batch_size = batch_size or _BATCH_SIZE[scoring.device]
    with contextlib.ExitStack() as stack:
        there = None
        if engine == "ray":
            on_gpu = scoring.device == "cuda"
            cpus = max(cores(), workers or 0)
            there = stack.enter_context(cluster(address, cpus=cpus, gpus=int(on_gpu)))
            check_cluster(there, scoring.device, workers)
        stack.enter_context(locked(folder))
        remove_partials(folder)
        if overwrite:
            for path in [*list_shards(folder), folder / FILE]:
                path.unlink(missing_ok=True)
        known = Known(folder)
        aside = [set_aside(path).name for path in known.damaged]
        present = {name for shard in known.shards.values() for name in shard.scorers}
        scoring = asked.completed(scoring, present, str(folder), earlier, said.fingerprint)
        manifest = begin_manifest(
            # Single pictures that are added to a set do not make it theirs.
            earlier.source if earlier and pictures.partial else record,
            scoring,
            {
                "engine": engine,
                "workers": workers,
                "batch_size": batch_size,
                "limit": limit,
                "metadata": table,
            },
            earlier,
        ).model_copy(update=tables.records({c.name for s in scoring.scorers for c in s.columns}))
        if all(shard.derived == tables.fingerprint for shard in known.shards.values()):
            manifest.derived = tables.fingerprint
        keep_tables(tables, folder)
        manifest.write(folder)
        progress = Progress(total=pictures.count)
        on_progress(progress)
        homes = {pictures.location, manifest.source.location, *([earlier.source.location] if earlier else [])}
        order = Order(
            pictures, folder, scoring, tables, said, known, sorted(homes), batch_size, progress, on_progress
        )
        form = form_of(scoring, tables)
        if there is not None:
            ClusterRun(order, form, there, workers, patience).go()
        else:
            Run(order, form).go(_here(scoring, workers, patience))
        seconds = time.monotonic() - started
        inputs, statuses = count_rows(folder)
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
        warnings += dead_columns(folder, tables, statuses.get("ok", 0))
        warnings += not_in_the_table(folder, said, are_files=pictures.kind != "dataset")
    return Summary(folder, inputs, statuses, progress.scored, progress.kept, seconds, tuple(warnings))


def _here(scoring: Scoring, workers: int | None, patience: float) -> Engine[Batch, pl.DataFrame]:
    """What scores on this machine."""
    if scoring.device == "cuda":
        from curate.device_engine import DeviceEngine

        return DeviceEngine(scoring, decoders=workers or max(cores() - 1, 1), patience=patience)
    return LocalEngine(scoring, workers=workers or cores(), patience=patience)


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
