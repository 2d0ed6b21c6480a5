"""A score set as a FiftyOne dataset: made once, brought up to date ever after."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from curate.browsing import store
from curate.browsing.changes import Changes, compare
from curate.browsing.database import connect
from curate.browsing.fields import declared, documents
from curate.browsing.media import files_of, keep_pictures
from curate.browsing.names import RECIPE, find_dataset, said_of, say
from curate.browsing.rows import DIGEST, LANDMARKS, ROW, batches, chosen_by, digests, reading, rows_of
from curate.browsing.sidebar import arrange
from curate.browsing.views import save_views
from curate.errors import InputError
from curate.models.pack import cache_dir
from curate.scoreset import ScoreSet, open_scores

# Raised whenever the same row may give another document.
FORMAT = 1
_SOME = 1_000


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Attributes:
        dataset: its name in FiftyOne.
        new, changed, removed, kept: how many samples (faces, and pictures without a face).
        seconds: how long it took.
    """

    dataset: str
    new: int
    changed: int
    removed: int
    kept: int
    seconds: float

    @property
    def samples(self) -> int:
        """How many there are now, of this score set."""
        return self.new + self.changed + self.kept

    def document(self) -> dict[str, Any]:
        """All of it, for machines."""
        return asdict(self) | {"samples": self.samples}


def to_fiftyone(scores: ScoreSet | str | Path, *, name: str | None = None, landmarks: bool = False) -> Any:
    """Bring the FiftyOne dataset of a score set up to date, or make it.

    One sample a row: a face, or a picture that has none. It is persistent; only rows that are new or have changed are
    written, what a person added to the samples stays, and what is gone from the score set goes. Interrupted, it is
    completed by the next call.

    Args:
        scores: a score set, or its folder.
        name: of the dataset; None takes the one that this set has, or the folder's name.
        landmarks: also the fields `mesh` (478 x 3 float32, flat) and `keypoints` (68 of them); once there, they stay.

    Returns:
        A `fiftyone.Dataset`.

    Raises:
        InputError: FiftyOne or its database cannot be used, the set cannot be read or has no landmarks, or there is
            another dataset of that name.
    """
    return import_scores(scores, name=name, landmarks=landmarks)[0]


def import_scores(
    scores: ScoreSet | str | Path,
    *,
    name: str | None = None,
    landmarks: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Any, Imported]:
    """As `to_fiftyone`; gives the dataset, and what was done.

    Args:
        scores, name, landmarks: as there.
        progress: is told how many rows are written, of how many.
    """
    opened = scores if isinstance(scores, ScoreSet) else open_scores(scores)
    connect()
    started = time.monotonic()
    folder = opened.folder.resolve()
    with reading(opened):
        dataset = find_dataset(folder, name, lambda: _contents(opened))
    landmarks = landmarks or bool(said_of(dataset).get(LANDMARKS))
    with reading(opened), _no_collecting():
        rows = rows_of(opened, landmarks=landmarks)
        schema = rows.collect_schema()
        if landmarks and LANDMARKS not in schema:
            hint = "curate score SOURCE --landmarks"
            raise InputError("the set has no landmarks", where=str(opened.place), hint=hint)
        keep_pictures(opened.manifest.source, rows)
        fields = declared(schema)
        whole = _declare(dataset, fields, folder, recipe=chosen_by(opened), landmarks=landmarks)
        there = digests(rows, _salt(opened, landmarks=landmarks))
        samples = store.samples(dataset)
        if not whole:  # a field that was not there is empty in every sample
            samples = samples.with_columns(pl.lit(None, pl.Int64).alias(DIGEST))
        changes = compare(there, samples)
        _write(dataset, opened, rows, there, changes, progress)
    dataset.reload()
    arrange(dataset, schema)
    save_views(dataset)
    return dataset, Imported(
        dataset.name,
        len(changes.new),
        changes.changed.height,
        len(changes.removed),
        changes.kept,
        round(time.monotonic() - started, 3),
    )


