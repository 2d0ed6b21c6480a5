"""Curate generated faces by what they express.

    import curate

    summary = curate.score("./gan_outputs")
    faces = curate.open_scores(summary.folder).read()

Names are imported when they are used, so `import curate` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.api import score
    from curate.browsing.dataset import to_fiftyone
    from curate.choosing import Applied, apply
    from curate.decisions import decide
    from curate.errors import CurateError, ExportError, InputError, ModelError, QueryError, RecipeError
    from curate.exports.export import Exported, export
    from curate.images import score_images
    from curate.progress import Progress
    from curate.reports.report import write_report
    from curate.reports.sheet import write_sheet
    from curate.scorers.columns import CATALOGUE, Column
    from curate.scorers.face import Face
    from curate.scorers.fake import FakeScorer
    from curate.scorers.scorer import Scorer
    from curate.scoreset import ScoreSet, open_scores
    from curate.summary import Summary

__all__ = [
    "CATALOGUE",
    "Applied",
    "Column",
    "CurateError",
    "ExportError",
    "Exported",
    "Face",
    "FakeScorer",
    "InputError",
    "ModelError",
    "Progress",
    "QueryError",
    "RecipeError",
    "ScoreSet",
    "Scorer",
    "Summary",
    "apply",
    "decide",
    "export",
    "open_scores",
    "score",
    "score_images",
    "to_fiftyone",
    "write_report",
    "write_sheet",
]

_HOMES = {
    "curate.errors": ("CurateError", "ExportError", "InputError", "ModelError", "QueryError", "RecipeError"),
    "curate.api": ("score",),
    "curate.browsing.dataset": ("to_fiftyone",),
    "curate.choosing": ("Applied", "apply"),
    "curate.decisions": ("decide",),
    "curate.exports.export": ("Exported", "export"),
    "curate.images": ("score_images",),
    "curate.reports.report": ("write_report",),
    "curate.reports.sheet": ("write_sheet",),
    "curate.progress": ("Progress",),
    "curate.scorers.columns": ("CATALOGUE", "Column"),
    "curate.scorers.face": ("Face",),
    "curate.scorers.fake": ("FakeScorer",),
    "curate.scorers.scorer": ("Scorer",),
    "curate.scoreset": ("ScoreSet", "open_scores"),
    "curate.summary": ("Summary",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'curate' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
