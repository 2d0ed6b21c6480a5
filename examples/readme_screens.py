"""Rebuild the README's pictures of the app, the report and the contact sheet, from the example faces.

pip install ".[dev]" -c constraints.txt && apt-get install chromium
python examples/readme_screens.py docs/images
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

FACES = Path(__file__).parent / "faces"
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
_WIDTH = 1400


def main(out: Path) -> None:
    """Score, look, and take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        curate("score", FACES, "-o", "faces.scores", cwd=work)
        curate("sheet", "faces.scores", "-o", "sheet.png", "--by", "temperature", cwd=work)
        curate("report", "faces.scores", "-o", "report.html", cwd=work)
        small(work / "sheet.png", out / "sheet")
        with pages() as new_page:
            page = new_page(1200, 1500)
            page.goto((work / "report.html").as_uri())
            take(page, out / "report")
            with browsing(work) as address:
                page = new_page(1600, 1000)
                page.goto(address)
                dismiss(page)
                page.locator(".js-plotly-plot .trace").first.wait_for(timeout=120_000)
                wait_for_faces(page)
                take(page, out / "app")


def curate(*arguments: str | Path, cwd: Path) -> None:
    """Run a command."""
    subprocess.run([_program(), *map(str, arguments), "--quiet"], cwd=cwd, check=True)


def _program() -> str:
    return str(Path(sys.executable).with_name("curate"))


@contextlib.contextmanager
def browsing(work: Path) -> Iterator[str]:
    """The app on the faces; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [_program(), "browse", "faces.scores", "--remote", "--port", str(port)]
    own = os.environ | {"FIFTYONE_DATABASE_NAME": "curate-readme"}  # beside the user's datasets
    app = subprocess.Popen(command, cwd=work, stdout=subprocess.PIPE, text=True, env=own)
    try:
        address = next(line for line in app.stdout or () if "http://" in line)
        yield address.split()[0]
    finally:
        app.terminate()
        app.wait(60)
        drop = "import fiftyone.core.odm as odm; odm.drop_database()"
        subprocess.run([sys.executable, "-c", drop], env=own, check=True)


@contextlib.contextmanager
def pages() -> Iterator[Any]:
    """What opens a page of a size in a headless Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[*_FLAGS])
        yield lambda width, height: chromium.new_page(viewport={"width": width, "height": height})
        chromium.close()


def dismiss(page: Page) -> None:
    """The app's advertisement goes."""
    page.locator('[data-cy="sidebar"]').wait_for(timeout=120_000)
    page.wait_for_timeout(3000)
    button = page.get_by_text("Dismiss")
    if button.count():
        button.first.click()


def wait_for_faces(page: Page) -> None:
    """Until the grid shows pictures, and is at rest."""
    page.locator('[data-cy="looker"]').first.wait_for(timeout=120_000)
    page.mouse.move(5, 5)
    page.wait_for_timeout(8000)


def take(page: Page, path: Path) -> None:
    """A picture of what the page shows."""
    with tempfile.NamedTemporaryFile(suffix=".png") as whole:
        page.screenshot(path=whole.name)
        small(Path(whole.name), path)


def small(path: Path, out: Path) -> None:
    """No wider than a README shows it."""
    picture = Image.open(path).convert("RGB")
    if picture.width > _WIDTH:
        size = (_WIDTH, round(picture.height * _WIDTH / picture.width))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    picture.save(out.with_suffix(".webp"), quality=82, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
