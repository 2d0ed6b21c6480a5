"""`curate score`: from a source to a score set that says everything about it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from curate.engines.local import LocalEngine
from curate.engines.work import Failure
from curate.errors import CurateError, InputError, ModelError
from curate.known import Claims, Known, answers_for, claimed_rows
from curate.manifest import FILE, begin_manifest, now
from curate.models.pack import find_pack
from curate.models.session import resolve_device
from curate.scorers.columns import IDENTITY
from curate.scorers.geometry import Geometry
from curate.scorers.scorer import MESH_PACK, Scorer, fingerprint, make_scorer
from curate.scoreset import open_scores
from curate.scoring import ROWS_VERSION, Batch, FacesKept, MeshKind, Scoring, crashed
from curate.shards import Shard, list_shards, next_shard, remove_partials, write_shard
from curate.sources import open_source
from curate.sources.source import Input, Source
from curate.target import check_folder, default_folder, locked

if TYPE_CHECKING:
    import polars as pl

# A shard is closed when it has so many rows, or is so many seconds old: that much a kill can cost.
_SHARD_ROWS = 4096
_SHARD_SECONDS = 15.0


@dataclass(slots=True)
class Progress:
    """How far a run is.

    Attributes:
        total: inputs there are; None where only the end will tell.
        kept: inputs whose rows were there already.
        scored: inputs that were worked on in this run.
        statuses: of the inputs worked on, how many had which status.
    """

    total: int | None = None
    kept: int = 0
    scored: int = 0
    statuses: Counter[str] = field(default_factory=Counter)


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
    workers = workers or cores()
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
        _Run(pictures, folder, scoring, known, batch_size, progress, on_progress).go(engine)
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


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class _Renewal:
    """What becomes of an old shard: what it answers for, and what of that is scored again by which scorers.

    `same_rows` says whether its rows stay and only get new columns.
    """

    claims: Claims
    images: frozenset[str]
    scorers: tuple[str, ...]
    same_rows: bool


class _Run:
    """One pass over a source: old shards are brought up to date in place, new inputs go into new shards."""

    def __init__(
        self,
        source: Source,
        folder: Path,
        scoring: Scoring,
        known: Known,
        batch_size: int,
        progress: Progress,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._source, self._folder, self._scoring, self._known = source, folder, scoring, known
        self._batch_size, self._progress, self._on_progress = batch_size, progress, on_progress
        self._rows = rows_fingerprint(scoring)
        self._scorers = {s.name: fingerprint(s, scoring.mesh) for s in scoring.scorers}
        # Asking for some pictures says nothing against the others.
        self._keep_unclaimed = source.limit is not None or source.kind == "files"
        self._renewals: dict[Path, _Renewal] = {}

    def go(self, engine: LocalEngine[Batch, pl.DataFrame]) -> None:
        batches = self._batches()
        first = next(batches, None)
        if first is None:
            return  # nothing to score: no worker is started
        frames: list[pl.DataFrame] = []
        shard, opened = first.shard, time.monotonic()
        try:
            for batch, outcome in engine.run(chain([first], batches)):
                if batch.shard != shard:
                    self._close(shard, frames)
                    shard, frames, opened = batch.shard, [], time.monotonic()
                frame = crashed(batch.inputs[0], outcome.reason) if isinstance(outcome, Failure) else outcome
                frames.append(frame)
                self._report(batch, frame)
                full = sum(f.height for f in frames) >= _SHARD_ROWS
                if not shard and (full or time.monotonic() - opened >= _SHARD_SECONDS):
                    self._close(shard, frames)
                    frames, opened = [], time.monotonic()
        except (KeyboardInterrupt, CurateError):
            # What is scored is scored; a half renewed old shard stays as it was.
            if not shard:
                with contextlib.suppress(CurateError):
                    self._close(shard, frames)
            raise
        self._close(shard, frames)

    def _batches(self) -> Iterator[Batch]:
        """Everything there is to score: what old shards lack, then what is new."""
        every = tuple(self._scorers)
        if not self._known.shards:
            yield from self._cut(self._source, every, "")
            return
        # Sources may be larger than memory, so what is remembered between the passes is names.
        claims, new = self._known.claim(self._source)
        self._renewals = {p: self._renew(self._known.shards[p], claim) for p, claim in claims.items()}
        self._on_progress(self._progress)
        shard_of = {image: path for path, renewal in self._renewals.items() for image in renewal.images}
        if shard_of:
            gathered: dict[Path, list[Input]] = {path: [] for path in self._renewals}
            for item in self._source:
                path = shard_of.get(item.image)
                if path is None:
                    continue
                gathered[path].append(item)
                if len(gathered[path]) == len(self._renewals[path].images):
                    yield from self._cut(gathered.pop(path), self._renewals[path].scorers, path.name)
        if new:
            yield from self._cut((item for item in self._source if item.image in new), every, "")

    def _renew(self, shard: Shard, claims: Claims) -> _Renewal:
        """What an old shard lacks. One that only loses or renames rows is rewritten here and now."""
        import polars as pl

        same_rows = shard.rows == self._rows
        stale = tuple(
            name
            for name, current in self._scorers.items()
            if not same_rows or shard.scorers.get(name) != current
        )
        self._progress.kept += len(claims.images)
        if not stale and answers_for(shard.path, claims):
            return _Renewal(claims, frozenset(), stale, same_rows)
        rows = claimed_rows(shard.path, claims, keep_unclaimed=self._keep_unclaimed)
        if stale and rows.filter(~pl.col("image").is_in(claims.images)).height:
            raise InputError(
                "the set holds more pictures than were named now, and the options have changed",
                where=str(self._folder),
                hint="name all of them (no --limit), choose another place with -o, or --overwrite",
            )
        # A picture without a face has nothing to score again, unless the rows themselves may be others now.
        lacking = rows.filter(pl.col("status") == "ok") if same_rows else rows
        images = frozenset(lacking["image"]) if stale else frozenset()
        self._progress.kept -= len(images)
        if not rows.height:
            shard.path.unlink()
        elif not images:
            self._write(shard.path, rows)
        return _Renewal(claims, images, stale, same_rows)

    def _cut(self, inputs: Iterable[Input], scorers: tuple[str, ...], shard: str) -> Iterator[Batch]:
        left = iter(inputs)
        while group := tuple(islice(left, self._batch_size)):
            yield Batch(group, scorers, shard)

    def _close(self, shard: str, frames: Sequence[pl.DataFrame]) -> None:
        """Write what has been collected: new rows into a new shard, new columns into their old one."""
        import polars as pl

        if not frames:
            return
        new = pl.concat(frames, how="diagonal")
        if not shard:
            self._write(next_shard(self._folder), new)
            return
        path = self._folder / shard
        renewal = self._renewals[path]
        old = claimed_rows(path, renewal.claims, keep_unclaimed=self._keep_unclaimed)
        old = old if renewal.same_rows else old.clear()
        names = [column.name for column in IDENTITY]
        untouched = old.drop([name for name in new.columns if name not in names], strict=False)
        # What a picture was, it stays, unless it crashed a worker this time.
        rest = untouched.filter(~pl.col("image").is_in(new["image"].unique().implode()))
        kept = [name for name in untouched.columns if name not in names]
        again = new.join(untouched.select("image", "face", *kept), on=["image", "face"], how="left")
        self._write(path, pl.concat([rest, again], how="diagonal"))

    def _write(self, path: Path, rows: pl.DataFrame) -> None:
        """A shard with every column of the run, null where a row has no answer."""
        import polars as pl

        types = {c.name: c.polars for c in IDENTITY}
        for scorer in self._scoring.scorers:
            types |= {c.name: c.polars for c in scorer.columns}
        columns = [
            pl.col(name) if name in rows.columns else pl.lit(None, dtype=dtype).alias(name)
            for name, dtype in types.items()
        ]
        write_shard(Shard(path, self._rows, self._scorers), rows.select(columns))

    def _report(self, batch: Batch, frame: pl.DataFrame) -> None:
        first = frame.unique("image", keep="first")
        self._progress.scored += len(batch)
        self._progress.statuses.update(first["status"].to_list())
        self._on_progress(self._progress)


def rows_fingerprint(scoring: Scoring) -> str:
    """What decides which rows a picture has, in 16 hexadecimal digits."""
    parts = [ROWS_VERSION, scoring.faces]
    if scoring.needs_mesh:
        parts += [scoring.mesh, find_pack(MESH_PACK).fingerprint]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


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
