"""What the tests of models share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def seeded_weights(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the official files of libreface 0.2.0, with seeded weights in them."""
    pytest.importorskip("torch", reason="torch is needed to write checkpoints")
    from seeded import write_seeded_weights

    return write_seeded_weights(shared, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def seeded_pack(seeded_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the `libreface` pack made from them."""
    from curate.models.libreface import convert_libreface

    return convert_libreface(seeded_weights, tmp_path_factory.mktemp("seeded") / "libreface").folder
