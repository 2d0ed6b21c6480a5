"""The page in a browser: nothing from outside, nothing on the console, nothing that axe-core has to say."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from browser import open_page
from page import read_page
from scoresets import certain, write_set

from curate import write_report

pytestmark = pytest.mark.usefixtures("chromium")


@pytest.fixture(scope="session")
def pages(scored: Path, chosen: Path) -> dict[str, Path]:
    """Reports of all kinds."""
    folder = scored.parent
    (folder / "little").mkdir()
    little = write_set(
        folder / "little.scores", ["a", "b", "c"], certain(["fear"] * 3), status={"c": "no_face"}
    )
    empty = write_set(folder / "empty.scores", [], {})
    both = folder / "both.html"
    write_report(chosen, both, against=scored)
    for scores in (scored, little, empty):
        write_report(scores, scores.with_suffix(".html"))
    return {"both": both} | {s.stem: s.with_suffix(".html") for s in (scored, little, empty)}


def said(page: Any) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response
    assert len(found["passes"]) > 15
    return [f"{rule['id']}: {rule['nodes'][0]['html'][:200]}" for rule in found["violations"]]


@pytest.mark.parametrize("name", ["both", "faces", "little", "empty"])
def test_no_rule_fails_and_nothing_is_asked_of_others(pages: dict[str, Path], name: str) -> None:
    with open_page() as (page, heard):
        page.goto(pages[name].as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        for scheme, colour in (("light", "rgb(251, 250, 247)"), ("dark", "rgb(22, 20, 18)")):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == colour
            assert said(page) == []
        assert (heard.errors, heard.outside) == ([], [])


@pytest.mark.parametrize("name", ["both", "faces", "little"])
def test_a_phone_shows_it_without_scrolling_sideways(pages: dict[str, Path], name: str) -> None:
    with open_page(width=340, height=700) as (page, _):
        page.goto(pages[name].as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") == 340


def test_pictures_are_shown_and_figures_have_words(pages: dict[str, Path]) -> None:
    with open_page() as (page, _):
        page.goto(pages["faces"].as_uri())
        wide = page.eval_on_selector_all("img", "all => all.map(i => i.naturalWidth)")
        assert set(wide) == {144}
        figures = page.eval_on_selector_all(
            "figure svg[role=img]", "all => all.map(s => s.getAttribute('aria-label'))"
        )
        assert len(figures) == 8
        assert all(re.search(r"\d", words) for words in figures)
        assert page.locator("figure details table").count() == 8


def test_the_first_key_leads_to_the_content(pages: dict[str, Path]) -> None:
    with open_page() as (page, _):
        page.goto(pages["faces"].as_uri())
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"


def test_headings_are_in_order_and_links_lead_somewhere(pages: dict[str, Path]) -> None:
    page = read_page(pages["both"].read_text())
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    ids = Counter(a["id"] for _, a in page.elements if "id" in a)
    assert set(ids.values()) == {1}
    links = [a["href"] for tag, a in page.elements if tag in ("a", "use")]
    assert len(links) > 10
    assert all(link.startswith("#") and link[1:] in ids for link in links)


def test_no_style_or_script_is_needed_that_the_policy_forbids(pages: dict[str, Path]) -> None:
    content = pages["both"].read_text()
    page = read_page(content)
    assert "script" not in {tag for tag, _ in page.elements}
    assert not [a for _, a in page.elements if "style" in a or any(key.startswith("on") for key in a)]
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "http" not in re.sub(r"data:image[^\"]+", "", content).replace("http-equiv", "")


def test_paper_is_white_and_leaves_out_what_is_for_screens(pages: dict[str, Path]) -> None:
    with open_page(dark=True) as (page, _):
        page.goto(pages["both"].as_uri())
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not page.locator("nav").is_visible()
        assert len(page.pdf(format="A4")) > 20_000
