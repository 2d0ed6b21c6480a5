"""Which pictures train, which validate, and which are kept for the test.

A row with a split of its own keeps it (or what the recipe makes of it). The rest is parted by subject, so that
no face is on both sides; a picture without a subject is its own. Where a subject falls depends on its name
alone: every seed and every machine has the same folds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curate.errors import InputError, RecipeError
from curate.models.datasets.folds import DISFA_FOLDS, subject_folds
from curate.models.training.recipe import DataSource, TrainingRecipe
from curate.models.training.sets import COLUMNS_OF, TrainingSet

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Parts:
    """Indices into the rows of all sets, one after the other.

    Attributes:
        train: by data set.
        valid, test: of all data sets together.
        sources: of each data set, what the recipe says about it.
    """

    train: Mapping[str, Indices]
    valid: Indices
    test: Indices
    sources: Mapping[str, DataSource]


def part(recipe: TrainingRecipe, sets: Sequence[TrainingSet], fold: int | None = None) -> Parts:
    """Part the rows of the sets.

    Args:
        fold: the one to be tested; without it, what has no split trains and validates.

    Raises:
        RecipeError: there is no such fold.
        InputError: recipe and sets name different data sets, or nothing is left to train or validate on.
    """
    folds = len(DISFA_FOLDS) if recipe.folds == "published" else recipe.folds
    if fold is not None and not 0 <= fold < folds:
        raise RecipeError(f"there is no fold {fold}", hint=f"--fold 0 to --fold {folds - 1}")
    dataset, subject, split, sha256 = (
        np.concatenate([one.rows[column].to_numpy() for one in sets]).astype(object)
        for column in ("dataset", "subject", "split", "sha256")
    )
    sources = _sources(recipe, set(dataset))
    role = np.empty(len(dataset), dtype=object)
    for name, source in sources.items():
        rows = np.flatnonzero(dataset == name)
        groups = [subject[i] if subject[i] is not None else sha256[i] for i in rows]
        use = ["parted" if split[i] is None else source.splits.get(split[i], split[i]) for i in rows]
        both = list(zip(groups, use, strict=True))
        roles = _roles([group for group, its in both if its == "parted"], fold, recipe)
        role[rows] = [roles[group] if its == "parted" else its for group, its in both]
    # The same picture may be in two data sets, under two splits: the test keeps it.
    tested = set(sha256[role == "test"])
    held = set(sha256[role == "valid"])
    for i in np.flatnonzero((role == "train") | (role == "valid")):
        if sha256[i] in tested or (role[i] == "train" and sha256[i] in held):
            role[i] = "unused"
    useful = np.concatenate([_labelled(one, recipe.tasks) for one in sets])
    if recipe.mae is not None:
        useful[:] = True
    train = {name: np.flatnonzero((dataset == name) & (role == "train") & useful) for name in sources}
    valid = np.flatnonzero((role == "valid") & useful)
    for what, count in (("train", sum(map(len, train.values()))), ("validate", len(valid))):
        if not count:
            raise InputError(
                f"no picture to {what} with"
                + ("" if recipe.mae else f" has a label for {', '.join(recipe.tasks)}"),
                where=", ".join(str(one.folder) for one in sets),
            )
    return Parts(train, valid, np.flatnonzero(role == "test"), sources)


def _roles(groups: Sequence[str], fold: int | None, recipe: TrainingRecipe) -> dict[str, str]:
    """What each group without a split is for; `groups` has that of every row."""
    there = set(groups)
    tested: set[str] = set()
    if fold is not None and there:
        folds = DISFA_FOLDS if recipe.folds == "published" else subject_folds(groups, recipe.folds)
        if recipe.folds == "published" and (strange := sorted(there - frozenset().union(*folds))):
            raise InputError(
                f"the published folds are of DISFA's subjects, SN001 to SN032, not of {strange[0]!r}",
                hint="folds: 5 in the recipe",
            )
        tested = there & folds[fold]
    rest = _by_hash(there - tested)
    count = max(1, round(recipe.valid * len(rest))) if len(rest) > 1 else 0
    return (
        dict.fromkeys(tested, "test")
        | dict.fromkeys(rest[:count], "valid")
        | dict.fromkeys(rest[count:], "train")
    )


def _by_hash(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())


def _sources(recipe: TrainingRecipe, there: set[str]) -> dict[str, DataSource]:
    if not recipe.data:
        return {name: DataSource(dataset=name) for name in sorted(there)}
    sources = {source.dataset: source for source in recipe.data}
    if lacking := sorted(set(sources) - there):
        raise InputError(
            f"the recipe names {', '.join(lacking)}, the training sets have only {', '.join(sorted(there))}"
        )
    if extra := sorted(there - set(sources)):
        raise InputError(
            f"the training sets have {', '.join(extra)}, of which the recipe says nothing",
            hint="add it to `data` in the recipe, or leave its set out",
        )
    return sources


def _labelled(one: TrainingSet, tasks: Iterable[str]) -> npt.NDArray[np.bool_]:
    known = ~np.isnan(one.labels)
    useful = np.zeros(len(one), dtype=bool)
    for task in tasks:
        columns = known[:, COLUMNS_OF[task]]
        useful |= columns.all(1) if task == "expression" else columns.any(1)
    return useful
