"""Score sets with real pictures behind them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from backed import write_backed


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """Twelve pictures in `tmp_path/pictures`, a face each, and their set."""
    names = [f"{i}.png" for i in range(12)]
    return write_backed(tmp_path / "a.scores", tmp_path / "pictures", names)


@pytest.fixture(scope="session")
def fo(mongod: dict[str, str]) -> Any:
    """The module `fiftyone`; what it says at its import is none of our business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import fiftyone

        fiftyone.list_datasets()
    return fiftyone
