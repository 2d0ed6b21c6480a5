from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
PAGE = ROOT / "docs" / "performance.md"
MARKED = re.compile(r"<!-- table: ([a-z-]+) -->\n(.*?)<!-- end -->", re.DOTALL)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports one of the benchmarks, which are no package."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(BENCHMARKS)

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield load
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(BENCHMARKS)):
            del sys.modules[name]


def numbers(found: object) -> Iterator[float]:
    if isinstance(found, dict):
        for value in found.values():
            yield from numbers(value)
    elif isinstance(found, list):
        for value in found:
            yield from numbers(value)
    elif isinstance(found, int | float) and not isinstance(found, bool):
        yield found


def test_one_command_measures_everything_and_fills_every_table(tmp_path: Path) -> None:
    command = [sys.executable, BENCHMARKS / "all.py", "--quick", "-o", tmp_path]
    done = subprocess.run(
        list(map(str, command)),
        cwd=tmp_path,
        env=os.environ | {"PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = dict(MARKED.findall((tmp_path / "performance.md").read_text()))
    assert shown.keys() == dict(MARKED.findall(PAGE.read_text())).keys()
    for name, body in shown.items():
        # LibreFace's networks are not in the package, nor is a GPU in every machine; a run without them says so.
        assert body.strip(), name
        assert ("not measured" in body) == (name in ("libreface", "gpu")), body
    results = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    for name, result in results.items():
        if name == "gpu":
            assert result["reason"].startswith("no GPU was at hand")
            continue
        assert result["seconds"] > 0
        found = list(numbers(result["rows"] if "rows" in result else result["stages"]))
        assert found, name
        assert all(number > 0 for number in found), (name, found)
    measured = {(row["engine"], row["profile"]) for row in results["speed"]["rows"]}
    assert measured == set(product(("local", "ray", "score_images"), ("exact", "fast")))


def test_the_page_has_the_figures_of_the_results(program: Any) -> None:
    text = PAGE.read_text(encoding="utf-8")
    tables = program("tables")
    assert tables.filled(text, tables.read(BENCHMARKS / "results")) == text, (
        "run: python benchmarks/all.py --only none"
    )


def test_a_result_that_is_missing_is_a_blank_with_the_reason(program: Any) -> None:
    page = "a\n<!-- table: growth -->\nold\n<!-- end -->\nb\n"
    filled = program("tables").filled
    assert filled(page, {}) == "a\n<!-- table: growth -->\n– not measured: no results\n<!-- end -->\nb\n"
    assert "not measured: no disk" in filled(page, {"growth": {"reason": "no disk"}})


def test_a_batch_costs_what_passes_between_two_in_one_process(program: Any) -> None:
    speed = program("speed")
    rows = [  # process, when, CPU time; in nanoseconds
        (1, 10_000_000, 1_000_000), (1, 10_000_000, 1_000_000),
        (2, 11_000_000, 5_000_000),
        (1, 30_000_000, 9_000_000), (1, 30_000_000, 9_000_000),
        (2, 15_000_000, 6_000_000),
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema=dict.fromkeys(speed.clock.COLUMNS, pl.UInt64), orient="row")
    found = speed.periods(frame.with_columns(image=pl.lit("x"))).sort("wall")
    assert found.select("wall", "cpu", "pictures").rows() == [(4.0, 1.0, 1), (20.0, 8.0, 2)]


def test_a_floor_is_the_sum_of_the_stages_that_are_run(program: Any) -> None:
    stages = program("stages")
    every = {name: 1.0 for names in stages.OF_SCORER.values() for name in names}
    every |= dict.fromkeys(stages.COMMON, 10.0)
    assert stages.floor(every, "lite", "exact") == 52
    assert stages.floor(every, "libreface", "exact") == 56
    assert stages.floor(every | {"lite network, fast": 0.5}, "lite", "fast") == 51.5


def test_pictures_are_what_their_set_says(program: Any, tmp_path: Path) -> None:
    names = ("jpeg-512-unpadded", "png-512-padded")
    sets = program("picture_sets").make_sets(tmp_path, count=2, names=names)
    for name, paths in sets.items():
        assert len(paths) == 2
        for path in paths:
            with Image.open(path) as picture:
                assert (picture.format or "").lower() == name.split("-")[0]
                assert picture.size == (512, 512)
    again = program("picture_sets").make_sets(tmp_path, count=2, names=names)
    assert again == sets
