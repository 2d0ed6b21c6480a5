"""The graphs that are shipped."""

from __future__ import annotations

from pathlib import Path

from curate.scorers.device.build import FOLDER, GRAPHS, write


def test_they_are_what_the_builder_writes(tmp_path: Path) -> None:
    write(tmp_path)
    assert {path.name for path in FOLDER.glob("*.onnx")} == {f"{name}.onnx" for name in GRAPHS}
    for name in GRAPHS:
        assert (tmp_path / f"{name}.onnx").read_bytes() == (FOLDER / f"{name}.onnx").read_bytes(), name
