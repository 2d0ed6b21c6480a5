"""*Balance*: so many faces of each kind, put together in a form."""

from __future__ import annotations

from typing import Any

import polars as pl
import yaml
from fiftyone.operators import types

from curate.browsing.operators.choosing import ask_where, choose, preview
from curate.browsing.operators.operator import FaceOperator
from curate.errors import RecipeError
from curate.recipes.cells import MAX_LEVELS
from curate.recipes.recipe import Written, parse_recipe
from curate.scoreset import ScoreSet

_FIRST = ("expression", "band", "intent", "muscles", "generator", "model", "lora", "sampler", "decision")
# Numbers that make sense in bins, and how many.
_BINNED = ("temperature", "valence", "arousal", "yaw", "pitch")
_BINS = 4
_EACH, _ALL = "at most so many of each", "so many in all, in these shares"


class Balance(FaceOperator):
    """A recipe of one step, written for the user: it stands in the chosen set and can be repeated."""

    name_ = "balance"
    label = "Balance"
    icon = "balance"
    description = "As many faces of each expression, band, model ... as of the others"
    submit = "Balance"

    def form(self, ctx: Any, inputs: Any, source: ScoreSet) -> None:
        columns = types.DropdownView(multiple=True)
        for name in _columns(source):
            columns.add_choice(name, label=f"{name}, in {_BINS} bins" if name in _BINNED else name)
        inputs.list("by", types.String(), label="By", view=columns, required=True,
                    description="Of several columns every combination is a kind")  # fmt: skip
        how = types.RadioGroup()
        for each in (_EACH, _ALL):
            how.add_choice(each, label=each)
        inputs.enum("how", how.values(), label="How many", view=how, default=_EACH)
        inputs.int("count", label="Number", default=50, min=1)
        if ctx.params.get("how") == _ALL:
            inputs.str("target", label="Shares", default="uniform",
                       description="uniform, {anger: .2, fear: .3}, or {like: OTHER.scores}")  # fmt: skip
        inputs.bool("spread", label="Of each kind, the faces that differ most", default=False)
        inputs.bool("dedupe", label="Leave out near-duplicates", default=True)
        if ctx.params.get("by"):
            recipe = _recipe(ctx)
            preview(inputs, source, recipe)
            ask_where(ctx, inputs, source, recipe.name)

    def run(self, ctx: Any, source: ScoreSet) -> dict[str, Any]:
        return choose(ctx, source, _recipe(ctx))


def _columns(source: ScoreSet) -> list[str]:
    """What can be balanced by: words with few values, and some numbers in bins."""
    schema = source.schema(source.scan())
    words = [name for name in _FIRST if schema.get(name) == pl.String]
    if words:
        counts = source.collect(source.scan().select(pl.col(words).n_unique())).row(0, named=True)
        words = [name for name in words if 1 < counts[name] <= MAX_LEVELS]
    return [*words, *(name for name in _BINNED if name in schema)]


def _recipe(ctx: Any) -> Written:
    """What the form says, as a recipe."""
    columns = [str(name) for name in ctx.params.get("by") or ()]
    if not columns:
        raise RecipeError("balance by what?", hint="choose a column")
    by = [{"column": name, "quantiles": _BINS} if name in _BINNED else name for name in columns]
    count = int(ctx.params.get("count") or 50)
    balance: dict[str, Any] = {"by": by}
    if ctx.params.get("how") == _ALL:
        balance |= {"target": _target(ctx.params.get("target")), "total": count}
    else:
        balance["per_cell"] = count
    recipe: dict[str, Any] = {"description": f"Balanced by {' and '.join(columns)}, made in the app"}
    if ctx.params.get("dedupe", True):
        recipe["dedupe"] = {}
    recipe["balance"] = balance
    recipe["pick"] = {"order": "confidence desc", "diversity": "au" if ctx.params.get("spread") else None}
    text = yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True)
    return parse_recipe(text, f"balance-{'-'.join(columns)}")


def _target(text: str | None) -> Any:
    try:
        return yaml.safe_load(text or "uniform")
    except yaml.YAMLError:
        raise RecipeError(
            "these are no shares",
            where=str(text),
            hint="uniform, {anger: .2, fear: .3}, or {like: OTHER.scores}",
        ) from None
