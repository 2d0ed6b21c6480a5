"""`curate recipes`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.commands.options import WordsOption
from curate.output import JsonFlag, Output, QuietFlag, typed
from curate.place import place_of

app = typer.Typer(
    help="The recipes that come with curate, and your own.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("list")
def list_recipes(json: JsonFlag = False, quiet: QuietFlag = False) -> None:
    """The built-in recipes.

    Examples:

      curate recipes list
    """
    from curate.recipes.recipe import built_in_recipes, open_recipe

    output = Output(json, quiet)
    written = [open_recipe(name) for name in built_in_recipes()]
    output.data([{"name": w.name, "description": w.recipe.description, "sha256": w.sha256} for w in written])
    output.table(
        ["recipe", "what it keeps"], [(w.name, w.recipe.description) for w in written], fold=["what it keeps"]
    )
    output.hint("curate apply NAME SCORES --dry-run --explain", "Try one:  ")


@app.command()
def show(
    recipe: Annotated[str, typer.Argument(help="A built-in recipe, or a .yaml file.", show_default=False)],
    json: JsonFlag = False,
) -> None:
    """A recipe's text: a good start for one of your own.

    Examples:

      curate recipes show lora-variety > mine.yaml
    """
    from curate.recipes.recipe import open_recipe

    written = open_recipe(recipe)
    if json:
        Output(as_json=True).data(
            {
                "name": written.name,
                "sha256": written.sha256,
                "text": written.text,
                "recipe": written.recipe.model_dump(mode="json"),
            }
        )
    else:
        print(written.text, end="")


@app.command()
def check(
    recipe: Annotated[str, typer.Argument(help="A .yaml file, or a built-in recipe.", show_default=False)],
    scores: Annotated[
        str | None, typer.Argument(help="A score set that it is to fit.", show_default=False)
    ] = None,
    words: WordsOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Whether a recipe makes sense: its fields, and every expression in it.

    Without a score set, expressions are held against all columns that curate knows.

    Examples:

      curate recipes check mine.yaml

      curate recipes check mine.yaml faces.scores
    """
    from curate.choosing import check as run

    output = Output(json, quiet)
    written, steps = run(recipe, scores, words=words)
    output.data({"name": written.name, "sha256": written.sha256, "steps": steps})
    output.plain(f"{written.where} makes sense: {', '.join(steps)}")
    against = typed(place_of(scores)) if scores else "SCORES"
    output.hint(f"curate apply {typed(Path(recipe))} {against} --dry-run --explain", "Next:  ")
