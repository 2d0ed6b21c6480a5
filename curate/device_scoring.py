"""Scoring with everything between decoded pictures and answers on a GPU, in batches."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from curate.decoded import Decoded
from curate.models.session import Device
from curate.scorers.device.faults import DeviceFullError, fault_of
from curate.scorers.face import Face
from curate.scorers.libreface import LibreFace
from curate.scorers.lite import Lite
from curate.scorers.quality import Quality
from curate.scorers.scorer import Scorer, Values
from curate.scoring import Batch, OpenScoring, Scoring, series_of

if TYPE_CHECKING:
    import polars as pl

    from curate.scorers.device.store import Store

# Faces that a network sees at once.
TOGETHER: dict[Device, int] = {"cpu": 16, "cuda": 256}
_THREADS_MIN_FACES = 4


def open_on_device(scoring: Scoring) -> DeviceScoring:
    """Load every model on the scoring's device; it decodes in its own process. `DeviceEngine` decodes in others.

    Raises:
        ModelError: a model is missing, or CUDA does not open.
    """
    return DeviceScoring(scoring, TOGETHER[scoring.device])


class DeviceScoring(OpenScoring):
    """An OpenScoring whose face mesh, alignment and networks work on a device, also on `cpu` (for tests).

    Scorers that have no networks, and other packages' scorers, are given the same faces on the host; so are faces
    of 1024 pixels and more, whose whole picture is made smaller before they are aligned.

    Attributes:
        store: the pictures on the device; a page of decoded ones is put there before its rows are asked for.
        most: pictures that have room at once, as far as is known.
        mesh: the face mesh on the device.
        scorers: the scorers, open, those with networks on the device.
    """

    def __init__(self, scoring: Scoring, together: int) -> None:
        """`together`: faces that a network sees at once."""
        import cv2

        from curate.scorers.device.mesh import DeviceMesh
        from curate.scorers.device.scorers import DeviceLibreFace, DeviceLite, StoredMesh
        from curate.scorers.device.store import Store

        cv2.setNumThreads(1)
        device = scoring.device
        self.store: Store = Store(device)
        mesh = DeviceMesh(device, together)
        scorers: list[Scorer] = []
        for scorer in scoring.scorers:
            if isinstance(scorer, LibreFace):
                scorers.append(DeviceLibreFace(scorer, self.store, mesh))
            elif isinstance(scorer, Lite):
                scorers.append(DeviceLite(scorer, self.store))
            else:
                scorers.append(scorer)
            scorers[-1].open(device)
        self.scorers, self.mesh = tuple(scorers), StoredMesh(self.store, mesh)
        ours = scoring.needs_mesh and scoring.mesh == "onnx"
        super().__init__(scoring, scorers, self.mesh if ours else None, together)
        self.most = sys.maxsize
        self._workers = os.cpu_count() or 1
        self._threads = ThreadPoolExecutor(self._workers, thread_name_prefix="quality")

    def rows(self, batch: Batch, group: Sequence[Decoded]) -> pl.DataFrame:
        """As an OpenScoring's.

        Raises:
            DeviceFullError: so many have no room on the GPU; `most` is half of them now.
            ModelError: the GPU is lost to this process.
        """
        try:
            return super().rows(batch, group)
        except Exception as error:
            fault = fault_of(error)
            if fault is None:
                raise
            if isinstance(fault, DeviceFullError):
                self.most = max(len(group) // 2, 1)
            raise fault from error

    def _scored(self, scorers: Sequence[Scorer], faces: Sequence[Face]) -> Iterator[list[pl.Series]]:
        """The quality of pictures is measured on the host's cores while the device works for the other scorers."""
        step = max(-(-len(faces) // self._workers), _THREADS_MIN_FACES)
        parts = [faces[start : start + step] for start in range(0, len(faces), step)]
        begun = {
            scorer.name: [self._threads.submit(scorer.score, part) for part in parts]
            for scorer in scorers
            if isinstance(scorer, Quality)
        }
        for scorer in scorers:
            if scorer.name in begun:
                yield series_of(scorer, _joined([part.result() for part in begun[scorer.name]]), len(faces))
            else:
                yield series_of(scorer, scorer.score(faces), len(faces))


def _joined(parts: Sequence[Values]) -> Values:
    """The columns of parts, one behind the other."""
    return {
        name: np.concatenate([np.asarray(part[name]) for part in parts])
        if isinstance(parts[0][name], np.ndarray)
        else list(chain.from_iterable(part[name] for part in parts))
        for name in parts[0]
    }
