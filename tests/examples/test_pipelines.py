from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")


def said_by(*command: str) -> str:
    """What a program prints that somebody starts in the checkout."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["daft_pipeline", "spark_pipeline", "dataloader"])
def test_an_example_prints_what_its_page_shows(name: str) -> None:
    command = f"examples/{name}.py"
    shown = PAGE.split(f"    $ python {command}\n")[1].split("\n\n")[0]
    lines = [line.removeprefix("    ") for line in shown.splitlines()]
    assert said_by(command).splitlines() == lines
    assert any("faces" in line for line in lines)


def test_the_first_lines_of_the_page_print_what_it_shows() -> None:
    code, shown = re.findall(r"```(?:python)?\n(.*?)```", PAGE, re.DOTALL)[:2]
    assert said_by("-c", code) == shown
