"""What the plugin can do, an operator a file."""

from __future__ import annotations

from curate.browsing.operators.apply_recipe import ApplyRecipe
from curate.browsing.operators.balance import Balance
from curate.browsing.operators.decide import Accept, AcceptOpen, Reject, RejectOpen, UndoDecision
from curate.browsing.operators.export_faces import ExportFaces
from curate.browsing.operators.find_faces import FindFaces, FindLikeOpen
from curate.browsing.operators.query import QueryFaces
from curate.browsing.operators.rank_by_taste import RankByTaste

OPERATORS = (
    QueryFaces, FindFaces, Accept, Reject, UndoDecision, AcceptOpen, RejectOpen, FindLikeOpen, ApplyRecipe, Balance,
    ExportFaces, RankByTaste,
)  # fmt: skip
