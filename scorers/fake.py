"""A scorer without a model, for tests, demonstrations and other people's test-suites."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from curate.models.session import Device
from curate.scorers.columns import EXPRESSIONS, Column, expression_columns
from curate.scorers.face import Face
from curate.scorers.scorer import Values


class FakeScorer:
    """Plausible numbers that depend on the picture's pixels alone.

    The same pixels give the same numbers on any machine; other pixels give other ones. Expression
    probabilities sum to 1, action units lie in their ranges. It says nothing about the face.
    """

    name = "fake"
    version = "1"
    columns: tuple[Column, ...] = expression_columns("fake")
    needs_mesh = False
    packs: tuple[str, ...] = ()
    options: Mapping[str, str] = {}

    def open(self, device: Device) -> None:
        """Nothing to load."""

    def score(self, faces: Sequence[Face]) -> Values:
        """Action units, presences and an expression for each face, drawn from a seed of its pixels."""
        rows = [self._row(face) for face in faces]
        return {column.name: [row[column.name] for row in rows] for column in self.columns}

    def _row(self, face: Face) -> dict[str, object]:
        digest = hashlib.sha256(face.pixels.tobytes()).digest()
        random = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))
        row: dict[str, object] = {}
        for column in self.columns:
            if column.name in EXPRESSIONS or column.high is None:
                continue
            # Most muscles rest: a beta with its mass near zero.
            row[column.name] = float(random.beta(0.6, 1.8) * column.high)
        probabilities = random.dirichlet(np.full(len(EXPRESSIONS), 0.4))
        row.update(zip(EXPRESSIONS, probabilities.tolist(), strict=True))
        row["expression"] = EXPRESSIONS[int(probabilities.argmax())]
        row["confidence"] = float(probabilities.max())
        return row
