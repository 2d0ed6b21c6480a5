"""Score sets with real pictures behind them."""

from __future__ import annotations

from pathlib import Path

import pytest
from backed import write_backed


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """Twelve pictures in `tmp_path/pictures`, a face each, and their set."""
    names = [f"{i}.png" for i in range(12)]
    return write_backed(tmp_path / "a.scores", tmp_path / "pictures", names)
