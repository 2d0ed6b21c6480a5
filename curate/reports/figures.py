"""Figures: drawn by Matplotlib, made into SVG that lives in a page.

What Matplotlib writes is cleaned: no styles, fonts, dates or names of its own, so that a strict content policy lets it
through, text is text, the same figure gives the same bytes, and ink takes the colour of the page, light or dark.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup

from curate.reports.album import Shot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Stand for colours that the page decides; each becomes a class.
INK, FAINT, ACCENT, OTHER = "#010101", "#020202", "#030303", "#040404"
_CLASSES = {INK: "ink", FAINT: "faint", ACCENT: "accent", OTHER: "other"}
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
# What of a style an attribute can say; the rest (fonts, line joins) is the page's.
_KEPT = frozenset(
    {"fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "fill-opacity", "stroke-opacity",
     "font-size", "text-anchor"}
)  # fmt: skip
TEXT = 12.5


@dataclass(frozen=True, slots=True)
class Placed:
    """A face in a figure: its left upper corner and side in the figure's units, and the colour of its frame."""

    shot: Shot
    x: float
    y: float
    side: float
    colour: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure for a page.

    Attributes:
        title: what it is, in a few words.
        alt: what it shows, in numbers, for those who cannot see it.
        width, height: its units, about pixels.
        body: what is within the `svg` element.
        placed: faces on top.
    """

    title: str
    alt: str
    width: float
    height: float
    body: Markup
    placed: tuple[Placed, ...] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    """Axes in a figure of so many units, and where they lie in it."""

    figure: Figure
    axes: Axes
    width: float
    height: float
    left: float
    top: float
    inner_width: float
    inner_height: float

    def x(self, value: float) -> float:
        """Where a number of the x axis is, in units from the left."""
        low, high = self.axes.get_xlim()
        return self.left + (value - low) / (high - low) * self.inner_width

    def y(self, value: float) -> float:
        """Where a number of the y axis is, in units from the top."""
        low, high = self.axes.get_ylim()
        return self.top + (high - value) / (high - low) * self.inner_height

    def drawing(self, title: str, alt: str, placed: Sequence[Placed] = ()) -> Drawing:
        """The figure, as the page takes it."""
        name = f"f{zlib.crc32(title.encode('utf-8', 'replace')):08x}"
        return Drawing(title, alt, self.width, self.height, _body(self.figure, name), tuple(placed))


def plot(
    width: float, height: float, *, left: float = 44, right: float = 12, top: float = 10, bottom: float = 40
) -> Plot:
    """Empty axes with margins, all in units of about a pixel; horizontal grid lines, no frame but the x axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    inner_width, inner_height = width - left - right, height - top - bottom
    axes = figure.add_axes(
        (left / width, bottom / height, inner_width / width, inner_height / height), facecolor="none"
    )
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(INK)
    axes.spines["bottom"].set_linewidth(1)
    axes.tick_params(length=0, labelsize=TEXT, labelcolor=INK, pad=5)
    axes.grid(axis="y", color=FAINT, linewidth=1)
    axes.set_axisbelow(True)
    return Plot(figure, axes, width, height, left, top, inner_width, inner_height)


def _body(figure: Figure, name: str) -> Markup:
    """The figure's elements, cleaned; ids begin with `name`, since a page has several figures."""
    from matplotlib import rc_context

    written = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "curate", "path.simplify": False}):
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(written.getvalue())  # noqa: S314 - what Matplotlib has just written
    names: dict[str, str] = {}
    parts = [_element(child, name, names) for child in root if child.tag == f"{_SVG}g"]
    return Markup("".join(parts))  # noqa: S704 - made of elements and escaped text alone


def _element(element: ElementTree.Element, name: str, names: dict[str, str]) -> str:
    """An element as text. Groups that say nothing are left out, and so are paths that nobody sees."""
    from html import escape

    tag = element.tag.removeprefix(_SVG)
    if tag in ("metadata", "style"):
        return ""
    attributes = _attributes(element, name, names)
    if (
        tag == "path"
        and attributes.get("fill") == "none"
        and "stroke" not in attributes | _classes(attributes)
    ):
        return ""
    inner = escape(element.text.strip()) if element.text and element.text.strip() else ""
    inner += "".join(_element(child, name, names) for child in element)
    if tag in ("g", "defs") and not inner:
        return ""
    if tag == "g" and not attributes:
        return inner
    told = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{tag}{told}>{inner}</{tag}>" if inner else f"<{tag}{told}/>"


def _classes(attributes: dict[str, str]) -> dict[str, str]:
    return {part.split("-")[0]: "" for part in attributes.get("class", "").split()}


def _attributes(element: ElementTree.Element, name: str, names: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    classes: list[str] = []
    for part in element.get("style", "").split(";"):
        key, _, value = (piece.strip() for piece in part.partition(":"))
        if key in ("fill", "stroke") and value.lower() in _CLASSES:
            classes.append(f"{key}-{_CLASSES[value.lower()]}")
        elif key in _KEPT:
            found[key] = value.removesuffix("px")
    if classes:
        found["class"] = " ".join(classes)
    for key in ("d", "x", "y", "width", "height", "transform"):
        said = element.get(key)
        if said is not None and not said.startswith("rotate(-0 "):
            found[key] = re.sub(r"\d+\.\d+", _rounded, " ".join(said.split()))
    tag = element.tag.removeprefix(_SVG)
    if tag not in ("g", "defs", "use") and (own := element.get("id")):
        found["id"] = _named(own, name, names)
    if link := element.get(_HREF):
        found["href"] = "#" + _named(link[1:], name, names)
    if clip := element.get("clip-path"):
        found["clip-path"] = f"url(#{_named(clip[5:-1], name, names)})"
    return found


def _named(own: str, name: str, names: dict[str, str]) -> str:
    return names.setdefault(own, f"{name}-{len(names)}")


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
