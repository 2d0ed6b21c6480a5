from __future__ import annotations

import numpy as np

from curate.scorers.columns import EXPRESSIONS
from curate.scorers.face import Face
from curate.scorers.fake import FakeScorer


def picture(seed: int) -> Face:
    return Face(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8))


def test_the_same_pixels_give_the_same_numbers_in_any_company() -> None:
    alone = FakeScorer().score([picture(1)])
    in_company = FakeScorer().score([picture(0), picture(1), picture(2)])
    assert {name: column[0] for name, column in alone.items()} == {
        name: column[1] for name, column in in_company.items()
    }


def test_numbers_are_the_same_on_any_machine() -> None:
    values = FakeScorer().score([Face(np.zeros((2, 2, 3), np.uint8))])
    assert values["expression"] == ["sadness"]
    assert np.isclose(values["au12"][0], 0.10388, atol=1e-4)  # type: ignore[arg-type]


def test_values_lie_in_the_ranges_of_their_columns() -> None:
    values = FakeScorer().score([picture(seed) for seed in range(50)])
    for column in FakeScorer.columns:
        if column.low is not None and column.high is not None:
            numbers = np.asarray(values[column.name], float)
            assert numbers.min() >= column.low, column.name
            assert numbers.max() <= column.high, column.name
    sums = np.sum([np.asarray(values[name], float) for name in EXPRESSIONS], axis=0)
    assert np.allclose(sums, 1)
