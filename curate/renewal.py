"""An old shard that is brought up to date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from curate.form import Form
from curate.known import Claims, claimed_rows
from curate.place import Place
from curate.scorers.columns import IDENTITY

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Renewal:
    """What becomes of an old shard. It travels to workers.

    Attributes:
        name: of the shard's file.
        claims: the pictures that it answers for.
        others: pictures whose rows stay as they are, because the run says nothing of them.
        images: of the claimed ones, those that are scored again.
        scorers: which scorers run on them.
        same_rows: its rows stay, and only get new columns.
        pictures: these are of scorers alone that answer for pictures.
    """

    name: str
    claims: Claims
    others: frozenset[str]
    images: frozenset[str] = frozenset()
    scorers: tuple[str, ...] = ()
    same_rows: bool = True
    pictures: bool = False

    def rows(self, folder: Place) -> pl.DataFrame:
        """The rows of the shard that stay, under their pictures' present names."""
        import polars as pl

        return claimed_rows(folder / self.name, self.claims, pl.col("image").is_in(list(self.others)))

    def apply(self, folder: Place, form: Form, answers: Sequence[pl.DataFrame]) -> None:
        """Rewrite the shard with what was scored again; one that has nothing left is removed.

        Args:
            folder: the score set.
            form: of the run.
            answers: frames for `images`. Those of pictures that vanished meanwhile may be missing; where pictures
                were to be scored and none came, the shard stays as it was.
        """
        import polars as pl

        if self.images and not answers:
            return
        rows = self.rows(folder)
        if answers:
            rows = self._renewed(rows, pl.concat(answers, how="diagonal"))
        if rows.height:
            form.write(folder / self.name, rows)
        else:
            (folder / self.name).unlink()

    def _renewed(self, old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        old = old if self.same_rows else old.clear()
        names = [column.name for column in IDENTITY]
        untouched = old.drop([name for name in new.columns if name not in names], strict=False)
        # A picture without a face stays what it was; one that should have been scored and is gone does not stay.
        if self.pictures:
            gone = new.filter(pl.col("status") == "crashed") if "status" in new.columns else new.clear()
            rest = untouched.filter(~pl.col("image").is_in(gone["image"].to_list()))
            answers = new.drop([name for name in names if name not in ("image", "sha256")], strict=False)
            rest = rest.join(answers, on=["image", "sha256"], how="left", maintain_order="left")
            return pl.concat([rest, gone], how="diagonal")
        rest = untouched.filter(~pl.col("image").is_in(list(self.images)))
        kept = [name for name in untouched.columns if name not in names]
        held = untouched.select("image", "face", *kept)
        again = new.join(held, on=["image", "face"], how="left", nulls_equal=True)
        return pl.concat([rest, again], how="diagonal")