@contextlib.contextmanager
def _no_collecting() -> Iterator[None]:
    """Documents hold no cycles; looking for some in all that FiftyOne has loaded would take a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _contents(scores: ScoreSet) -> list[str]:
    """The sha256 of some pictures, by which a dataset is known to be of this set."""
    known = rows_of(scores, landmarks=False).select("sha256").drop_nulls().head(_SOME)
    return known.collect()["sha256"].to_list()


def _salt(scores: ScoreSet, *, landmarks: bool) -> str:
    """What decides, beside a row's columns, what its sample looks like."""
    copies = str(cache_dir().absolute()) if scores.manifest.source.kind == "dataset" else ""
    return f"{FORMAT} {landmarks} {copies}"


def _declare(
    dataset: Any, fields: Mapping[str, Any], folder: Path, *, recipe: str | None, landmarks: bool
) -> bool:
    """Have these fields in the dataset, and none of an earlier import besides; whether they were all there.

    Args:
        dataset, fields: as `declared` gives them.
        folder: the set's, absolute.
        recipe: `chosen_by` of the set.
        landmarks: whether they are wanted.

    Raises:
        InputError: a field that a person added has the name of one of them.
    """
    had = dataset.get_field_schema(flat=True)
    ours = [path for path in fields if "." not in path]
    said = said_of(dataset)
    before = set(said.get("fields", ()))
    for name in ours:
        if name in had and name not in before:
            raise InputError(
                f"the dataset `{dataset.name}` has a field `{name}` that somebody added, and so has the set",
                where=str(folder),
                hint=f"in Python: fiftyone.load_dataset({dataset.name!r})"
                f".rename_sample_field({name!r}, {name + '_mine'!r})",
            )
    unfit = {
        path.partition(".")[0]
        for path, field in fields.items()
        if path in had and not _same(had[path], field)
    }
    gone = [name for name in before if name in had and name not in ours]
    # First, for an import that is cut off between the two: what is not noted is a person's.
    say(dataset, {**said, "fields": [*ours, *gone]})
    for name in (*unfit, *gone):
        dataset.delete_sample_field(name)
    missing = {p: f for p, f in fields.items() if p not in had or p.partition(".")[0] in unfit}
    if missing:
        dataset.add_dynamic_sample_fields(missing)
    noted = {"scores": str(folder), "format": FORMAT, LANDMARKS: landmarks, RECIPE: recipe, "fields": ours}
    say(dataset, {**said, **noted})
    return not missing


def _same(had: Any, wanted: Any) -> bool:
    return type(had) is type(wanted) and getattr(had, "document_type", None) is getattr(
        wanted, "document_type", None
    )


def _write(
    dataset: Any,
    scores: ScoreSet,
    rows: pl.LazyFrame,
    there: pl.DataFrame,
    changes: Changes,
    progress: Callable[[int, int], None],
) -> None:
    """Insert, update, remove: what is interrupted is found unfinished, and finished, by the next import."""
    ours = said_of(dataset)["fields"]
    number = store.dataset_id(dataset)
    samples = dict(changes.changed.iter_rows())
    wanted = pl.concat([changes.new, changes.changed[ROW]]).sort()
    done = 0
    # While MongoDB stores one batch the next is made.
    with batches(rows, wanted) as parts, ThreadPoolExecutor(1) as writer:
        writing: Future[None] | None = None
        for part in parts:
            marked = part.join(there.select(ROW, DIGEST), on=ROW, how="left", maintain_order="left")
            files = files_of(scores.manifest.source, part)
            made = documents(marked, files, number, datetime.now(UTC))
            if writing is not None:
                writing.result()
            at = part[ROW].to_list()
            new = [document for row, document in zip(at, made, strict=True) if row not in samples]
            again = [
                (samples[row], document) for row, document in zip(at, made, strict=True) if row in samples
            ]
            writing = writer.submit(store.write, dataset, new, again, ours)
            done += len(made)
            progress(done, len(wanted))
        if writing is not None:
            writing.result()
    store.remove(dataset, changes.removed.to_list())
