"""A page of a report taken apart, with nothing but Python's own parser."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Page(HTMLParser):
    """What is in a page.

    Attributes:
        tables: rows of text by the table's caption; the first row is the heading.
        elements: every element: its tag and its attributes.
        texts: all text that is shown, in order.
    """

    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    _caption: str | None = None
    _rows: list[list[str]] = field(default_factory=list)
    _within: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th") and self._rows:
            self._rows[-1].append("")
        if tag in ("caption", "td", "th", "style"):
            self._within = tag

    def handle_endtag(self, tag: str) -> None:
        if tag in ("caption", "td", "th", "style"):
            self._within = ""
        if tag == "table" and self._caption is not None:
            rows = [[" ".join(cell.split()) for cell in row] for row in self._rows]
            self.tables[" ".join(self._caption.split())] = rows
            self._caption, self._rows = None, []

    def handle_data(self, data: str) -> None:
        if self._within == "style":
            return
        if self._within == "caption" and self._caption is not None:
            self._caption += data
        elif self._within in ("td", "th") and self._rows and self._rows[-1]:
            self._rows[-1][-1] += data
        if data.strip():
            self.texts.append(" ".join(data.split()))

    def table(self, begin: str) -> list[list[str]]:
        """The rows of the table whose caption begins so, without the heading."""
        (found,) = (rows for caption, rows in self.tables.items() if caption.startswith(begin))
        return found[1:]

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def read_page(content: str) -> Page:
    page = Page()
    page.feed(content)
    page.close()
    return page


def whole(text: str) -> int:
    """`2,000` as a number."""
    return int(text.replace(",", ""))


def share(text: str) -> float:
    """`71 %` as 0.71."""
    return float(text.removesuffix("%").strip()) / 100
