"""`curate score`: from a source to a score set that says everything about it."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from curate.engines.local import LocalEngine
from curate.engines.work import Failure
from curate.errors import CurateError, InputError
from curate.known import Claims, Known, claimed_rows
from curate.manifest import (
    FILE,
    Manifest,
    PackRecord,
    ScorerRecord,
    SourceRecord,
    now,
    read_manifest,
    versions,
)
from curate.models.pack import find_pack
from curate.scorers.columns import IDENTITY
from curate.scorers.scorer import MESH_PACK, fingerprint, make_scorer
from curate.scoreset import SUFFIX, open_scores
from curate.scoring import ROWS_VERSION, Batch, Scoring, crashed
from curate.shards import Shard, list_shards, next_shard, remove_partials, write_shard
from curate.sources.source import Input, Source

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
        faces: rows with status `ok`.
        statuses: how many rows have which status.
        scored, kept: inputs worked on in this run, and inputs whose rows were there already.
        seconds: how long this run took.
        warnings: what the user should know, a line each.
    """

    folder: Path
    inputs: int
    faces: int
    statuses: dict[str, int]
    scored: int
    kept: int
    seconds: float
    warnings: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every input was scored."""
        return set(self.statuses) <= {"ok"}


def default_folder(source: Source) -> Path:
    """`NAME.scores` in the working directory; beside a source that the working directory lies in."""
    here = Path.cwd()
    location = Path(source.location)
    if source.kind == "folder" and here.is_relative_to(location):
        here = location.parent
    return here / f"{source.name}{SUFFIX}"


def run(
    source: Source,
    folder: Path,
    scoring: Scoring,
    *,
    workers: int,
    batch_size: int = 16,
    overwrite: bool = False,
    patience: float = 15.0,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Summary:
    """Score a source into a folder, going on where an earlier run stopped.

    Rows are found again by the content of the file and the fingerprint of each scorer: only what is new, or
    what a changed option touches, is computed. Scorers that an existing set has are kept up to date, too.

    Args:
        source: where the pictures come from.
        folder: the score set; made if need be.
        scoring: what to do to each picture.
        workers: processes.
        batch_size: pictures a network sees at once.
        overwrite: start anew instead of going on.
        patience: seconds that a picture may take.
        on_progress: called after every batch.

    Raises:
        InputError: the folder is something else, is in use, or cannot be written to.
        ModelError: a model is missing or damaged.
    """
    started = time.monotonic()
    _check_folder(folder, source, overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        remove_partials(folder)
        if overwrite:
            for path in [*list_shards(folder), folder / FILE]:
                path.unlink(missing_ok=True)
        known = Known(folder)
        warnings = [f"{path.name} was damaged; its pictures are scored again" for path in known.damaged]
        for path in known.damaged:
            path.unlink()
        scoring = _with_present_scorers(scoring, known, folder)
        options: dict[str, str | int] = {"workers": workers, "batch_size": batch_size}
        manifest = _manifest(source, scoring, options, folder)
        manifest.write(folder)
        progress = Progress(total=source.count)
        on_progress(progress)
        engine = LocalEngine(scoring, workers=workers, patience=patience)
        _Run(source, folder, scoring, known, batch_size, progress, on_progress).go(engine)
        seconds = time.monotonic() - started
        inputs, statuses = _counts(folder)
        manifest = manifest.model_copy(
            update={
                "finished": now(),
                "seconds": round(manifest.seconds + seconds, 3),
                "inputs": inputs,
                "rows": sum(statuses.values()),
                "statuses": statuses,
            }
        )
        manifest.write(folder)
    return Summary(
        folder, inputs, statuses.get("ok", 0), statuses, progress.scored, progress.kept, seconds, tuple(warnings)
    )


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
        # Rows of old shards that wait for new columns.
        self._waiting: dict[str, pl.DataFrame] = {}

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
        """Everything there is to score. Shards that only lose or rename rows are rewritten on the way."""
        names = tuple(self._scorers)
        if not self._known.shards:
            yield from self._cut(self._source, names, "")
            return
        claims, new = self._known.claim(self._source)
        for path, claim in claims.items():
            yield from self._renew(self._known.shards[path], claim)
        yield from self._cut(new, names, "")

    def _renew(self, shard: Shard, claims: Claims) -> Iterator[Batch]:
        """Bring one old shard up to date."""
        import polars as pl

        # Asking for some pictures says nothing against the others.
        partial = self._source.limit is not None or self._source.kind == "files"
        rows, changed = claimed_rows(shard.path, claims, keep_unclaimed=partial)
        current = shard.rows == self._rows and shard.scorers == self._scorers
        if not current and rows.filter(~pl.col("image").is_in([item.image for item in claims.inputs])).height:
            raise InputError(
                "the set holds more pictures than were named now, and the options have changed",
                where=str(self._folder),
                hint="name all of them (no --limit), choose another place with -o, or --overwrite",
            )
        if shard.rows != self._rows:
            # Other rows altogether: nothing of the old ones can stay.
            self._waiting[shard.path.name] = rows.clear()
            yield from self._cut(claims.inputs, tuple(self._scorers), shard.path.name)
            return
        stale = tuple(name for name, current in self._scorers.items() if shard.scorers.get(name) != current)
        scored = set(rows.filter(rows["status"] == "ok")["image"])
        wanted = [item for item in claims.inputs if item.image in scored] if stale else []
        self._progress.kept += len(claims.inputs) - len(wanted)
        if wanted:
            self._waiting[shard.path.name] = rows
            yield from self._cut(wanted, stale, shard.path.name)
        elif not rows.height:
            shard.path.unlink()
        elif changed or stale:
            self._write(shard.path, rows)
        self._on_progress(self._progress)

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
        old = self._waiting.pop(shard)
        names = [column.name for column in IDENTITY]
        fresh = [name for name in new.columns if name not in names]
        untouched = old.drop(fresh, strict=False)
        answered = new["image"].unique().implode()
        # What a picture was, it stays, unless it crashed a worker this time.
        rest = untouched.filter(~pl.col("image").is_in(answered))
        kept = [name for name in untouched.columns if name not in names]
        again = new.join(untouched.select("image", "face", *kept), on=["image", "face"], how="left")
        self._write(self._folder / shard, pl.concat([rest, again], how="diagonal"))

    def _write(self, path: Path, rows: pl.DataFrame) -> None:
        """A shard with every column of the run, null where a row has no answer."""
        import polars as pl

        types = {c.name: c.polars for c in IDENTITY}
        for scorer in self._scoring.scorers:
            types |= {c.name: c.polars for c in scorer.columns}
        columns = [
            pl.col(name) if name in rows.columns else pl.lit(None, dtype=dtype).alias(name)  # type: ignore[arg-type]
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


def _check_folder(folder: Path, source: Source, overwrite: bool) -> None:
    """A folder that is ours to write to, and was not made from something else."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError("this is a file; a score set is a folder", where=str(folder), hint="-o NAME.scores")
    content = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    if content and FILE not in content:
        raise InputError(
            "the folder holds something that is not a score set", where=str(folder), hint="-o NAME.scores"
        )
    if not content or overwrite:
        return
    old = read_manifest(folder).source
    # A folder that has moved is the same folder; one that is still there is another one.
    moved = old.kind in ("folder", "list") and not Path(old.location).exists()
    if old.location != source.location and old.kind == source.kind != "files" and not moved:
        raise InputError(
            f"the score set was made from {old.location}, not from {source.location}",
            where=str(folder),
            hint="choose another place with -o, or --overwrite to start anew",
        )


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer a folder; the lock ends with its process, however that ends."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise InputError(
            "another `curate score` is writing this score set", where=str(folder), hint="wait for it, or -o"
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"cannot be written: {reason}", where=str(folder), hint="-o NAME.scores") from error


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


