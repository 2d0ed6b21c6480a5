"""A recipe at work: which rows of a score set stay, and why each of the others does not.

The steps see the rows sorted by content, never in the order of the set, and all sums that decide are of whole
numbers: the same rows, recipe and seed give the same picks on any machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.errors import RecipeError
from curate.recipes.balancing import Balanced, balance
from curate.recipes.dedupe import near_duplicates
from curate.recipes.funnel import Funnel, Step
from curate.recipes.pick import k_centre
from curate.recipes.query import Order, Query, parse_condition, prepare
from curate.recipes.ranking import best_first, parse_best
from curate.recipes.recipe import Dedupe, Pick, Recipe
from curate.recipes.sql_names import absent
from curate.recipes.vectors import au_columns, au_vectors

if TYPE_CHECKING:
    from curate.recipes.lexicon import Lexicon

SCORED = "status = 'ok'"
BOX = ("box_x", "box_y", "box_w", "box_h")
# What a person rejected is not chosen by a recipe that does not speak of decisions itself.
DECISION = "decision"
_KEY = ("sha256", "face", "image")
_NEEDED = (*_KEY, "status", "error")
_ROW = "_row"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a recipe chose.

    Attributes:
        ledger: a row for each row of the set, in its order: `rejected_by` and `reason` (String), null where it is kept.
        steps: the funnel.
        balanced: what was wanted, there and kept of each cell; None where the recipe does not balance.
    """

    ledger: pl.DataFrame
    steps: tuple[Step, ...]
    balanced: Balanced | None

    @property
    def kept(self) -> pl.Series:
        """Boolean, a value for each row of the set."""
        return self.ledger["rejected_by"].is_null()


@dataclass(frozen=True)
class Plan:
    """A recipe held against the columns of a set: every expression is checked before a row is read.

    Attributes:
        reads: the columns that its steps need.
    """

    recipe: Recipe
    reads: tuple[str, ...]
    where: tuple[Query, ...]
    best: tuple[Order, ...]
    order: tuple[Order, ...]

    def choose(self, rows: pl.DataFrame, like: Mapping[str, pl.DataFrame] | None = None) -> Choice:
        """Run the steps.

        Args:
            rows: the score set, at least the columns in `reads`.
            like: the score sets that targets name, by the name they have there.

        Raises:
            RecipeError: a step cannot be done with these rows.
        """
        frame = rows.select(self.reads).with_row_index(_ROW).sort(*_KEY)
        funnel = Funnel(frame.height)
        missing = (frame["status"] != "ok").arg_true()
        words = pl.col("error").fill_null(pl.col("status"))
        funnel.drop("status", SCORED, missing.to_numpy(), frame[missing].select(words).to_series())
        faces = frame[funnel.rows()]
        # Percentiles are among all scored faces, whatever the steps before have dropped.
        faces = prepare(self._queries(), faces)
        place = funnel.rows()
        if DECISION in faces.columns and not any(DECISION in query.reads for query in self.where):
            out = (faces[DECISION] == "reject").fill_null(value=False).to_numpy()
            if out.any():
                funnel.drop("person", "not rejected by a person", place[out], "rejected by a person")
        for query in self.where:
            passed = faces.select(query.expr.alias("_")).to_series().fill_null(value=False).to_numpy()
            out = ~passed & funnel.alive[place]
            funnel.drop("where", query.text, place[out], query.text)
        if self.recipe.dedupe is not None:
            alive = faces.filter(funnel.alive[place])
            _drop_duplicates(
                funnel, alive, self.recipe.dedupe, best_first(alive, self.best, self.recipe.seed)
            )
        balanced = None
        if self.recipe.balance is not None:
            alive = faces.filter(funnel.alive[place])
            balanced = balance(alive, self.recipe.balance, like or {})
            unplaced = np.flatnonzero(balanced.cell < 0)
            if len(unplaced):
                reasons = balanced.unplaced
                funnel.drop("balance", "a cell for each face", funnel.rows()[unplaced], reasons)
                alive = alive.filter(balanced.cell >= 0)
            self._take(funnel, alive, balanced.cell[balanced.cell >= 0], balanced.keep, balanced)
        elif self.recipe.pick is not None and self.recipe.pick.total is not None:
            alive = faces.filter(funnel.alive[place])
            self._take(
                funnel, alive, np.zeros(alive.height, np.intp), np.array([self.recipe.pick.total]), None
            )
        ledger = pl.concat([frame.select(_ROW), funnel.ledger()], how="horizontal").sort(_ROW).drop(_ROW)
        return Choice(ledger, tuple(funnel.steps), balanced)

    def _queries(self) -> list[Query]:
        return [*self.where, *(order.by for order in (*self.best, *self.order))]

    def _take(
        self,
        funnel: Funnel,
        alive: pl.DataFrame,
        cell: NDArray[np.intp],
        keep: NDArray[np.int64],
        balanced: Balanced | None,
    ) -> None:
        """Of each cell so many rows, the best or the most different."""
        pick = self.recipe.pick or Pick()
        order = best_first(alive, self.order, self.recipe.seed)
        # The rows of each cell stand together, best first.
        by_cell = order[np.argsort(cell[order], kind="stable")]
        counts = np.bincount(cell, minlength=len(keep))
        ends = np.cumsum(counts)
        place = np.arange(len(by_cell)) - (ends - counts)[cell[by_cell]]
        taken = np.zeros(len(cell), bool)
        taken[by_cell] = place < keep[cell[by_cell]]
        if pick.diversity == "au":
            vectors = au_vectors(alive)
            for number in np.flatnonzero(counts > keep):
                members = by_cell[ends[number] - counts[number] : ends[number]]
                taken[members] = False
                taken[members[k_centre(vectors[members], int(keep[number]), np.arange(len(members)))]] = True
        out = np.flatnonzero(~taken)
        if balanced is None:
            clause, reasons = f"pick.total = {int(keep[0])}", f"not among the {int(keep[0])} that were picked"
            funnel.drop("pick", clause, funnel.rows()[out], reasons)
        else:
            funnel.drop("balance", balanced.clause, funnel.rows()[out], balanced.reasons.gather(cell[out]))


