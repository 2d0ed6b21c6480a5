"""A contact sheet, drawn: tiles, captions, an axis with ticks or rows with labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from curate.browsing.colours import BAND_COLOURS, EXPRESSION_COLOURS
from curate.output import visible
from curate.place import replacing

# Pixels.
SIDE = 144
_GAP, _CAPTION, _BORDER = 8, 22, 28
_TITLE, _LINE = 26, 15
_TICKS, _LABELS = 78, 150

_PAPER, _INK, _QUIET, _EMPTY = "#ffffff", "#1b1b1f", "#5c5c66", "#ececf0"


@dataclass(frozen=True, slots=True)
class Tile:
    """A face: its place on the sheet, what stands under it, and its expression, which gives its line a colour."""

    row: int
    column: int
    caption: str
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is drawn.

    Attributes:
        tiles: the faces.
        order: how they are ordered, in words.
        ticks: of an axis under them, one more than there are columns: value and share of the faces.
        axis: what it shows.
        labels: of the rows: word and count.
        title: lines at the head.
        answered: how many faces there were to take from.
    """

    tiles: tuple[Tile, ...]
    order: str
    ticks: tuple[tuple[str, str], ...] = ()
    axis: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    title: tuple[str, ...] = ()
    answered: int = 0


def draw(sheet: Sheet, pictures: list[Image.Image | None]) -> Image.Image:
    """Draw it.

    Args:
        sheet: what goes where.
        pictures: RGB, `SIDE` x `SIDE`, of each tile; None where there is none.

    Returns:
        RGB.
    """
    columns = max(tile.column for tile in sheet.tiles) + 1
    rows = max(tile.row for tile in sheet.tiles) + 1
    beside = _LABELS if sheet.labels else 0
    inner = beside + columns * (SIDE + _GAP) - _GAP
    width = max(inner, 560) + 2 * _BORDER
    lines = [part for line in sheet.title[1:] for part in _wrapped(visible(line), width - 2 * _BORDER)]
    head = _BORDER + _TITLE + 12 + len(lines) * (_LINE + 6) + 12
    step = SIDE + _CAPTION + _GAP
    height = head + rows * step + (_TICKS if sheet.ticks else 0) + _BORDER - _GAP
    image = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(image)
    pen.text(
        (_BORDER, _BORDER), _cut(visible(sheet.title[0]), _font(_TITLE, True), width - 2 * _BORDER), _INK,
        _font(_TITLE, True),
    )  # fmt: skip
    for number, line in enumerate(lines):
        pen.text((_BORDER, _BORDER + _TITLE + 12 + number * (_LINE + 6)), line, _QUIET, _font(_LINE))
    left = _BORDER + beside
    for row, (word, count) in enumerate(sheet.labels):
        top = head + row * step
        colour = EXPRESSION_COLOURS.get(word) or BAND_COLOURS.get(word) or _QUIET
        pen.rectangle((_BORDER, top, _BORDER + 5, top + SIDE - 1), fill=colour)
        pen.text(
            (_BORDER + 16, top + SIDE // 2 - 20), _cut(visible(word), _font(17, True), _LABELS - 28), _INK,
            _font(17, True),
        )  # fmt: skip
        pen.text((_BORDER + 16, top + SIDE // 2 + 4), count, _QUIET, _font(14))
    for tile, picture in zip(sheet.tiles, pictures, strict=True):
        x, y = left + tile.column * (SIDE + _GAP), head + tile.row * step
        if picture is None:
            pen.rectangle((x, y, x + SIDE - 1, y + SIDE - 1), fill=_EMPTY)
            pen.text((x + SIDE // 2, y + SIDE // 2), "no picture", _QUIET, _font(13), anchor="mm")
        else:
            image.paste(picture, (x, y))
        if tile.kind in EXPRESSION_COLOURS:
            pen.rectangle((x, y + SIDE, x + SIDE - 1, y + SIDE + 2), fill=EXPRESSION_COLOURS[tile.kind])
        pen.text((x, y + SIDE + 5), _cut(visible(tile.caption), _font(13), SIDE), _INK, _font(13))
    if sheet.ticks:
        _axis(pen, replace(sheet, axis=visible(sheet.axis)), left, head + rows * step, columns)
    return image


def save(image: Image.Image, sheet: Sheet, path: Path) -> None:
    """Write a PNG that says what it is, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    said = PngInfo()
    said.add_itxt("Title", visible(sheet.title[0]))
    said.add_itxt("Description", visible(sheet.order))
    said.add_text("Software", f"curate {version('curate-faces')}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        image.save(partial, format="PNG", pnginfo=said, optimize=False)


def _axis(pen: ImageDraw.ImageDraw, sheet: Sheet, left: int, top: int, columns: int) -> None:
    """A line with a tick between columns: the value there, and the share of the faces that have less."""
    step = SIDE + _GAP
    pen.line((left, top + 4, left + columns * step - _GAP, top + 4), fill=_INK, width=2)
    for number, (value, share) in enumerate(sheet.ticks):
        last = number == columns
        x = left + number * step - (0 if number == 0 else _GAP // 2 if not last else _GAP)
        side = "l" if number == 0 else "r" if last else "m"
        pen.line((x, top + 4, x, top + 11), fill=_INK, width=2)
        pen.text((x, top + 15), value, _INK, _font(15, True), anchor=f"{side}a")
        pen.text((x, top + 35), share, _QUIET, _font(13), anchor=f"{side}a")
    pen.text((left, top + 58), _cut(sheet.axis, _font(14), max(columns * step, 560)), _QUIET, _font(14))


def _wrapped(text: str, width: int) -> list[str]:
    """Words in lines of at most so many pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _font(_LINE).getlength(longer) > width:
            lines.append(_cut(word, _font(_LINE), width))
        else:
            lines[-1] = _cut(longer, _font(_LINE), width)
    return lines


def _cut(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """As much of a text as fits."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


@cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, as Matplotlib brings it."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name
    # The same everywhere, whether or not Raqm is there.
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
