"""One run over a source: what is known is kept, what is new or stale is scored, and all of it is written down."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from curate.affect import Tables, derive
from curate.engines.local import LocalEngine
from curate.engines.work import Failure
from curate.errors import CurateError, InputError
from curate.known import Claims, Known, answers_for, claimed_rows
from curate.metadata import Metadata
from curate.models.pack import find_pack
from curate.scorers.columns import IDENTITY
from curate.scorers.scorer import MESH_PACK, fingerprint, of_picture
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


@dataclass(slots=True)
class _Renewal:
    """What becomes of an old shard: what it answers for, and what of that is scored again by which scorers.

    `same_rows` says whether its rows stay and only get new columns, `pictures` whether these are of scorers alone
    that answer for pictures; `answers` are the frames that have come in.
    """

    claims: Claims
    images: frozenset[str]
    scorers: tuple[str, ...]
    same_rows: bool
    pictures: bool = False
    answers: list[pl.DataFrame] = field(default_factory=list)
    answered: int = 0


class Run:
    """One pass over a source: old shards are brought up to date in place, new inputs go into new shards."""

    def __init__(
        self,
        source: Source,
        folder: Path,
        scoring: Scoring,
        known: Known,
        homes: Sequence[str],
        batch_size: int,
        progress: Progress,
        on_progress: Callable[[Progress], None],
        metadata: Metadata,
        tables: Tables,
    ) -> None:
        self._metadata, self._tables, self._derived = metadata, tables, tables.fingerprint
        self._source, self._folder, self._scoring, self._known = source, folder, scoring, known
        self._batch_size, self._progress, self._on_progress = batch_size, progress, on_progress
        self._rows = rows_fingerprint(scoring)
        self._scorers = {s.name: fingerprint(s, scoring.mesh) for s in scoring.scorers}
        self._of_picture = frozenset(s.name for s in scoring.scorers if of_picture(s))
        self._homes = homes
        self._others: pl.Expr
        self._renewals: dict[str, _Renewal] = {}
        self._new: list[pl.DataFrame] = []
        self._opened = time.monotonic()

    def go(self, engine: LocalEngine[Batch, pl.DataFrame]) -> None:
        """Score what there is to score, and write it down as it comes."""
        try:
            for batch, outcome in engine.run(map(self._told, self._batches())):
                frame = crashed(batch.inputs[0], outcome.reason) if isinstance(outcome, Failure) else outcome
                self._report(batch, frame)
                if batch.shard:
                    self._renewed(batch.shard, len(batch), frame)
                else:
                    self._added(frame)
        except (KeyboardInterrupt, CurateError):
            # What is scored is scored; a half renewed old shard stays as it was.
            with contextlib.suppress(CurateError):
                self._close_new()
            raise
        self._close_new()
        for shard in list(self._renewals):
            self._close_renewed(shard)  # some of its pictures have vanished since they were counted

    def _told(self, batch: Batch) -> Batch:
        """A batch with what the metadata tables say of its pictures, where somebody wants to know."""
        if self._of_picture.isdisjoint(batch.scorers):
            return batch
        told = (replace(item, said=(*self._metadata.about(item), *item.said)) for item in batch.inputs)
        return replace(batch, inputs=tuple(told))

    def _batches(self) -> Iterator[Batch]:
        """Everything there is to score: what old shards lack, then what is new."""
        if not self._known.shards:
            yield from self._cut(self._source)
            return
        # Sources may be larger than memory, so what is remembered between the passes is names.
        claims, new = self._known.claim(self._checked())
        self._others = self._spoken_of_by_nobody(new.union(*(claim.images for claim in claims.values())))
        lacking: dict[str, str] = {}
        for path, claim in claims.items():
            renewal = self._renew(self._known.shards[path], claim)
            if renewal.images:
                self._renewals[path.name] = renewal
                lacking.update(dict.fromkeys(renewal.images, path.name))
        self._on_progress(self._progress)
        if lacking:
            yield from self._cut_by_shard(lacking)
        if new:
            yield from self._cut(item for item in self._source if item.image in new)

    def _spoken_of_by_nobody(self, named: Collection[str]) -> pl.Expr:
        """True of rows that stay although their picture is not among the `named`.

        A run on single pictures says nothing of others; one on a folder or a data set says everything of what
        lies there (or lay there, before it was moved), and nothing of pictures that were added from elsewhere.
        """
        import polars as pl

        image = pl.col("image")
        if self._source.partial:
            return ~image.is_in(list(named))
        if self._source.kind == "list":
            return pl.lit(False)
        inside = [image.str.starts_with(f"{home}{end}") for home in self._homes for end in ("/", os.sep, "#")]
        return ~pl.any_horizontal(inside)

    def _checked(self) -> Iterator[Input]:
        """The source, with a word on how far it has been looked through."""
        for item in self._source:
            yield item
            self._progress.checked += 1
            if self._progress.checked % 100 == 0:
                self._on_progress(self._progress)

    def _renew(self, shard: Shard, claims: Claims) -> _Renewal:
        """What an old shard lacks. One that only loses or renames rows, or was derived otherwise, is rewritten now."""
        import polars as pl

        same_rows = shard.rows == self._rows
        stale = tuple(
            name
            for name, current in self._scorers.items()
            if not same_rows or shard.scorers.get(name) != current
        )
        self._progress.kept += len(claims.images)
        if not stale and shard.derived == self._derived and answers_for(shard.path, claims):
            return _Renewal(claims, frozenset(), stale, same_rows)
        rows = claimed_rows(shard.path, claims, self._others)
        if stale and rows.filter(~pl.col("image").is_in(claims.images)).height:
            raise InputError(
                "the set holds more pictures than were named now, and the options have changed",
                where=str(self._folder),
                hint="name all of them (no --limit), choose another place with -o, or --overwrite",
            )
        # A picture without a face has nothing to score again, unless the rows themselves may be others now, or
        # a scorer answers for pictures.
        whole = self._of_picture.intersection(stale)
        wanted = ("ok", "no_face", "too_small") if whole else ("ok",)
        lacking = rows.filter(pl.col("status").is_in(wanted)) if same_rows else rows
        images = frozenset(lacking["image"]) if stale else frozenset()
        self._progress.kept -= len(images)
        if not rows.height:
            shard.path.unlink()
        elif not images:
            self._write(shard.path, rows)
        return _Renewal(claims, images, stale, same_rows, pictures=same_rows and len(whole) == len(stale))

    def _cut_by_shard(self, lacking: Mapping[str, str]) -> Iterator[Batch]:
        """Batches of the pictures in `lacking` (picture -> shard), none with pictures of two shards."""
        gathered: dict[str, list[Input]] = {}
        for item in self._source:
            shard = lacking.get(item.image)
            if shard is None:
                continue
            waiting = gathered.setdefault(shard, [])
            waiting.append(item)
            if len(waiting) == self._batch_size:
                yield self._renewing(shard, gathered.pop(shard))
        for shard, waiting in gathered.items():
            yield self._renewing(shard, waiting)

    def _renewing(self, shard: str, inputs: Sequence[Input]) -> Batch:
        renewal = self._renewals[shard]
        return Batch(tuple(inputs), renewal.scorers, shard, renewal.pictures)

    def _cut(self, inputs: Iterable[Input]) -> Iterator[Batch]:
        """Batches of new pictures, for every scorer."""
        left, every = iter(inputs), tuple(self._scorers)
        while group := tuple(islice(left, self._batch_size)):
            yield Batch(group, every)

    def _added(self, frame: pl.DataFrame) -> None:
        """Rows of new pictures; a shard is closed when it is full or old."""
        if not self._new:
            self._opened = time.monotonic()
        self._new.append(frame)
        full = sum(f.height for f in self._new) >= _SHARD_ROWS
        if full or time.monotonic() - self._opened >= _SHARD_SECONDS:
            self._close_new()

    def _close_new(self) -> None:
        import polars as pl

        if self._new:
            self._write(next_shard(self._folder), pl.concat(self._new, how="diagonal"))
            self._new = []

    def _renewed(self, shard: str, pictures: int, frame: pl.DataFrame) -> None:
        """Columns of known pictures; their shard is rewritten once all of them have come."""
        renewal = self._renewals[shard]
        renewal.answers.append(frame)
        renewal.answered += pictures
        if renewal.answered == len(renewal.images):
            self._close_renewed(shard)

    def _close_renewed(self, shard: str) -> None:
        import polars as pl

        renewal = self._renewals.pop(shard)
        if not renewal.answers:
            return
        path = self._folder / shard
        new = pl.concat(renewal.answers, how="diagonal")
        old = claimed_rows(path, renewal.claims, self._others)
        old = old if renewal.same_rows else old.clear()
        names = [column.name for column in IDENTITY]
        untouched = old.drop([name for name in new.columns if name not in names], strict=False)
        # A picture without a face stays what it was; one that should have been scored and is gone does not stay.
        if renewal.pictures:
            gone = new.filter(pl.col("status") == "crashed") if "status" in new.columns else new.clear()
            rest = untouched.filter(~pl.col("image").is_in(gone["image"].to_list()))
            answers = new.drop([name for name in names if name not in ("image", "sha256")], strict=False)
            rest = rest.join(answers, on=["image", "sha256"], how="left", maintain_order="left")
            self._write(path, pl.concat([rest, gone], how="diagonal"))
            return
        rest = untouched.filter(~pl.col("image").is_in(list(renewal.images)))
        kept = [name for name in untouched.columns if name not in names]
        held = untouched.select("image", "face", *kept)
        again = new.join(held, on=["image", "face"], how="left", nulls_equal=True)
        self._write(path, pl.concat([rest, again], how="diagonal"))

    def _write(self, path: Path, rows: pl.DataFrame) -> None:
        """A shard with every column of the run, null where a row has no answer, and what is derived from them."""
        import polars as pl

        types = {c.name: c.polars for c in IDENTITY}
        for scorer in self._scoring.scorers:
            types |= {c.name: c.polars for c in scorer.columns}
        columns = [
            pl.col(name) if name in rows.columns else pl.lit(None, dtype=dtype).alias(name)
            for name, dtype in types.items()
        ]
        whole = derive(rows.select(columns).lazy(), self._tables).collect()
        write_shard(Shard(path, self._rows, self._scorers, self._derived), whole)

    def _report(self, batch: Batch, frame: pl.DataFrame) -> None:
        self._progress.scored += len(batch)
        if "status" in frame.columns:
            self._progress.statuses.update(frame.unique("image", keep="first")["status"].to_list())
        self._on_progress(self._progress)


def rows_fingerprint(scoring: Scoring) -> str:
    """What decides which rows a picture has, in 16 hexadecimal digits."""
    parts = [ROWS_VERSION, scoring.faces]
    if scoring.needs_mesh:
        parts += [scoring.mesh, find_pack(MESH_PACK).fingerprint]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
