from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curate.errors import RecipeError
from curate.models.training.recipe import built_in_recipes, dump_recipe, open_recipe, parse_recipe

GOOD: dict[str, Any] = {"name": "mine", "network": {"name": "resnet18"}, "tasks": {"expression": 1}}


def test_the_defaults_are_the_papers() -> None:
    recipe = parse_recipe(GOOD)
    assert (recipe.optimiser.lr, recipe.optimiser.weight_decay, recipe.clip, recipe.epochs) == (
        3e-5,
        1e-4,
        1,
        20,
    )


@pytest.mark.parametrize("name", built_in_recipes())
def test_every_built_in_recipe_makes_sense_and_comes_back_from_its_yaml(name: str, tmp_path: Path) -> None:
    recipe = open_recipe(name)
    assert recipe.name == name
    assert recipe.title
    assert recipe.epochs <= 20
    (tmp_path / "config.yaml").write_text(dump_recipe(recipe))
    assert open_recipe(tmp_path / "config.yaml") == recipe


def test_the_papers_recipes_are_there() -> None:
    papers = {f"libreface-{name}" for name in ("disfa", "bp4d", "affectnet", "rafdb")}
    assert papers | {f"{name}-teacher" for name in papers} | {"mae-pretrain"} <= set(built_in_recipes())


@pytest.mark.parametrize(
    ("change", "said", "hint"),
    [
        ({"epoch": 3}, "epoch: there is no such field", "did you mean `epochs`?"),
        ({"optimiser": {"lrr": 1}}, "optimiser.lrr", "did you mean `lr`?"),
        ({"data": [{"dataset": "a", "shares": 1}]}, "data.0.shares", "did you mean `share`?"),
        (
            {"network": {"name": "resnet"}},
            "network.name: there is no network `resnet`",
            "did you mean `resnet18`?",
        ),
        (
            {"network": {"name": "vit_tiny", "options": {"pach": 8}}},
            "no option `pach`",
            "did you mean `patch`?",
        ),
        ({"epochs": 0}, "epochs: Input should be greater than or equal to 1", ""),
        ({"metric": "pcc"}, "metric `pcc` needs the task `intensity`", ""),
        ({"tasks": {}}, "at least one of", ""),
        ({"mae": {}}, "has no tasks", ""),
        ({"crop": {"inner": 128}}, "must not be larger", ""),
        ({"data": [{"dataset": "a", "share": 0.7}, {"dataset": "b", "share": 0.7}]}, "more than 1", ""),
        ({"data": [{"dataset": "a"}, {"dataset": "a"}]}, "named twice", ""),
    ],
)
def test_a_mistake_is_named_with_its_file_and_field(
    change: dict[str, Any], said: str, hint: str, tmp_path: Path
) -> None:
    import yaml

    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(GOOD | change))
    with pytest.raises(RecipeError) as wrong:
        open_recipe(path)
    assert said in wrong.value.message
    assert wrong.value.where == str(path)
    assert hint in wrong.value.hint


def test_an_unknown_recipe_is_answered_with_the_nearest() -> None:
    with pytest.raises(RecipeError) as wrong:
        open_recipe("libreface-difsa")
    assert wrong.value.hint == "did you mean `libreface-disfa`?"


def test_a_file_that_is_no_recipe_says_so(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    for text, said in (("- 1", "not a table"), ("a: [", "cannot be read")):
        path.write_text(text)
        with pytest.raises(RecipeError, match=said):
            open_recipe(path)
    with pytest.raises(RecipeError, match="cannot be read"):
        open_recipe(tmp_path / "none.yaml")
