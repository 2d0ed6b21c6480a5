"""No test picture trains, no subject is on both sides, and an epoch has what the recipe asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from curate.errors import InputError, RecipeError
from curate.models.datasets.folds import DISFA_FOLDS
from curate.models.libreface import EXPRESSIONS
from curate.models.training.loading import Mesh, Mix, Pick, loaders
from curate.models.training.parting import Parts, part
from curate.models.training.recipe import TrainingRecipe
from curate.models.training.sets import TrainingSet

MakeSet = Callable[..., TrainingSet]
MakeRecipe = Callable[..., TrainingRecipe]


def all_of(parts: Parts) -> set[int]:
    return {int(row) for rows in parts.train.values() for row in rows}


def test_a_test_picture_never_trains_or_validates(toy_set: MakeSet, recipe: MakeRecipe, mesh: Mesh) -> None:
    split = ["train", "test", "valid", None] * 16
    one = toy_set(64, split=split, subject=[f"S{i % 9}" for i in range(64)])
    tested = {i for i, name in enumerate(split) if name == "test"}
    for asked in (
        recipe(),
        recipe(data=[{"dataset": "toy", "splits": {"train": "parted", "valid": "train"}}]),
        recipe(data=[{"dataset": "toy", "splits": {"test": "unused"}}]),
    ):
        for fold in (None, 0, 4):
            parts = part(asked, [one], fold)
            assert not tested & (all_of(parts) | set(parts.valid.tolist()))
            train, valid = loaders(asked, [one], parts, mesh)
            picked = {pick.row for epoch in range(3) for pick in _epoch(train.sampler, epoch)}
            assert picked == all_of(parts)
            assert {pick.row for pick in valid.sampler} == set(parts.valid.tolist())  # type: ignore[attr-defined]


def _epoch(sampler: Any, epoch: int) -> list[Pick]:
    sampler.set_epoch(epoch)
    return list(sampler)


@pytest.mark.parametrize("use", ["train", "valid", "parted"])
def test_no_recipe_can_make_a_test_picture_train(use: str, recipe: MakeRecipe) -> None:
    with pytest.raises(RecipeError, match="never trained on"):
        recipe(data=[{"dataset": "toy", "splits": {"test": use}}])


def test_a_picture_that_another_set_tests_does_not_train(toy_set: MakeSet, recipe: MakeRecipe) -> None:
    one = toy_set(8, "one", split=["train"] * 6 + ["valid"] * 2, sha256=list("abcdefgh"))
    two = toy_set(4, "two", split=["test", "test", "train", "valid"], sha256=list("agix"))
    parts = part(recipe(), [one, two])
    assert parts.train["one"].tolist() == [1, 2, 3, 4, 5]
    assert parts.valid.tolist() == [7, 11]


def test_folds_test_every_subject_once_and_keep_subjects_together(
    toy_set: MakeSet, recipe: MakeRecipe
) -> None:
    one = toy_set(80, subject=[f"S{i % 10}" for i in range(80)], split=[None] * 80)
    subjects = one.rows["subject"].to_numpy()
    seen: list[str] = []
    for fold in range(5):
        parts = part(recipe(), [one], fold)
        sides = [set(subjects[rows]) for rows in (parts.train["toy"], parts.valid, parts.test)]
        assert [len(side) for side in sides] == [7, 1, 2]
        assert len(set.union(*sides)) == 10
        assert len(parts.train["toy"]) + len(parts.valid) + len(parts.test) == 80
        seen += sides[2]
    assert sorted(seen) == sorted(set(subjects))
    with pytest.raises(RecipeError, match="no fold 5"):
        part(recipe(), [one], 5)


def test_the_published_folds_are_those_of_the_published_code(toy_set: MakeSet, recipe: MakeRecipe) -> None:
    names = sorted(name for fold in DISFA_FOLDS for name in fold)
    one = toy_set(27, subject=names, split=[None] * 27)
    parts = part(recipe(folds="published"), [one], 1)
    assert set(one.rows["subject"].to_numpy()[parts.test]) == DISFA_FOLDS[1]
    with pytest.raises(InputError, match="DISFA's subjects"):
        part(recipe(folds="published"), [toy_set(27, "other", split=[None] * 27)], 1)


def test_pictures_without_a_label_of_the_task_do_not_train(toy_set: MakeSet, recipe: MakeRecipe) -> None:
    one = toy_set(8, **{name: [None] * 6 + [1.0, 2.0] for name in ("au01", "au02", "au04")})
    everything = part(recipe(tasks={"intensity": 1}), [one])
    assert len(everything.train["toy"]) == 6
    lacking = pl.Series([None] * 6 + [1.0, 1.0], dtype=pl.Float32)
    two = toy_set(
        8, "two", split=["train"] * 4 + ["valid"] * 4, **{f"au{n:02}": lacking for n in (1, 2, 4, 5, 6, 9)}
    )
    assert len(part(recipe(), [two]).valid) == 4
    three = toy_set(8, "three", neutral=pl.Series([None] * 8, dtype=pl.Float32))
    with pytest.raises(InputError, match="no picture to train with"):
        part(recipe(tasks={"expression": 1}), [three])


def test_data_that_only_one_side_knows_is_refused(toy_set: MakeSet, recipe: MakeRecipe) -> None:
    with pytest.raises(InputError, match="recipe names other"):
        part(recipe(data=[{"dataset": "toy"}, {"dataset": "other"}]), [toy_set(8)])
    with pytest.raises(InputError, match="says nothing"):
        part(recipe(data=[{"dataset": "toy"}]), [toy_set(8, "toy", seed=1), toy_set(8, "other")])


def test_an_epoch_has_each_set_in_its_share(toy_set: MakeSet, recipe: MakeRecipe) -> None:
    sets = [toy_set(80, "a", split=["train"] * 79 + ["valid"]), toy_set(20, "b", split=["train"] * 20)]
    data = [{"dataset": "a"}, {"dataset": "b", "share": 0.5}]
    asked = recipe(data=data, steps=10, batch=8)
    mix = Mix(asked, part(asked, sets), {})
    rows = np.array([pick.row for pick in _epoch(mix, 0)])
    assert len(rows) == len(mix) == 80
    assert (rows >= 80).sum() == 40
    assert np.bincount(rows)[80:].tolist() == [2] * 20  # repeated evenly
    assert np.bincount(rows)[:80].max() == 1  # taken without replacement
    assert [pick.row for pick in _epoch(mix, 1)] != rows.tolist()
    assert [pick.row for pick in _epoch(mix, 0)] == rows.tolist()


def test_without_shares_an_epoch_is_every_picture_once(toy_set: MakeSet, recipe: MakeRecipe) -> None:
    sets = [toy_set(24, "a"), toy_set(40, "b")]
    parts = part(recipe(), sets)
    assert sorted(pick.row for pick in Mix(recipe(), parts, {})) == sorted(all_of(parts))


def test_a_batch_is_the_same_whoever_loads_it(toy_set: MakeSet, recipe: MakeRecipe, mesh: Mesh) -> None:
    sets = [toy_set(24, "a"), toy_set(24, "b", seed=1)]
    data = [{"dataset": "a", "weight": 0.5}, {"dataset": "b"}]
    batches = []
    for workers in (0, 2):
        asked = recipe(workers=workers, data=data)
        train, _ = loaders(asked, sets, part(asked, sets), mesh)
        batches.append(list(train))
    for one, other in zip(*batches, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name].nan_to_num(-1), other[name].nan_to_num(-1)) for name in one)
    first = batches[0][0]
    assert first["pixels"].shape == (16, 1, 16, 16)
    assert first["shape"].shape == (16, 1434)
    assert first["expression"].shape == (16, 8)
    assert set(first["weight"].tolist()) == {0.5, 1.0}


def test_rare_expressions_are_drawn_more_often_where_a_set_is_balanced(
    toy_set: MakeSet, recipe: MakeRecipe, mesh: Mesh
) -> None:
    rare = [float(i % 20 == 0) for i in range(200)]
    zero = [0.0] * 200
    shares = {**dict.fromkeys(EXPRESSIONS, zero), "anger": rare, "neutral": [1 - share for share in rare]}
    one = toy_set(200, split=["train"] * 180 + ["valid"] * 20, **shares)
    drawn = {}
    for balance in (0.0, 1.0):
        asked = recipe(steps=100, data=[{"dataset": "toy", "balance": balance}])
        train, _ = loaders(asked, [one], part(asked, [one]), mesh)
        drawn[balance] = np.mean([rare[pick.row] for pick in _epoch(train.sampler, 0)])
    assert drawn[0.0] == pytest.approx(0.05, abs=0.01)
    assert drawn[1.0] == pytest.approx(0.5, abs=0.05)
