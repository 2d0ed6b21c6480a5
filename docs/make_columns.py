"""Rebuild docs/columns.md from the catalogue: python docs/make_columns.py"""

from __future__ import annotations

from pathlib import Path

from curate.scorers.columns import CATALOGUE, Column

PAGE = Path(__file__).with_name("columns.md")
HEAD = """# Columns

Made from `scorers/columns.py` by `docs/make_columns.py`; `curate columns` prints the same. A column is there if its
scorer ran. Where a row has no answer (its status is not `ok`, or the scorer cannot say) the value is null, never a
stand-in.

| column | type | range | unit | filled by | meaning |
|---|---|---|---|---|---|
"""


def page() -> str:
    """The page's text."""
    return HEAD + "".join(f"{_line(column)}\n" for column in CATALOGUE)


def _line(column: Column) -> str:
    span = "" if column.low is None and column.high is None else f"{_n(column.low)} to {_n(column.high)}"
    values = ", ".join(f"`{value}`" for value in column.values)
    doc = f"{column.doc}: {values}" if values else column.doc
    if column.formula:
        doc += f"; {column.formula}".replace("|", "\\|") + (f" ({column.source})" if column.source else "")
    return f"| `{column.name}` | {column.dtype} | {span} | {column.unit} | {column.scorer or 'every input'} | {doc} |"


def _n(value: float | None) -> str:
    return "..." if value is None else f"{value:g}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
