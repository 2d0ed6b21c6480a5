"""One run over a source: what is known is kept, what is new or stale is scored, and all of it is written down."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from curate.engines.local import LocalEngine
from curate.engines.work import Failure
from curate.errors import CurateError, InputError
from curate.known import Claims, Known, answers_for, claimed_rows
from curate.models.pack import find_pack
from curate.scorers.columns import IDENTITY
from curate.scorers.scorer import MESH_PACK, fingerprint
from curate.scoring import ROWS_VERSION, Batch, Scoring, crashed
from curate.shards import Shard, next_shard, write_shard
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
        checked: inputs whose content was compared with what the set holds, before anything is scored.
        kept: inputs whose rows were there already.
        scored: inputs that were worked on in this run.
        statuses: of the inputs worked on, how many had which status.
    """

    total: int | None = None
    checked: int = 0
    kept: int = 0
    scored: int = 0
    statuses: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Renewal:
    """What becomes of an old shard: what it answers for, and what of that is scored again by which scorers.

    `same_rows` says whether its rows stay and only get new columns.
    """

    claims: Claims
    images: frozenset[str]
    scorers: tuple[str, ...]
    same_rows: bool


class Run:
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
        claims, new = self._known.claim(self._checked())
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

    def _checked(self) -> Iterator[Input]:
        """The source, with a word on how far it has been looked through."""
        for item in self._source:
            yield item
            self._progress.checked += 1
            if self._progress.checked % 100 == 0:
                self._on_progress(self._progress)

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
