"""Expression by band: how many faces each cell has, and the best of them."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from curate.reports.album import Shot
from curate.reports.material import Gap, Material
from curate.reports.temperature import colour
from curate.reports.wording import count, percent
from curate.scorers.columns import BANDS, EXPRESSIONS

_AHEAD = 30.0  # degrees of head turn


@dataclass(frozen=True, slots=True)
class Cell:
    """Faces of an expression in a band, and the best of them."""

    faces: int
    share: str
    best: Shot | None


@dataclass(frozen=True, slots=True)
class GridRow:
    """An expression and its cells, frozen to blazing."""

    expression: str
    colour: str
    faces: int
    share: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """What the section shows."""

    finding: str
    bands: tuple[str, ...]
    rows: tuple[GridRow, ...]


def grid(material: Material) -> Grid | Gap:
    """Expression by band, with the best example of each: the surest face that looks ahead and is not blurred."""
    if not material.has("expression", "band"):
        return material.gap("Expressions are not scored in this set.")
    faces = material.faces.drop_nulls(["expression", "band"])
    ranked = _best_first(faces)
    counts = {(e, b): n for e, b, n in faces.group_by("expression", "band").len().iter_rows()}
    best = {
        (row["expression"], row["band"]): row
        for row in ranked.group_by("expression", "band", maintain_order=True).first().iter_rows(named=True)
    }
    rows = []
    for expression in EXPRESSIONS:
        whole = sum(counts.get((expression, band), 0) for band in BANDS)
        cells = []
        for band in BANDS:
            row = best.get((expression, band))
            n = counts.get((expression, band), 0)
            cells.append(Cell(n, percent(n, faces.height), material.album.want(row) if row else None))
        rows.append(
            GridRow(expression, colour(expression), whole, percent(whole, faces.height), tuple(cells))
        )
    empty = 40 - len(counts)
    (most_expression, most_band), most = max(counts.items(), key=lambda item: (item[1], item[0]))
    finding = (
        f"The largest group is {most_band} and {_adjective(most_expression)}: {percent(most, faces.height)} "
        f"({count(most, 'face')}). {empty} of the 40 cells are empty."
    )
    return Grid(finding, BANDS, tuple(rows))


def _best_first(faces: pl.DataFrame) -> pl.DataFrame:
    good = pl.lit(True)
    if "yaw" in faces.columns:
        good &= pl.col("yaw").abs() < _AHEAD
    if "sharpness" in faces.columns:
        good &= pl.col("sharpness") >= faces["sharpness"].quantile(0.25)
    sure = pl.col("confidence") if "confidence" in faces.columns else pl.lit(0.0)
    ranked = faces.with_columns(_good=good.fill_null(False), _sure=sure)
    keys = ["_good", "_sure", "sha256", "face", "image"]
    return ranked.sort(keys, descending=[True, True, False, False, False], nulls_last=True)


def _adjective(expression: str) -> str:
    words = {
        "neutral": "neutral", "happiness": "happy", "sadness": "sad", "surprise": "surprised", "fear": "afraid",
        "disgust": "disgusted", "anger": "angry", "contempt": "contemptuous",
    }  # fmt: skip
    return words[expression]
