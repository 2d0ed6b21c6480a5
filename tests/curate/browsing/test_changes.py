"""What an import finds out: which rows are new, changed, gone."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.browsing.changes import compare
from curate.browsing.rows import digests

ROWS = {"_row": pl.UInt32, "_key": pl.UInt64, "_place": pl.UInt64, "_digest": pl.Int64}
SAMPLES = {"_id": pl.Binary, "_key": pl.UInt64, "_place": pl.UInt64, "_digest": pl.Int64}
small = st.integers(0, 3)
entries = st.lists(st.tuples(small, small, small), max_size=12)


def rows_of(told: list[tuple[int, int, int]]) -> pl.DataFrame:
    return pl.DataFrame([(i, *entry) for i, entry in enumerate(told)], schema=ROWS, orient="row")


def samples_of(told: list[tuple[int, int, int]]) -> pl.DataFrame:
    return pl.DataFrame([(bytes([i]), *entry) for i, entry in enumerate(told)], schema=SAMPLES, orient="row")


@settings(max_examples=150, deadline=None)
@given(entries, entries)
def test_after_it_every_row_has_one_sample(
    rows: list[tuple[int, int, int]], samples: list[tuple[int, int, int]]
) -> None:
    found = compare(rows_of(rows), samples_of(samples))
    assert len(found.new) + found.changed.height + found.kept == len(rows)
    assert len(found.removed) + found.changed.height + found.kept == len(samples)
    assert found.changed["_id"].n_unique() == found.changed.height
    assert not set(found.removed) & set(found.changed["_id"])
    for row, number in found.changed.iter_rows():
        assert rows[row][0] == samples[number[0]][0], "a sample stays with its face"


@settings(max_examples=60, deadline=None)
@given(entries)
def test_what_was_written_needs_nothing(told: list[tuple[int, int, int]]) -> None:
    found = compare(rows_of(told), samples_of(told[::-1]))
    same_place = len(told) != len({entry[:2] for entry in told})
    assert len(found.new) == len(found.removed) == 0
    assert same_place or found.kept == len(told)


def test_a_digest_that_is_not_known_is_another() -> None:
    samples = samples_of([(1, 1, 1)]).with_columns(_digest=pl.lit(None, pl.Int64))
    assert compare(rows_of([(1, 1, 1)]), samples).changed.height == 1


def test_digests_tell_every_column_and_the_salt() -> None:
    rows = pl.DataFrame({"image": ["/a.png"], "sha256": ["0"], "face": [0], "au12": [1.0], "prompt": [None]},
                        schema_overrides={"prompt": pl.String})  # fmt: skip
    others = [
        rows,
        rows.with_columns(au12=1.5),
        rows.with_columns(au12=None),
        rows.with_columns(prompt=pl.lit("")),
        rows.with_columns(image=pl.lit("/b.png")),
        rows.with_columns(face=1),
    ]
    found = [digests(frame.lazy(), "salt")["_digest"].item() for frame in others]
    assert len(set(found)) == len(others)
    assert digests(rows.lazy(), "salt")["_digest"].item() == found[0]
    assert digests(rows.lazy(), "pepper")["_digest"].item() != found[0]


def test_landmarks_count_for_digests() -> None:
    frame = pl.DataFrame({"image": ["/a.png"], "sha256": ["0"], "face": [0]})
    meshes = [pl.Series([[[0.0, 1.0], [2.0, z]]], dtype=pl.Array(pl.Float32, (2, 2))) for z in (3.0, 4.0)]
    one, other = (digests(frame.with_columns(landmarks=mesh).lazy(), "")["_digest"].item() for mesh in meshes)
    assert one != other