def plan(recipe: Recipe, schema: Mapping[str, pl.DataType], lexicon: Lexicon | None = None) -> Plan:
    """Hold a recipe against the columns of a set.

    Raises:
        RecipeError: a step needs a column that is not there.
        QueryError: a clause makes no sense; says which.
    """
    for name in _NEEDED:
        if name not in schema:
            raise RecipeError(f"the set has no column `{name}`", hint="curate score")
    where = tuple(parse_condition(text, schema, lexicon) for text in recipe.where)
    best: list[Order] = []
    order: list[Order] = []
    reads = {*_NEEDED, DECISION}
    if recipe.dedupe is not None:
        _need(("phash",), schema, "dedupe")
        # What decides by default is used as far as it is there; what the recipe names has to be.
        named = "keep" in recipe.dedupe.model_fields_set
        best = parse_best([c for c in recipe.dedupe.keep if named or c in schema], schema, lexicon)
        reads |= {"phash", *au_columns(schema), *(name for name in BOX if name in schema)}
    pick = recipe.pick or Pick()
    if recipe.balance is not None or pick.total is not None:
        named = "order" in pick.model_fields_set
        order = parse_best([c for c in pick.order if named or c in schema], schema, lexicon)
        if pick.diversity == "au":
            if not au_columns(schema):
                raise RecipeError(
                    "pick.diversity: au needs action units, and the set has none",
                    hint="curate score SOURCE --scorers lite",
                )
            reads |= {*au_columns(schema)}
    if recipe.balance is not None:
        _need(recipe.balance.columns, schema, "balance")
        reads |= {*recipe.balance.columns}
    for query in (*where, *(one.by for one in (*best, *order))):
        reads |= query.reads
    return Plan(recipe, tuple(name for name in schema if name in reads), where, tuple(best), tuple(order))


def _need(columns: Sequence[str], schema: Mapping[str, pl.DataType], step: str) -> None:
    for name in columns:
        if name not in schema:
            message, hint = absent(name, schema, (), a_word=False)
            raise RecipeError(f"{step}: {message}", hint=hint)


def _drop_duplicates(funnel: Funnel, faces: pl.DataFrame, dedupe: Dedupe, order: NDArray[np.intp]) -> None:
    boxes = [name for name in BOX if name in faces.columns]
    several = bool((faces["face"] > 0).any())
    keeper = near_duplicates(
        faces["phash"].fill_null(0).to_numpy(),
        au_vectors(faces) if dedupe.au_distance is not None else None,
        hash_bits=dedupe.hash_bits,
        au_distance=dedupe.au_distance,
        order=order,
        box=faces.select(boxes).to_numpy().astype(np.float32) if len(boxes) == len(BOX) else None,
        picture=faces["image"].rank("dense").to_numpy().astype(np.int64) if several else None,
        valid=faces["phash"].is_not_null().to_numpy(),
    )
    out = np.flatnonzero(keeper >= 0)
    reasons = "a near-duplicate of " + faces["image"].gather(keeper[out])
    same = "" if dedupe.au_distance is None else f", action units within {dedupe.au_distance:g}"
    funnel.drop("dedupe", f"within {dedupe.hash_bits} bits{same}", funnel.rows()[out], reasons)
