"""*Apply recipe*: choose one, see what it would keep, write the chosen set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fiftyone.operators import types

from curate.browsing.operators.choosing import ask_where, choose, preview
from curate.browsing.operators.operator import FaceOperator
from curate.errors import RecipeError
from curate.recipes.recipe import Written, built_in_recipes, open_recipe
from curate.scoreset import ScoreSet

_FILE = "a file of mine"


class ApplyRecipe(FaceOperator):
    """A built-in recipe, or a YAML file, on the whole score set."""

    name_ = "apply_recipe"
    label = "Apply recipe"
    icon = "checklist"
    description = "Keep faces by a recipe: see the funnel first, then write the chosen set"
    submit = "Apply"

    def form(self, ctx: Any, inputs: Any, source: ScoreSet) -> None:
        choices = types.DropdownView()
        for name in built_in_recipes():
            choices.add_choice(name, label=name, description=open_recipe(name).recipe.description)
        choices.add_choice(_FILE, label=_FILE, description="a .yaml file")
        inputs.enum("recipe", choices.values(), label="Recipe", view=choices, required=True)
        if ctx.params.get("recipe") == _FILE:
            inputs.str("path", label="File", description="The path of a .yaml file", required=True)
        recipe = _recipe(ctx)
        if recipe is not None:
            inputs.md(recipe.recipe.description, name="says")
            preview(inputs, source, recipe)
            ask_where(ctx, inputs, source, recipe.name)

    def run(self, ctx: Any, source: ScoreSet) -> dict[str, Any]:
        recipe = _recipe(ctx)
        if recipe is None:
            raise RecipeError("which recipe?", hint="choose one")
        return choose(ctx, source, recipe)


def _recipe(ctx: Any) -> Written | None:
    """The one that is chosen; None as long as none is."""
    said = ctx.params.get("recipe")
    if said == _FILE:
        path = (ctx.params.get("path") or "").strip()
        if not path:
            return None
        file = Path(os.path.expandvars(path)).expanduser()
        if file.suffix.lower() not in (".yaml", ".yml"):
            raise RecipeError(
                "a recipe is a .yaml file", where=path, hint="the path of one: /home/me/my.yaml"
            )
        return open_recipe(file)
    return open_recipe(said) if said else None
