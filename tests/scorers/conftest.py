"""What the tests of scorers share."""

from __future__ import annotations

from pathlib import Path

import pytest
from oracle import Case, load_cases

from curate.scorers.mesh import FaceMesh


@pytest.fixture(scope="session")
def cases(shared: Path) -> list[Case]:
    """The oracle's recorded cases."""
    return load_cases(shared)


@pytest.fixture(scope="session")
def mesh() -> FaceMesh:
    """Our face mesh, on the CPU."""
    return FaceMesh()
