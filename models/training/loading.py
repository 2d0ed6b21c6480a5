"""From training sets to batches: which pictures an epoch takes, and how they become tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from curate.models.training.augment import Augment
from curate.models.training.parting import Indices, Parts
from curate.models.training.recipe import TrainingRecipe
from curate.models.training.sets import COLUMNS_OF, TrainingSet

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Mesh:
    """What augmenting landmarks takes: each point's partner in the mirror (478,), and the face that shapes are
    given relative to (478, 3). They belong to the scorers, whose layer lies above this one."""

    mirror: Sequence[int]
    canonical: Sequence[Sequence[float]]


class Pick(NamedTuple):
    """A row, and where in the run it is taken: this seeds its disturbance, whichever process loads it."""

    row: int
    place: int


class Mix:
    """The rows of an epoch: each data set in its share, shuffled; the same for the same seed and epoch.

    A data set that is larger than its share is sampled without replacement; a smaller one is repeated.
    """

    def __init__(
        self, recipe: TrainingRecipe, parts: Parts, odds: Mapping[str, np.ndarray[Any, Any]]
    ) -> None:
        """`odds`: of the data sets that are balanced, the probability of each of their rows."""
        self._seed = recipe.seed
        self._odds = odds
        self._epoch = 0
        self._rows = {name: rows for name, rows in parts.train.items() if len(rows)}
        size = sum(map(len, self._rows.values()))
        self._length = recipe.steps * recipe.batch if recipe.steps else size
        shares = {name: parts.sources[name].share for name in self._rows}
        left = 1 - sum(share or 0 for share in shares.values())
        open_size = sum(len(self._rows[name]) for name, share in shares.items() if share is None)
        exact = {
            name: len(self._rows[name]) / open_size * left if share is None else share
            for name, share in shares.items()
        }
        whole = sum(exact.values())  # less than 1 where a data set has nothing to train on
        ends = np.round(np.cumsum(list(exact.values())) / whole * self._length).astype(int)
        self._counts = dict(zip(exact, np.diff(ends, prepend=0).tolist(), strict=True))

    def __len__(self) -> int:
        return self._length

    def set_epoch(self, epoch: int) -> None:
        """Lightning says which epoch comes."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[Pick]:
        random = np.random.default_rng([self._seed, self._epoch])
        drawn = [
            random.choice(rows, self._counts[name], p=self._odds[name])
            if name in self._odds
            else _repeated(rows, self._counts[name], random)
            for name, rows in self._rows.items()
        ]
        start = (self._seed << 43) + (self._epoch << 32)
        for i, row in enumerate(random.permutation(np.concatenate(drawn)).tolist()):
            yield Pick(row, start + i)


class Faces:
    """A data set as torch's DataLoader takes it: a list of picks gives a whole batch.

    A batch has `pixels` float32 [N, C, S, S], `shape` float32 [N, 1434], the labels by task with NaN where there
    is none, and `weight` [N].
    """

    def __init__(
        self,
        sets: Sequence[TrainingSet],
        augment: Augment,
        weights: Indices | np.ndarray[Any, Any],
        *,
        disturbed: bool,
    ) -> None:
        self._sets = sets
        self._starts = np.cumsum([0, *(len(one) for one in sets)])
        self._augment = augment
        self._weights = torch.as_tensor(weights, dtype=torch.float32)
        self._disturbed = disturbed

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, pick: Pick) -> Batch:
        return self.__getitems__([pick])

    def __getitems__(self, picks: Sequence[Pick]) -> Batch:
        rows = np.array([pick.row for pick in picks])
        pixels, shapes, labels = (
            torch.from_numpy(self._gather(name, rows)) for name in ("pixels", "shapes", "labels")
        )
        if self._disturbed:
            generator = torch.Generator().manual_seed(picks[0].place)
            seen, shape, _ = self._augment(pixels, shapes, generator)
        else:
            seen, shape = self._augment.plain(pixels, shapes)
        tasks = {task: labels[:, columns] for task, columns in COLUMNS_OF.items()}
        return {"pixels": seen, "shape": shape, **tasks, "weight": self._weights[rows]}

    def _gather(self, name: str, rows: Indices) -> np.ndarray[Any, Any]:
        which = np.searchsorted(self._starts, rows, side="right") - 1
        first = getattr(self._sets[0], name)
        out = np.empty((len(rows), *first.shape[1:]), first.dtype)
        for i in np.unique(which):
            here = np.flatnonzero(which == i)
            inside = rows[here] - self._starts[i]
            order = np.argsort(inside)  # a file is read from front to back
            out[here[order]] = getattr(self._sets[i], name)[inside[order]]
        return out


def loaders(
    recipe: TrainingRecipe, sets: Sequence[TrainingSet], parts: Parts, mesh: Mesh
) -> tuple[DataLoader[Batch], DataLoader[Batch]]:
    """For training and for validation."""
    augment = augment_of(recipe, mesh)
    weights = np.ones(sum(map(len, sets)))
    for name, rows in parts.train.items():
        weights[rows] = parts.sources[name].weight
    mix = Mix(recipe, parts, _odds(sets, parts))
    picks = [Pick(int(row), 0) for row in parts.valid]
    faces = Faces(sets, augment, weights, disturbed=recipe.augmentation.enabled)
    plain = Faces(sets, augment, np.ones(len(weights)), disturbed=False)
    more: dict[str, Any] = {
        "batch_size": recipe.batch,
        "num_workers": recipe.workers,
        "collate_fn": _as_it_is,
    }
    # A last batch of one or two would upset the normalisation.
    train: DataLoader[Batch] = DataLoader(faces, sampler=mix, drop_last=len(mix) >= recipe.batch, **more)  # type: ignore[arg-type]
    valid: DataLoader[Batch] = DataLoader(plain, sampler=picks, **more)  # type: ignore[arg-type]
    return train, valid


def augment_of(recipe: TrainingRecipe, mesh: Mesh) -> Augment:
    """Colours are normalised as ImageNet's, which the published networks start from; grey is left 0 to 1."""
    from curate.models.libreface import AU_INPUT

    mean, std = ((), ()) if recipe.crop.grey else (AU_INPUT.mean or (), AU_INPUT.std or ())
    return Augment(
        recipe.crop.inner,
        recipe.crop.grey,
        mesh.mirror,
        mesh.canonical,
        mean,
        std,
        recipe.augmentation.strength,
    )


def _odds(sets: Sequence[TrainingSet], parts: Parts) -> dict[str, np.ndarray[Any, Any]]:
    votes = np.concatenate([one.labels[:, COLUMNS_OF["expression"]] for one in sets])
    odds = {}
    for name, rows in parts.train.items():
        balance = parts.sources[name].balance
        shares = np.nan_to_num(votes[rows].astype(np.float64))
        if balance and len(rows) and shares.any():
            frequent = shares.mean(axis=0)
            weight = shares @ np.where(frequent > 0, frequent, 1) ** -balance
            weight[shares.sum(axis=1) == 0] = weight[weight > 0].mean()  # nobody's votes: as often as others
            odds[name] = weight / weight.sum()
    return odds


def _as_it_is(batch: Batch) -> Batch:
    return batch


def _repeated(rows: Indices, count: int, random: np.random.Generator) -> Indices:
    times = -(-count // len(rows))
    return np.concatenate([random.permutation(rows) for _ in range(times)] or [rows[:0]])[:count]
