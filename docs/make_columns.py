"""Rebuild docs/columns.md from the catalogue: python docs/make_columns.py"""

from __future__ import annotations

import re
from pathlib import Path

from curate.scorers.columns import CATALOGUE, Column

PAGE = Path(__file__).with_name("columns.md")
HEAD = """# Columns

Made from `scorers/columns.py` by `docs/make_columns.py`; `curate columns` prints the same, `curate columns NAME` one
of them with its formula. A column is there if its scorer ran. Where a row has no answer (its status is not `ok`, or the
scorer cannot say) the value is null, never a stand-in.

| column | type | range | unit | filled by | meaning |
|---|---|---|---|---|---|
"""
FORMULAS = """
## Formulas

Columns that follow from others. p are the probabilities of the expressions, x intensities, q presence probabilities;
[...] is 1 where it holds and 0 elsewhere.

| column | formula | source |
|---|---|---|
"""


def page() -> str:
    """The page's text."""
    columns = "".join(f"{_line(column)}\n" for column in CATALOGUE)
    formulas = "".join(f"{_formula(column)}\n" for column in CATALOGUE if column.formula)
    return HEAD + columns + FORMULAS + formulas


def _line(column: Column) -> str:
    span = "" if column.low is None and column.high is None else f"{_n(column.low)} to {_n(column.high)}"
    values = ", ".join(f"`{value}`" for value in column.values)
    doc = f"{column.doc}: {values}" if values else column.doc
    return f"| `{column.name}` | {column.dtype} | {span} | {column.unit} | {column.scorer or 'every input'} | {doc} |"


def _formula(column: Column) -> str:
    formula = column.formula.replace("|", "\\|")
    source = re.sub(r"docs/(\w+\.md)", r"[\1](\1)", column.source)
    return f"| `{column.name}` | {formula} | {source} |"


def _n(value: float | None) -> str:
    return "..." if value is None else f"{value:g}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
