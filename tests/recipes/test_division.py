from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curate.recipes.affect import affect_columns, load_affect
from curate.recipes.division import over
from curate.recipes.measures import measure_columns
from curate.scorers.columns import EXPRESSIONS, INTENSITY_AUS, PRESENCE_AUS


@pytest.mark.parametrize("divisor", [3, 5.0, 0.957, 0.81])
def test_a_row_is_divided_alone_as_among_others(divisor: float) -> None:
    rows = pl.DataFrame({"x": np.random.default_rng(0).random(300)})
    together = rows.select(over(pl.col("x"), divisor))
    assert together.equals(pl.concat([rows[i].select(over(pl.col("x"), divisor)) for i in range(300)]))
    np.testing.assert_allclose(together["x"], rows["x"].to_numpy() / divisor, rtol=3e-16)


def test_affect_and_measures_of_a_row_alone_are_those_among_others() -> None:
    random, n = np.random.default_rng(1), 200
    values = {f"au{i:02}": (5 * random.random(n)).astype(np.float32) for i in INTENSITY_AUS}
    values |= {f"au{i:02}_p": random.random(n).astype(np.float32) for i in PRESENCE_AUS}
    mixtures = random.dirichlet(np.full(8, 0.3), n).astype(np.float32)
    rows = pl.DataFrame(values | dict(zip(EXPRESSIONS, mixtures.T, strict=True))).with_columns(
        expression=pl.Series([EXPRESSIONS[i] for i in mixtures.argmax(axis=1)]),
        confidence=pl.Series(mixtures.max(axis=1)),
    )
    made = affect_columns(load_affect(), rows.columns) | measure_columns(rows.columns)
    together = rows.select(**made)
    alone = pl.concat([rows[i].select(**made) for i in range(n)])
    assert [name for name in together.columns if not together[name].equals(alone[name])] == []
