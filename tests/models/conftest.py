"""What the tests of models share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# The folder tests/ is no package: its shared module is found by path.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


@pytest.fixture(scope="session")
def seeded_pack(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a `libreface` pack with seeded weights, in the form of 0.2.0."""
    pytest.importorskip("torch", reason="torch is needed to convert checkpoints")
    from seeded import build_seeded_pack

    return build_seeded_pack(shared, tmp_path_factory.mktemp("seeded") / "models" / "libreface")
