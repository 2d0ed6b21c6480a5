from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# What each folder may import of ours (design.md); curate.errors is open to all, it imports nothing itself.
ALLOWED = {
    "models": ("curate.errors", "curate.models"),
    "scorers": ("curate.errors", "curate.models", "curate.scorers"),
    "recipes": ("curate.errors", "curate.recipes", "curate.scorers.columns"),
}


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name for name in names if name.split(".")[0] == "curate"}


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_a_layer_imports_only_what_lies_below_it(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        for name in imported(path):
            below = any(name == allowed or name.startswith(f"{allowed}.") for allowed in ALLOWED[folder])
            assert below, f"{path.relative_to(ROOT)} imports {name}"
