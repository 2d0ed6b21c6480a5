"""A scorer from another package, as one would be installed: with an entry point in its metadata."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from curate.models.session import Device
from curate.scorers.columns import Column
from curate.scorers.face import Face
from curate.scorers.fake import FakeScorer
from curate.scorers.scorer import Values

Log = Callable[[], list[int]]


class Width:
    """Writes down every picture it sees, dies at those that are 66 pixels wide, and hangs at 67."""

    name = "width"
    version = "1"
    columns: tuple[Column, ...] = (Column("wide", "Float32", "width of the picture", "width", "px"),)
    needs_mesh = False
    packs: tuple[str, ...] = ()

    @property
    def options(self) -> Mapping[str, str]:
        return {"unit": os.environ.get("WIDTH_UNIT", "px")}

    def open(self, device: Device) -> None:
        """Reads its weights, where it is told that it has some."""
        if "WIDTH_WEIGHTS" in os.environ:
            Path(os.environ["WIDTH_WEIGHTS"]).read_bytes()

    def score(self, faces: Sequence[Face]) -> Values:
        with Path(os.environ["WIDTH_LOG"]).open("a", encoding="utf-8") as log:
            log.writelines(f"{face.width}\n" for face in faces)
        if any(face.width == 66 for face in faces):
            os.kill(os.getpid(), signal.SIGKILL)
        if any(face.width == 67 for face in faces):
            time.sleep(3600)
        return {"wide": [float(face.width) for face in faces]}


class Twin(FakeScorer):
    """Fills the columns of another scorer."""

    name = "twin"


def install(site: Path) -> None:
    """Write the metadata that makes `width` known to `entry_points`; `site` has to be on sys.path."""
    metadata = site / "curate_width-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: curate-width\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[curate.scorers]\nwidth = plugin:Width\ntwin = plugin:Twin\n")
