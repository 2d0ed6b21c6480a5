"""The app in a browser: faces, filters and saved views are there for a person."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from app import browsing
from browser import open_page
from pictures import noise
from scoresets import scores, write_set
from typed import curate

from curate.scoreset import open_scores

COUNT = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty pictures that are there, with scores that nobody measured."""
    place = tmp_path_factory.mktemp("app")
    pictures = place / "pictures"
    pictures.mkdir()
    names = [f"{i}.png" for i in range(COUNT)]
    for i, name in enumerate(names):
        noise(pictures / name, 48, seed=i)
    return write_set(place / "twenty.scores", names, scores(COUNT), source=str(pictures))


@pytest.fixture(scope="module")
def opened(mongod: dict[str, str], chromium: str, folder: Path) -> Iterator[tuple[str, str]]:
    """The address, and what `curate browse` said."""
    said = folder.parent / "said.txt"
    with browsing(folder, said) as address:
        yield address, said.read_text()


def settle(page: Any, address: str) -> None:
    """Open the grid, and be rid of what FiftyOne would sell."""
    page.add_locator_handler(page.get_by_role("button", name="Dismiss"), lambda button: button.click())
    page.goto(address)
    page.wait_for_selector('[data-cy="looker"]', timeout=60_000)


def shown(page: Any, number: int) -> None:
    """Wait until so many samples are said to be shown."""
    page.wait_for_function(
        "n => (document.querySelector('[data-cy=\"entry-counts\"]')?.innerText || '').startsWith(`${n} sample`)",
        arg=number,
        timeout=60_000,
    )


def test_it_says_what_was_imported_and_where_the_app_is(opened: tuple[str, str]) -> None:
    address, said = opened
    assert re.search(r"twenty: 20 samples in FiftyOne \(20 new, 0 changed", said)
    assert address.endswith("/datasets/twenty")
    assert "Ctrl-C" in said
    assert "ssh -N -L" in said
    assert len(said.splitlines()) <= 5, "nothing of FiftyOne's own"


def test_the_grid_shows_faces_and_a_slider_narrows_it(opened: tuple[str, str], folder: Path) -> None:
    heat = open_scores(folder).read()["temperature"]
    with open_page(height=2200, dark=True) as (page, _):  # all of them at once
        media: list[str] = []
        page.on("response", lambda answer: media.append(answer.url) if "/media?" in answer.url else None)
        settle(page, opened[0])
        shown(page, COUNT)
        for _ in range(60):  # the grid asks for them one after the other
            if len(set(media)) >= COUNT:
                break
            page.wait_for_timeout(500)
        assert len(set(media)) == COUNT
        widths = page.evaluate(
            "urls => Promise.all(urls.map(async u => {"
            "const i = new Image(); i.src = u; await i.decode(); return i.naturalWidth }))",
            sorted(set(media)),
        )
        assert widths == [48] * COUNT
        page.locator('[data-cy="sidebar-field-arrow-enabled-temperature"]').click()
        slider = page.locator('[data-cy="numeric-slider-container-temperature"] [data-cy="slider"]')
        slider.wait_for(timeout=60_000)
        box = slider.bounding_box()
        page.mouse.click(box["x"] + 0.4 * box["width"], box["y"] + box["height"] / 2)
        low = float(slider.locator("input").first.get_attribute("value"))
        left = int((heat >= low).sum())
        assert heat.min() < low < heat.max()
        assert 0 < left < COUNT
        shown(page, left)


def test_a_saved_view_opens(opened: tuple[str, str], folder: Path) -> None:
    surprised = int((open_scores(folder).read()["expression"] == "surprise").sum())
    assert 0 < surprised < COUNT
    with open_page(dark=True) as (page, _):
        settle(page, opened[0])
        page.locator('[data-cy="saved-views-selection"]').click()
        page.get_by_text("surprise", exact=True).last.click()
        shown(page, surprised)
        assert page.url.endswith("view=surprise")


def test_a_port_that_is_taken_is_said(opened: tuple[str, str], folder: Path) -> None:
    port = opened[0].split(":")[2].split("/")[0]
    done = curate("browse", folder, "--port", port)
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stderr
    assert "hint: --port" in done.stderr


def test_without_the_app_it_says_what_was_imported(mongod: dict[str, str], folder: Path) -> None:
    done = curate("browse", folder, "--no-launch", "--name", "quick", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["dataset"], told["samples"]) == ("quick", COUNT)
    assert not done.stderr


def test_what_is_no_score_set_is_said_before_anything_is_started(tmp_path: Path) -> None:
    done = curate("browse", tmp_path / "none.scores")
    assert done.returncode == 1
    assert "no such score set" in done.stderr
    assert "hint: curate score none" in done.stderr
