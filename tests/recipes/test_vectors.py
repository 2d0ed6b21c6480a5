from __future__ import annotations

import numpy as np
import polars as pl

from curate.recipes.vectors import au_columns, au_vectors, whole
from curate.scorers.columns import INTENSITY_AUS, PRESENCE_AUS


def frame(rows: int = 4, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    columns = {f"au{n:02}": random.random(rows) * 5 for n in INTENSITY_AUS}
    columns |= {f"au{n:02}_p": random.random(rows) for n in PRESENCE_AUS}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Float32))


def test_intensities_are_fifths_and_presences_follow_where_there_is_no_intensity() -> None:
    rows = frame()
    vectors = au_vectors(rows)
    assert vectors.dtype == np.float32
    assert vectors.shape == (4, 17)
    assert np.allclose(vectors[:, 0], rows["au01"].to_numpy() / 5)
    assert np.array_equal(vectors[:, 12], rows["au07_p"].to_numpy())
    assert au_columns(rows.columns)[11:] == ("au26", "au07_p", "au10_p", "au14_p", "au23_p", "au24_p")


def test_the_order_of_columns_does_not_matter() -> None:
    rows = frame()
    assert np.array_equal(au_vectors(rows), au_vectors(rows.select(reversed(rows.columns))))


def test_what_a_set_lacks_is_left_out() -> None:
    assert au_vectors(frame().select("au12", "au04")).shape == (4, 2)
    assert au_vectors(pl.DataFrame({"image": ["a", "b"]})).shape == (2, 0)


def test_values_out_of_range_are_clipped() -> None:
    rows = pl.DataFrame({"au04": [-1.0, 6.0], "au07_p": [1.5, -0.5]})
    assert au_vectors(rows).tolist() == [[0, 1], [1, 0]]


def test_a_row_with_a_null_is_nan_throughout() -> None:
    rows = frame(2).with_columns(pl.Series("au12", [None, 1.0], pl.Float32))
    assert np.isnan(au_vectors(rows)).all(axis=1).tolist() == [True, False]


def test_whole_numbers_are_thousandths() -> None:
    vectors = np.array([[0, 1, 0.12345], [np.nan, 0, 0]], np.float32)
    assert whole(vectors).tolist() == [[0, 1000, 123], [-1, -1, -1]]
    assert whole(np.empty((2, 0), np.float32)).shape == (2, 0)
