"""A report on a score set: one HTML file that needs nothing else, for people to read and to print."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from curate.answerfile import check_answer, write_answer
from curate.output import visible
from curate.place import here
from curate.reports import comparison, intents, provenance, recipe, statuses, units, variety
from curate.reports.associations import associations
from curate.reports.duplicates import Duplicates, duplicates
from curate.reports.grid import grid
from curate.reports.map import affect_map
from curate.reports.material import Gap, Material, read_material
from curate.reports.quality import quality
from curate.reports.temperature import temperature
from curate.reports.wording import THIN, band_of, count, finding, listed, number, percent

_SPACES = f"\n\t\N{NO-BREAK SPACE}{THIN}"
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Report:
    """What was written.

    Attributes:
        path: the file.
        bytes: its size.
        faces: scored faces of the set.
        finding: the first sentence of the report.
        shown: faces that it shows.
        missing: of those the ones whose picture is gone, has changed, or cannot be decoded; a placeholder stands there.
    """

    path: Path
    bytes: int
    faces: int
    finding: str
    shown: int
    missing: int


def write_report(
    scores: str | Path, out: str | Path, *, against: str | Path | None = None, overwrite: bool = False
) -> Report:
    """Write a report on a score set.

    The same set and the same pictures give the same bytes. Only the pictures that are shown are read.

    Args:
        scores: a score set.
        out: the HTML file.
        against: another set, to stand beside it.
        overwrite: replace a file that is there.

    Raises:
        ExportError: `out` is there, or cannot be written.
        InputError: a set cannot be read.
    """
    path = here(out)
    check_answer(path, overwrite=overwrite)
    first = read_material(scores)
    second = None if against is None else read_material(against, "b")
    page = _page(first, second)
    write_answer(path, page)
    albums = [m.album for m in (first, second) if m is not None]
    return Report(
        path,
        len(page),
        first.faces.height,
        _lead(first).replace(THIN, " "),
        sum(album.wanted for album in albums),
        sum(album.missing for album in albums),
    )


def _page(first: Material, second: Material | None) -> bytes:
    parts: dict[str, Any] = {
        "statuses": statuses.statuses(first),
        "temperature": temperature(first),
        "variety": variety.variety(first),
        "map": affect_map(first),
        "grid": grid(first),
        "units": units.units(first),
        "quality": quality(first),
        "duplicates": duplicates(first),
        "intents": intents.intents(first),
        "chosen": recipe.chosen(first),
        "associations": associations(first),
        "provenance": provenance.provenance(first),
        "against": None if second is None else comparison.against(first, second),
    }
    pictures: dict[Any, str] = {}
    for material in (first, second):
        if material is not None:
            material.album.develop()
            pictures |= material.album.pictures
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["gap"] = lambda part: isinstance(part, Gap)
    page = environment.get_template("report.html").render(
        name=first.name,
        lead=_lead(first),
        more=_more(parts["variety"]),
        tiles=_tiles(first, parts["duplicates"]),
        rows=first.rows.height,
        faces=first.faces.height,
        pictures=pictures,
        missing=first.album.missing + (second.album.missing if second else 0),
        style=Markup(style),  # noqa: S704 - our own file
        style_sha256=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        **parts,
    )
    return page.encode("utf-8", "backslashreplace")


def _harmless(value: Any) -> Any:
    """Text in which nothing is invisible or turns the writing round: names and prompts are other people's words."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(c if c in _SPACES else visible(c) for c in value)


def _lead(material: Material) -> str:
    """The first sentence."""
    if not material.rows.height:
        return "This set is empty."
    if not material.faces.height:
        return f"No face was scored in {count(material.rows['image'].n_unique(), 'picture')}."
    return finding(material.stats) or f"{count(material.faces.height, 'face')}, without expressions."


def _more(expressions: variety.Variety | Gap) -> str:
    """The second sentence: what else the faces show."""
    if isinstance(expressions, Gap):
        return ""
    others = sorted(
        (e for e in expressions.expressions if e.name != "neutral" and e.faces), key=lambda e: -e.faces
    )
    return (
        f"What they show beside neutral: {listed(f'{e.name} ({e.share})' for e in others)}." if others else ""
    )


def _tiles(material: Material, near: Duplicates | Gap) -> list[tuple[str, str, str]]:
    """The few figures at the top: value, name, a word more."""
    stats = material.stats
    whole = sum((stats.expressions or {}).values())
    tiles = [(f"{stats.faces:,}", "faces", f"in {count(material.faces['image'].n_unique(), 'picture')}")]
    out = stats.rows - stats.faces
    tiles.append((f"{out:,}", "not scored", percent(out, stats.rows) if out else "nothing was left out"))
    if stats.temperature is not None:
        tiles.append((f"{stats.temperature[1]:.0f}", "median temperature", f"of 100: {band_of(stats)}"))
    if stats.neutral is not None and stats.polite is not None and whole:
        tiles.append(
            (percent(stats.neutral + stats.polite, whole), "neutral or polite", "no more than a polite smile")
        )
    if stats.vendi is not None:
        tiles.append((number(stats.vendi, 1), "different faces", "effective number (Vendi)"))
    if isinstance(near, Duplicates):
        tiles.append(
            (
                f"{near.near:,}",
                "near-duplicates",
                percent(near.near, stats.faces) if near.near else "nothing twice",
            )
        )
    return tiles
