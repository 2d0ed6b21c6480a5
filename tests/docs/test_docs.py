from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*/README.md"))]


def test_the_page_of_columns_is_that_of_the_catalogue() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_columns.py"))
    assert made["PAGE"].read_text(encoding="utf-8") == made["page"](), "run: python docs/make_columns.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_are_named_exist(page: Path) -> None:
    from typer.main import get_command

    from curate.app import app

    known = get_command(app).commands  # type: ignore[attr-defined]
    for command in re.findall(
        r"(?:^    (?:\$ )?|`)curate ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE
    ):
        assert command in known, f"curate {command}"
