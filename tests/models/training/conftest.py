"""Toy training sets: what a face shows is how bright it is, and where its landmarks are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from curate.models.libreface import EXPRESSIONS, INTENSITIES, PRESENCES
from curate.models.training.sets import Crop, TrainingSet, write_training_set

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("lightning", reason="the extra `train` is not installed")

from curate.models.training.loading import Mesh  # noqa: E402 - needs torch
from curate.models.training.recipe import TrainingRecipe, parse_recipe  # noqa: E402

SIDE, INNER = 20, 16
MakeSet = Callable[..., TrainingSet]


@pytest.fixture
def toy_set(tmp_path: Path) -> MakeSet:
    """Writes a set of `n` faces; keywords replace columns."""

    def make(n: int = 64, name: str = "toy", seed: int = 0, **columns: Any) -> TrainingSet:
        random = np.random.default_rng(seed)
        amount = random.integers(0, 6, n).astype(np.float32)
        pixels = random.integers(0, 30, (n, SIDE, SIDE, 3)) + (amount * 40).astype(int)[:, None, None, None]
        shapes = random.normal(0, 0.02, (n, 478, 3)).astype(np.float32) + amount[:, None, None] / 50
        names = [f"{name}-{seed}-{i}" for i in range(n)]
        rows = pl.DataFrame(
            {
                "image": names,
                "sha256": names,
                "dataset": [name] * n,
                "subject": [f"SN{i % 8:03}" for i in range(n)],
                "split": ["train" if i % 4 else "valid" for i in range(n)],
                **dict.fromkeys(INTENSITIES, amount),
                **{f"{au}_p": (amount > 2).astype(np.float32) for au in PRESENCES},
                **{e: (amount == i).astype(np.float32) for i, e in enumerate(EXPRESSIONS)},
            }
        ).with_columns(pl.Series(key, value) for key, value in columns.items())
        folder = tmp_path / f"{name}-{seed}.set"
        with write_training_set(folder, Crop("lite", SIDE, INNER)) as writer:
            writer.add(pixels.astype(np.uint8), shapes, rows)
        return TrainingSet.open(folder)

    return make


@pytest.fixture
def mesh() -> Mesh:
    """A face whose points have no partners, and lie in one place."""
    return Mesh(list(range(478)), [[0.0, 0.0, 0.0]] * 478)


@pytest.fixture
def recipe() -> Callable[..., TrainingRecipe]:
    """A recipe for the toy sets; keywords replace fields."""

    def make(**fields: Any) -> TrainingRecipe:
        base: dict[str, Any] = {
            "name": "toy",
            "network": {"name": "lite"},
            "crop": {"kind": "lite", "side": SIDE, "inner": INNER, "grey": True},
            "tasks": {"intensity": 1, "presence": 1, "expression": 1},
            "optimiser": {"lr": 1e-3},
            "batch": 16,
            "epochs": 2,
        }
        return parse_recipe(base | fields)

    return make


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """What is compared bit by bit is computed on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
