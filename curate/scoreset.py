"""A score set: a folder of Parquet files and a manifest."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import InputError
from curate.manifest import Manifest, read_manifest
from curate.mirror import mirror_of, mirrored
from curate.place import Place, Remote, place_of
from curate.shards import list_shards

if TYPE_CHECKING:
    import polars as pl

    from curate.affect import Tables

SUFFIX = ".scores"


@dataclass(frozen=True, slots=True)
class ScoreSet:
    """What `curate score` writes and everything else reads. Make one with `open_scores`.

    Attributes:
        folder: where its files are; of a set at a URL, the mirror in the user's cache.
        manifest: how it was made.
        url: where it lies that is no folder; "" of one that is.
    """

    folder: Path
    manifest: Manifest
    url: str = ""

    @property
    def place(self) -> Place:
        """Where it lies, as people are told."""
        return place_of(self.url) if self.url else self.folder

    @property
    def location(self) -> str:
        """Where it lies, wherever one stands: a URL or an absolute path."""
        return self.url or str(self.folder.resolve())

    @property
    def name(self) -> str:
        """What it is called, `NAME.scores`."""
        return self.folder.resolve().name

    def beside(self, name: str) -> Path:
        """A path beside it; of a set at a URL, in the working directory."""
        return Path.cwd() / name if self.url else self.folder.resolve().with_name(name)

    def stored(self) -> pl.LazyFrame:
        """Its rows as they stand in its files, lazily, with what people decided (`decision`).

        Columns that some files lack, and numbers that are NaN, are null there.
        """
        import polars as pl

        from curate.decisions import with_decisions

        shards = list_shards(self.folder)
        if not shards:
            from curate.scorers.columns import IDENTITY, schema

            return with_decisions(pl.LazyFrame(schema=schema(IDENTITY)), self.folder)
        # A set that is being extended may hold files with and without the newest columns.
        rows = pl.concat([pl.scan_parquet(path, glob=False) for path in shards], how="diagonal")
        # Other programs may write NaN for no answer; Polars would take it for the largest of all numbers.
        rows = rows.with_columns(pl.selectors.float().fill_nan(None))
        return with_decisions(rows, self.folder)

    def scan(self, tables: Tables | None = None) -> pl.LazyFrame:
        """Its rows, lazily; columns that some files lack are null there. `decision` is always among them.

        Derived columns (affect, measures, intent) are the stored ones where they were made with these tables; they
        are made anew, where a query asks for them, in an older set and with other tables.

        Args:
            tables: None takes those that the set was made with, if they were the user's own, and else the shipped.
        """
        import polars as pl

        from curate.affect import up_to_date
        from curate.decisions import COLUMN

        with self._reading():
            rows = up_to_date(self.stored(), self.folder, self.manifest, tables)
            # At the end, whether columns were derived anew or not.
            return rows.select(pl.exclude(COLUMN), COLUMN)

    def read(self, *, landmarks: bool = True, tables: Tables | None = None) -> pl.DataFrame:
        """Its rows, sorted by picture and face; `landmarks=False` leaves out that column, most of a set's bytes.

        `tables` as for `scan`.

        Raises:
            InputError: a file of the set is damaged.
        """
        rows = self.scan(tables)
        rows = rows if landmarks else rows.drop("landmarks", strict=False)
        return self.collect(rows.sort("image", "face"))

    def collect(self, rows: pl.LazyFrame) -> pl.DataFrame:
        """What was made of `scan()`, read now; InputError where a file of the set is damaged."""
        with self._reading():
            return rows.collect()

    def schema(self, rows: pl.LazyFrame) -> pl.Schema:
        """The columns of what was made of `scan()`; InputError where a file of the set is damaged."""
        with self._reading():
            return rows.collect_schema()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        import polars as pl

        try:
            yield
        except (pl.exceptions.PolarsError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise InputError(
                f"the score set cannot be read: {reason}",
                where=str(self.place),
                hint="run the same `curate score` again: damaged files are scored anew",
            ) from error


def open_scores(folder: str | Place) -> ScoreSet:
    """Open a score set. One at a URL (`s3://...`) is mirrored in the user's cache: what has changed is fetched.

    Raises:
        InputError: it is not there, or is not a score set; the storage is out of reach.
    """
    path = place_of(folder)
    if isinstance(path, Remote):
        mirror = mirrored(path)
        return ScoreSet(mirror, read_manifest(mirror), path.url)
    if not path.is_dir():
        hint = f"curate score {path.name.removesuffix(SUFFIX) or 'FOLDER'}"
        raise InputError("no such score set", where=str(folder), hint=hint)
    return ScoreSet(path, read_manifest(path), mirror_of(path) or "")
