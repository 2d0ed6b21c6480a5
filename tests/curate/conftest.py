"""What the tests of runs and commands share."""

from __future__ import annotations

from pathlib import Path

import plugin
import pytest
from pictures import noise


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Six small pictures, 40 to 45 pixels wide, without faces."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(6):
        noise(folder / f"{i}.png", 40 + i, seed=i)
    return folder


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> plugin.Log:
    """Install the scorer `width`; gives the widths that it has seen since it was last asked."""
    site = tmp_path / "site"
    site.mkdir()
    plugin.install(site)
    monkeypatch.syspath_prepend(site)
    path = tmp_path / "width.log"
    monkeypatch.setenv("WIDTH_LOG", str(path))

    def seen() -> list[int]:
        lines = path.read_text().split() if path.exists() else []
        path.write_text("")
        return sorted(map(int, lines))

    return seen
