"""What the tests of scorers share."""

from __future__ import annotations

from pathlib import Path

import pytest
from oracle import Case, load_cases
from seeded import build_seeded_pack

from curate.scorers.mesh import FaceMesh


@pytest.fixture(scope="session")
def cases(shared: Path) -> list[Case]:
    """The oracle's recorded cases."""
    return load_cases(shared)


@pytest.fixture(scope="session")
def mesh() -> FaceMesh:
    """Our face mesh, on the CPU."""
    return FaceMesh()


@pytest.fixture(scope="session")
def seeded_cache(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache whose libreface pack has the oracle's weights."""
    pytest.importorskip("torch", reason="torch is needed to convert the seeded checkpoints")
    cache = tmp_path_factory.mktemp("seeded-cache")
    build_seeded_pack(shared, cache / "models" / "libreface")
    return cache


@pytest.fixture
def libreface(seeded_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`find_pack("libreface")` finds the seeded pack."""
    monkeypatch.setenv("CURATE_CACHE", str(seeded_cache))
