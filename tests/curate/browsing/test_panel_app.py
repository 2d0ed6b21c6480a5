"""The panel and an operator in the app itself, in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from app import browsing
from browser import open_page
from pictures import noise
from scoresets import scores, write_set

import curate

COUNT = 40
_PLOT = ".js-plotly-plot"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty pictures that are there, with scores that nobody measured."""
    place = tmp_path_factory.mktemp("panel-app")
    pictures = place / "pictures"
    pictures.mkdir()
    names = [f"{i}.png" for i in range(COUNT)]
    for i, name in enumerate(names):
        noise(pictures / name, 48, seed=i)
    return write_set(place / "forty.scores", names, scores(COUNT, seed=2), source=str(pictures))


def shows(page: Any, number: int) -> None:
    """The grid has so many faces, and so has the panel."""
    page.wait_for_function(
        "n => (document.querySelector('[data-cy=\"entry-counts\"]')?.innerText || '').startsWith(`${n} sample`)",
        arg=number,
        timeout=60_000,
    )
    page.get_by_text(f"{number} faces", exact=True).first.wait_for(timeout=60_000)


def click(page: Any, x: float, y: float) -> None:
    """As a hand does it: Plotly knows only of what the mouse has come to."""
    page.mouse.move(x - 2, y)
    page.mouse.move(x, y)
    page.wait_for_timeout(300)
    page.mouse.click(x, y)


def test_the_panel_follows_and_leads_and_an_operator_runs(
    mongod: dict[str, str], chromium: str, folder: Path
) -> None:
    rows = curate.open_scores(folder).read()
    with (
        browsing(folder, folder.parent / "said.txt") as address,
        open_page(width=1600, height=1400) as (page, heard),
    ):
        page.goto(address)
        page.wait_for_selector('[data-cy="looker"]', timeout=60_000)
        page.add_locator_handler(page.get_by_role("button", name="Dismiss"), lambda button: button.click())
        if not page.locator('[data-cy="panel-container"]', has_text="Emotional temperature").count():
            page.locator('[data-cy="new-panel-btn"]').first.click()
            page.locator('[data-cy="new-panel-option-emotional_temperature"]').click()
        page.wait_for_selector(f"{_PLOT} .bars path", timeout=60_000)
        shows(page, COUNT)
        assert page.locator(_PLOT).count() == 4
        drawn = page.locator(_PLOT).first.evaluate(
            "plot => plot.data.map(t => [t.name, t.y.reduce((a, b) => a + b)])"
        )
        assert dict(drawn) == {
            name.capitalize(): count for name, count in rows["expression"].value_counts().iter_rows()
        }

        # A cell of the table: its faces.
        table = page.locator(_PLOT).nth(2)
        table.scroll_into_view_if_needed()
        name, band, faces = rows.group_by("expression", "band").len().sort("len", "expression").row(-1)
        column = ["frozen", "cool", "warm", "hot", "blazing"].index(band)
        row = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"].index(
            name
        )
        ground = table.locator(".nsewdrag").first.bounding_box()
        click(
            page,
            ground["x"] + ground["width"] * (column + 0.5) / 5,
            ground["y"] + ground["height"] * (row + 0.5) / 8,
        )
        shows(page, faces)
        page.get_by_text("Back", exact=True).click()
        shows(page, COUNT)

        # A filter of the sidebar.
        page.locator('[data-cy="sidebar-field-arrow-enabled-band"]').click()
        asked = page.get_by_placeholder("+ filter by band")
        asked.fill(band)
        page.wait_for_timeout(1_000)
        asked.press("Enter")
        shows(page, rows.filter(pl.col("band") == band).height)
        page.get_by_text("All faces", exact=True).click()
        shows(page, COUNT)

        # A region of the map.
        plane = page.locator(_PLOT).nth(1)
        plane.scroll_into_view_if_needed()
        ground = plane.locator(".nsewdrag").first.bounding_box()
        left = ground["x"] + ground["width"] / 2  # a valence of 0
        page.mouse.move(left, ground["y"] + 2)
        page.mouse.down()
        page.mouse.move(ground["x"] + ground["width"] - 2, ground["y"] + ground["height"] - 2, steps=8)
        page.mouse.up()
        shows(page, rows.filter(pl.col("valence") > 0).height)

        # An operator: its form says what is wrong and where, then it runs.
        page.keyboard.press("`")
        page.get_by_placeholder("Search operations by name...").fill("Query faces")
        page.keyboard.press("Enter")
        page.get_by_text("A condition on the columns").wait_for(timeout=60_000)
        query = page.locator("[role=dialog] input").first
        query.fill("temprature > 50")
        page.get_by_text("did you mean `temperature`?").first.wait_for(timeout=60_000)
        assert page.get_by_role("button", name="Show", exact=True).is_disabled()
        query.fill("temperature > 50")
        hot = rows.filter(pl.col("temperature") > 50).height
        page.get_by_text(f"{COUNT} faces match.").first.wait_for(timeout=60_000)
        page.get_by_role("button", name="Show", exact=True).click()
        shows(page, hot)
        # Fonts from the network do not come here; nothing else may go wrong.
        assert [said for said in heard.errors if "ERR_FAILED" not in said] == []
