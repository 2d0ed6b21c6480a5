"""A headless Chromium for pages and for the app, with no way out: only this machine is reached."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


def program() -> str | None:
    """Where Chromium is, if it is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass
class Heard:
    """What a page said on its console, and what it asked for beyond this machine."""

    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


@contextmanager
def open_page(*, width: int = 1400, height: int = 900, dark: bool = False) -> Iterator[tuple[Any, Heard]]:
    """A Playwright page in a browser of its own, and what is heard of it. Requests to other machines fail."""
    from playwright.sync_api import sync_playwright

    heard = Heard()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=[*_FLAGS])
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )

        def guard(route: Any) -> None:
            url = route.request.url
            if url.startswith(("http://127.0.0.1", "http://localhost", "file:", "data:", "blob:")):
                route.continue_()
            else:
                heard.outside.append(url)
                route.abort()

        context.route("**/*", guard)
        page = context.new_page()
        page.on("console", lambda said: heard.errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda problem: heard.errors.append(str(problem)))
        yield page, heard
        context.close()
        browser.close()
