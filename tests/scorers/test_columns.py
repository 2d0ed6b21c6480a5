from __future__ import annotations

import polars as pl

from curate.scorers.columns import CATALOGUE, suggest
from curate.scorers.fake import FakeScorer
from curate.scorers.geometry import Geometry
from curate.scorers.quality import Quality


def test_every_column_is_declared_once_and_explained() -> None:
    names = [column.name for column in CATALOGUE]
    assert len(names) == len(set(names))
    assert all(column.doc for column in CATALOGUE)


def test_every_type_is_one_that_polars_knows() -> None:
    frame = pl.DataFrame(schema={column.name: column.polars for column in CATALOGUE})
    assert frame.width == len(CATALOGUE)


def test_what_our_scorers_fill_is_in_the_catalogue() -> None:
    known = {(column.name, column.dtype) for column in CATALOGUE}
    for scorer in (Geometry(landmarks=True), Quality(), FakeScorer()):
        assert {(column.name, column.dtype) for column in scorer.columns} <= known


def test_a_slip_of_the_finger_is_answered_with_the_right_name() -> None:
    names = [column.name for column in CATALOGUE]
    assert suggest("sharpnes", names) == "; did you mean `sharpness`?"
    assert suggest("zzzzzz", names) == ""
