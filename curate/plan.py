"""What there is to do: which old shards are brought up to date, and which pictures are new."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from curate.affect import Tables
from curate.contents import Names
from curate.errors import InputError
from curate.form import Form
from curate.known import Claimed, Claims, Known, answers_for
from curate.metadata import Metadata
from curate.place import Place
from curate.progress import Progress
from curate.renewal import Renewal
from curate.scoring import Scoring
from curate.shards import Shard, read_shard
from curate.sources.source import Input, Source

if TYPE_CHECKING:
    import polars as pl

Contents = Callable[[Iterable[Input]], Iterable[tuple[str, str | None]]]
"""Gives the name of each input with the sha256 of its bytes in hex, None where it cannot be read."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is asked to do.

    Attributes:
        source: the pictures.
        folder: the score set.
        scoring: what is done to them.
        tables: what derived columns are made with.
        metadata: what tables say of the pictures.
        known: what the set holds already.
        homes: where the set's own pictures lie or lay.
        batch_size: pictures a network sees at once.
        progress, on_progress: how far it is, and who wants to know.
    """

    source: Source
    folder: Place
    scoring: Scoring
    tables: Tables
    metadata: Metadata
    known: Known
    homes: Sequence[str]
    batch_size: int
    progress: Progress
    on_progress: Callable[[Progress], None]

    def told(self, item: Input) -> Input:
        """An input with what the metadata tables say of it."""
        return replace(item, said=(*self.metadata.about(item), *item.said))


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to do.

    Attributes:
        renewals: of old shards that change, by name. Those of which nothing is scored again have no `images`.
        new: names of the pictures that have no rows; None where all are new.
    """

    renewals: dict[str, Renewal]
    new: Names | None = None


def make_plan(order: Order, form: Form, contents: Contents) -> Plan:
    """Compare the source with what the set holds; nothing is written.

    Args:
        order: what is asked for.
        form: of the shards that come of it.
        contents: what finds out the contents of pictures, in their order.

    Raises:
        InputError: options have changed, and the set holds pictures that were not named now.
    """
    if not order.known.shards:
        return Plan({})
    # Sources may be larger than memory, so what is remembered between the passes is names.
    claimed = order.known.claim(contents(_checked(order)))
    others = _spoken_of_by_nobody(order, claimed)
    renewals = {}
    for path, claim in claimed.claims.items():
        renewal = _renewal(order, form, order.known.shards[path], claim, others)
        order.progress.kept += len(claim) - (len(renewal.images) if renewal else 0)
        if renewal:
            renewals[path.name] = renewal
    order.on_progress(order.progress)
    return Plan(renewals, claimed.new)


def _checked(order: Order) -> Iterator[Input]:
    """The source, with a word on how far it has been looked through."""
    for item in order.source:
        yield item
        order.progress.checked += 1
        if order.progress.checked % 100 == 0:
            order.on_progress(order.progress)


def _spoken_of_by_nobody(order: Order, claimed: Claimed) -> pl.Expr:
    """True of rows that stay although their picture is not among those of the source.

    A run on single pictures says nothing of others; one on a folder or a data set says everything of what
    lies there (or lay there, before it was moved), and nothing of pictures that were added from elsewhere.
    """
    import polars as pl

    image = pl.col("image")
    if order.source.partial:
        return ~image.is_in(claimed.named().implode())
    if order.source.kind == "list":
        return pl.lit(False)
    inside = [image.str.starts_with(f"{home}{end}") for home in order.homes for end in ("/", os.sep, "#")]
    return ~pl.any_horizontal(inside)


def _renewal(order: Order, form: Form, shard: Shard, claims: Claims, others: pl.Expr) -> Renewal | None:
    """What an old shard lacks; None where it stays as it is."""
    import polars as pl

    stale = form.stale(shard)
    if not stale and shard.derived == form.tables.fingerprint and answers_for(shard.path, claims):
        return None
    stays = frozenset(read_shard(shard.path).filter(others)["image"])
    renewal = Renewal(shard.path.name, claims, stays)
    if not stale:
        return renewal
    rows = renewal.rows(order.folder)
    if rows.filter(~pl.col("image").is_in(claims.images.implode())).height:
        raise InputError(
            "the set holds more pictures than were named now, and the options have changed",
            where=str(order.folder),
            hint="name all of them (no --limit), choose another place with -o, or --overwrite",
        )
    # A picture without a face has nothing to score again, unless the rows themselves may be others now, or a
    # scorer answers for pictures.
    same_rows = shard.rows == form.rows
    whole = form.of_picture.intersection(stale)
    wanted = ("ok", "no_face", "too_small") if whole else ("ok",)
    lacking = rows.filter(pl.col("status").is_in(wanted)) if same_rows else rows
    images = frozenset(lacking["image"])
    if not images:
        return renewal
    pictures = same_rows and len(whole) == len(stale)
    return replace(renewal, images=images, scorers=stale, same_rows=same_rows, pictures=pictures)
