"""Sets that the tests of reports share: scored once."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 32 example faces, scored; read it only."""
    import curate

    folder = tmp_path_factory.mktemp("reports") / "faces.scores"
    curate.score(str(ROOT / "examples" / "faces"), folder)
    return folder


@pytest.fixture(scope="session")
def chosen(scored: Path) -> Path:
    """A part of them that a recipe chose; read it only."""
    import curate

    recipe = scored.parent / "few.yaml"
    recipe.write_text(
        "description: A few\nwhere:\n  - confidence >= .5\n  - abs(yaw) < 30\n"
        "balance: {by: expression, per_cell: 3}\nshortfall: table\n"
    )
    curate.apply(recipe, scored, scored.parent / "few.scores")
    return scored.parent / "few.scores"
