"""What the unmodified libreface 0.2.0 computed, recorded (../shared/libreface/oracle)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curate.scorers.decode import decode


@dataclass(frozen=True)
class Case:
    """One picture with every intermediate result."""

    root: Path
    name: str
    record: dict[str, Any]

    @property
    def path(self) -> Path:
        return self.root / self.record["input"]

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        return decode(self.path.read_bytes()).pixels

    @property
    def landmarks(self) -> NDArray[np.float32]:
        return np.asarray(self._arrays["landmarks"], np.float32)

    @property
    def gaze_features(self) -> NDArray[np.float32]:
        return np.asarray(self._arrays["gaze_features"], np.float32)

    @cached_property
    def aligned(self) -> NDArray[np.uint8]:
        return self._picture("aligned")

    def network_input(self, network: str) -> NDArray[np.uint8]:
        """The exact 224 x 224 picture that `au` or `fer` got."""
        return self._picture(f"{network}224")

    @cached_property
    def _arrays(self) -> dict[str, NDArray[Any]]:
        return dict(np.load(self.root / "cases" / f"{self.name}.npz"))

    def _picture(self, kind: str) -> NDArray[np.uint8]:
        return np.asarray(Image.open(self.root / "cases" / f"{self.name}_{kind}.png").convert("RGB"))


def load_cases(shared: Path) -> list[Case]:
    """The recorded cases with a face, by name."""
    root = shared / "libreface" / "oracle"
    cases = [Case(root, p.stem, json.loads(p.read_text())) for p in sorted((root / "cases").glob("*.json"))]
    scored = [case for case in cases if "error" not in case.record]
    assert len(scored) == 18, "the oracle is not the one these tests were written for"
    return scored
