"""A recipe: which faces to keep, as a YAML file. `recipes/built_in` has the ones that come with us.

    description: 50 of each expression, hot enough to read, one frontal face, nothing twice
    where:  [n_faces = 1, abs(yaw) < 25, eye_distance >= 60, sharpness > .2]
    dedupe: {hash_bits: 6, au_distance: .15, keep: sharpness}
    balance: {by: [expression, band], per_cell: 50}
    pick: {order: confidence desc, diversity: au}
    shortfall: prompts

The steps run in this order, whatever the order of the fields.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictStr, model_validator

from curate.errors import RecipeError
from curate.recipes.cells import By
from curate.recipes.checked_yaml import parse_checked, read_checked
from curate.scorers.columns import suggest

BUILT_IN = Path(__file__).resolve().parent / "built_in"


def _listed(value: Any) -> Any:
    """One thing is a list of one."""
    return value if isinstance(value, list | tuple) else [value]


def _target(value: Any) -> Any:
    """`uniform`, shares, or another set's; whether the levels exist is known once there are rows."""
    if value == "uniform" or (isinstance(value, dict) and value):
        return value
    raise ValueError("`uniform`, shares ({anger: .2, fear: .3}), or {like: OTHER.scores}")


Target = Annotated[Any, BeforeValidator(_target)]
Clause = Annotated[StrictStr, Field(min_length=1)]
Clauses = Annotated[tuple[Clause, ...], BeforeValidator(_listed)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Dedupe(_Part):
    """Of faces that are near-identical in pixels and in expression, the best one stays.

    Attributes:
        hash_bits: so many of the 64 bits of `phash` may differ.
        au_distance: root mean square difference of the action units, each from 0 to 1, up to which an expression is
            the same; null asks nothing of the expression.
        keep: what makes a face the best: expressions, the most of it first; ties go to the next.
    """

    hash_bits: Annotated[int, Field(ge=0, le=16, strict=True)] = 6
    au_distance: Annotated[float, Field(ge=0, le=1, strict=True)] | None = 0.15
    keep: Clauses = ("sharpness", "eye_distance")


class Marginal(_Part):
    """One of several distributions that are wanted at once."""

    by: By
    target: Target = "uniform"


class Balance(_Part):
    """How many faces of which kind; see docs/balance.md.

    Attributes:
        by: the kinds are the cells of these columns.
        per_cell: at most so many of each.
        target: the share of each cell: `uniform`, given shares, or those of another score set (`like`).
        total: how many in all; without it and `per_cell`, as many as the target can be kept with.
        marginals: instead of `by`: each column by itself, where the cells of all of them would be too thin.
    """

    by: Annotated[tuple[By, ...], BeforeValidator(_listed)] = ()
    per_cell: Count | None = None
    target: Target = "uniform"
    total: Count | None = None
    marginals: Annotated[tuple[Marginal, ...], BeforeValidator(_listed)] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Balance:
        if bool(self.by) == bool(self.marginals):
            raise ValueError("say either `by` (cells) or `marginals` (several columns, each by itself)")
        if self.per_cell and (self.total or self.marginals or "target" in self.model_fields_set):
            raise ValueError("`per_cell` goes with `by` alone: not with total, target or marginals")
        if self.marginals and "target" in self.model_fields_set:
            raise ValueError("with `marginals`, each of them has its own target")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("a column is named twice")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """What it balances by, whether in cells or each by itself."""
        return tuple(by.column for by in (*self.by, *(marginal.by for marginal in self.marginals)))


class Pick(_Part):
    """Which faces of a cell.

    Attributes:
        order: expressions, the most of it first unless they end in `asc`; ties, and what has no answer, go by content.
        diversity: `au` spreads the picked faces over the action units (the first is the best by `order`).
        total: keep so many; for recipes that do not balance.
    """

    order: Clauses = ("confidence",)
    diversity: Literal["au"] | None = None
    total: Count | None = None


def like_of(target: Any) -> str | None:
    """The score set whose distribution a target is, if it is one's."""
    return (
        target["like"]
        if isinstance(target, dict) and set(target) == {"like"} and isinstance(target["like"], str)
        else None
    )


class Recipe(_Part):
    """The whole of it.

    Attributes:
        description: one sentence.
        where: conditions (docs/query.md), in order; each drops the faces that do not meet it.
        dedupe, balance, pick: as they say; a step that is not named does nothing.
        shortfall: what to write for cells that ran dry: nothing, a table, or a table and prompts.
        seed: of the order in which equals come.
    """

    description: StrictStr = ""
    where: Clauses = ()
    dedupe: Dedupe | None = None
    balance: Balance | None = None
    pick: Pick | None = None
    shortfall: Literal["none", "table", "prompts"] = "table"
    seed: Annotated[int, Field(ge=0, lt=1 << 63, strict=True)] = 0

    @model_validator(mode="after")
    def _something(self) -> Recipe:
        if self.balance is not None and self.pick is not None and self.pick.total is not None:
            raise ValueError("pick.total is for recipes without `balance`, which has a total of its own")
        if self.pick is not None and self.balance is None and self.pick.total is None:
            raise ValueError("pick: say how many (`total`), or `balance`")
        if not (self.where or self.dedupe or self.balance or self.pick):
            raise ValueError("the recipe does nothing: where, dedupe, balance or pick")
        return self

    @property
    def likes(self) -> tuple[str, ...]:
        """The score sets that its targets name."""
        if self.balance is None:
            return ()
        targets = [self.balance.target, *(marginal.target for marginal in self.balance.marginals)]
        return tuple(dict.fromkeys(like for target in targets if (like := like_of(target)) is not None))


@dataclass(frozen=True, slots=True)
class Written:
    """A recipe as it stands in a file.

    Attributes:
        name: the file's name without its ending.
        where: the file, for messages.
        text: all of it, comments too.
        recipe: what it says.
    """

    name: str
    where: str
    text: str
    recipe: Recipe

    @property
    def sha256(self) -> str:
        """Of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def built_in_recipes() -> list[str]:
    """The names that `open_recipe` knows."""
    return sorted(path.stem for path in BUILT_IN.glob("*.yaml"))


def open_recipe(name_or_path: str | Path) -> Written:
    """A built-in recipe by its name, or a file.

    Raises:
        RecipeError: there is none, or it does not make sense; names the file, the line and the field.
    """
    path = Path(name_or_path)
    if path.suffix.lower() not in (".yaml", ".yml"):
        names = built_in_recipes()
        path = BUILT_IN / f"{name_or_path}.yaml"
        if str(name_or_path) not in names:
            raise RecipeError(
                f"there is no recipe of this name{suggest(str(name_or_path), names)}",
                where=str(name_or_path),
                hint="curate recipes list, or a file that ends in .yaml",
            )
    if not path.exists():
        raise RecipeError("no such file", where=str(path), hint="curate recipes list")
    recipe, text = read_checked(path, Recipe)
    return Written(path.stem, str(path), text, recipe)


def parse_recipe(text: str, name: str = "recipe") -> Written:
    """A recipe from text; RecipeError as `open_recipe`."""
    return Written(name, name, text, parse_checked(text, Recipe, name))