def _manifest(source: Source, scoring: Scoring, options: dict[str, str | int], folder: Path) -> Manifest:
    """What is known at the start; an earlier run's beginning and duration are carried on."""
    packs = {name for scorer in scoring.scorers for name in scorer.packs}
    if scoring.needs_mesh:
        packs.add(MESH_PACK)
    manifest = Manifest(
        created=now(),
        source=SourceRecord(kind=source.kind, location=source.location),
        options={"faces": scoring.faces, "mesh": scoring.mesh, "device": scoring.device, **options},
        scorers={
            scorer.name: ScorerRecord(
                version=scorer.version,
                fingerprint=fingerprint(scorer, scoring.mesh),
                columns=[column.name for column in scorer.columns],
                packs=list(scorer.packs),
                options=dict(scorer.options),
            )
            for scorer in scoring.scorers
        },
        packs={name: PackRecord.of(find_pack(name)) for name in sorted(packs)},
        versions=versions(),
    )
    if (folder / FILE).exists():
        earlier = read_manifest(folder)
        manifest = manifest.model_copy(update={"created": earlier.created, "seconds": earlier.seconds})
    return manifest


def _counts(folder: Path) -> tuple[int, dict[str, int]]:
    """Pictures in a set, and how many rows have which status."""
    import polars as pl

    rows = open_scores(folder).scan().select("image", "status").collect()
    counted = rows.group_by("status").len().sort("status")
    statuses = dict(counted.select(pl.col("status"), pl.col("len").cast(pl.Int64)).iter_rows())
    return rows["image"].n_unique(), statuses
