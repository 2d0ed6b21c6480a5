from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.recipes import dedupe, hamming
from curate.recipes.dedupe import near_duplicates
from curate.recipes.vectors import whole


def one_by_one(
    phash: NDArray[np.uint64],
    au: NDArray[np.float32] | None,
    *,
    hash_bits: int,
    au_distance: float | None,
    order: NDArray[np.intp],
    box: NDArray[np.float32] | None = None,
    picture: NDArray[np.int64] | None = None,
    valid: NDArray[np.bool_] | None = None,
) -> list[int]:
    """What `near_duplicates` says, by its definition."""

    def near(a: int, b: int) -> bool:
        if (int(phash[a]) ^ int(phash[b])).bit_count() > hash_bits:
            return False
        if picture is not None and picture[a] == picture[b]:
            return False
        if box is not None and not np.isnan(box[[a, b]]).any() and overlap(box[a], box[b]) < 0.5:
            return False
        if au is None or au_distance is None or not au.shape[1] or np.isnan(au[[a, b]]).any():
            return True
        numbers = whole(au[[a, b]]).astype(int)
        return bool(((numbers[0] - numbers[1]) ** 2).mean() <= (1000 * au_distance) ** 2 + 1e-6)

    found = [-1] * len(phash)
    kept: list[int] = []
    for row in order.tolist():
        if valid is None or valid[row]:
            first = next((other for other in kept if near(other, row)), None)
            if first is None:
                kept.append(row)
            else:
                found[row] = first
    return found


def overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes."""
    left, top, right, bottom = (
        max(a[0], b[0]), max(a[1], b[1]), min(a[0] + a[2], b[0] + b[2]), min(a[1] + a[3], b[1] + b[3])
    )  # fmt: skip
    shared = float(max(right - left, 0) * max(bottom - top, 0))
    return shared / (float(a[2] * a[3]) + float(b[2] * b[3]) - shared)


def clustered(seed: int, n: int, flips: int, k: int = 3) -> dict[str, Any]:
    """Pictures in clusters, whose hashes go astray bit by bit; some without answers."""
    random = np.random.default_rng(seed)
    phash = random.integers(2**64, size=n // 8 + 1, dtype=np.uint64)[random.integers(n // 8 + 1, size=n)]
    for _ in range(flips):
        bit = np.uint64(1) << random.integers(64, size=n, dtype=np.uint64)
        phash ^= np.where(random.random(n) < 0.5, bit, np.uint64(0))
    au = random.random((4, k))[random.integers(4, size=n)] + random.normal(0, 0.05, (n, k))
    box = np.array([[0.2, 0.2, 0.4, 0.4], [0.6, 0.2, 0.3, 0.3]])[random.integers(2, size=n)]
    box += random.normal(0, 0.02, (n, 4))
    au[random.random(n) < 0.05] = np.nan
    box[random.random(n) < 0.05] = np.nan
    return {
        "phash": phash,
        "au": np.clip(au, 0, 1).astype(np.float32),
        "order": random.permutation(n),
        "box": box.astype(np.float32),
        "picture": random.integers(n, size=n),
        "valid": random.random(n) < 0.95,
    }


@pytest.fixture(params=["few", "tables", "tables, halved"])
def scale(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make little data go the ways of much."""
    if request.param != "few":
        monkeypatch.setattr(hamming, "_FEW", 0)
        monkeypatch.setattr(hamming, "_COMPARE", 1e6)
        monkeypatch.setattr(hamming, "_TILE", 8)
        monkeypatch.setattr(dedupe, "_FIRST_STEP", 16)
    if request.param.endswith("halved"):
        monkeypatch.setattr(dedupe, "_MOST_PAIRS", 5)
        monkeypatch.setattr(dedupe, "_MOST_EACH", 0)


@pytest.mark.usefixtures("scale")
@pytest.mark.parametrize("hash_bits", [0, 1, 4, 6, 9, 16])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_walk_one_by_one(seed: int, hash_bits: int) -> None:
    faces = clustered(seed, 200, hash_bits + 2)
    options = {"hash_bits": hash_bits, "au_distance": 0.1}
    found = near_duplicates(**faces, **options)
    assert found.tolist() == one_by_one(**faces, **options)
    assert (found >= 0).sum() > 3
    alone = {"phash": faces["phash"], "au": None, "order": faces["order"]}
    assert near_duplicates(**alone, **options).tolist() == one_by_one(**alone, **options)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_chains_and_ties(data: st.DataObject) -> None:
    """Few bits and few expressions, so that a is near b and b near c, but c not near a."""
    n = data.draw(st.integers(1, 12))

    def numbers(high: int) -> list[int]:
        return data.draw(st.lists(st.integers(0, high), min_size=n, max_size=n))

    faces = {
        "phash": np.array(numbers(31), np.uint64),
        "au": np.array(numbers(4), np.float32)[:, None] / 10,
        "picture": np.array(numbers(n), np.int64),
        "order": np.array(data.draw(st.permutations(range(n))), np.intp),
        "hash_bits": data.draw(st.integers(0, 3)),
        "au_distance": data.draw(st.sampled_from([None, 0.0, 0.1, 0.25])),
    }
    assert near_duplicates(**faces).tolist() == one_by_one(**faces)


def test_the_order_of_rows_does_not_matter() -> None:
    faces = clustered(5, 300, 4)
    found = near_duplicates(**faces, hash_bits=6, au_distance=0.1)
    moved = np.random.default_rng(0).permutation(300)
    place = np.argsort(moved)
    again = near_duplicates(
        **{name: values[moved] for name, values in faces.items() if name != "order"},
        order=place[faces["order"]],
        hash_bits=6,
        au_distance=0.1,
    )
    back = np.where(again >= 0, moved[again], -1)[place]
    assert back.tolist() == found.tolist()


def faces(count: int, **values: Any) -> dict[str, Any]:
    """Some faces that are duplicates in every respect, but for what is said."""
    same = {
        "phash": np.zeros(count, np.uint64),
        "au": np.full((count, 17), 0.3, np.float32),
        "order": np.arange(count),
        "hash_bits": 6,
        "au_distance": 0.15,
        "picture": np.arange(count),
    }
    return same | values


def test_a_new_expression_is_data() -> None:
    au = np.full((2, 17), 0.3, np.float32)
    au[1] += 0.151
    assert near_duplicates(**faces(2)).tolist() == [-1, 0]
    assert near_duplicates(**faces(2, au=au)).tolist() == [-1, -1]
    assert near_duplicates(**faces(2, au=au, au_distance=None)).tolist() == [-1, 0]
    assert near_duplicates(**faces(2, au=au, au_distance=0.151)).tolist() == [-1, 0]


def test_without_action_units_the_pixels_decide() -> None:
    assert near_duplicates(**faces(2, au=np.empty((2, 0), np.float32))).tolist() == [-1, 0]
    one = np.full((2, 17), 0.9, np.float32)
    one[0] = np.nan
    assert near_duplicates(**faces(2, au=one)).tolist() == [-1, 0]


def test_rows_without_a_hash_are_never_duplicates() -> None:
    assert near_duplicates(**faces(3, valid=np.array([False, True, True]))).tolist() == [-1, -1, 1]


def test_two_faces_of_one_picture_are_never_duplicates_of_each_other() -> None:
    assert near_duplicates(**faces(3, picture=np.array([7, 7, 8]))).tolist() == [-1, -1, 0]


def test_faces_of_near_pictures_are_told_apart_by_their_place() -> None:
    left, right = [0.1, 0.3, 0.3, 0.4], [0.6, 0.3, 0.3, 0.4]
    box = np.array([left, right, left, right], np.float32)
    assert near_duplicates(**faces(4, box=box, picture=np.array([0, 0, 1, 1]))).tolist() == [-1, -1, 0, 1]


def test_the_best_is_kept() -> None:
    assert near_duplicates(**faces(3, order=np.array([2, 0, 1]))).tolist() == [2, 2, -1]


def test_what_is_not_in_the_order_takes_no_part() -> None:
    assert near_duplicates(**faces(3, order=np.array([1]))).tolist() == [-1, -1, -1]
    assert near_duplicates(**faces(3, order=np.arange(0))).tolist() == [-1, -1, -1]


def test_twenty_thousand_copies_of_one_picture_leave_one() -> None:
    found = near_duplicates(**faces(20_000))
    assert found[0] == -1
    assert (found[1:] == 0).all()


def test_bits_are_counted_alike_by_old_and_new_numpy() -> None:
    values = np.random.default_rng(0).integers(2**64, size=1000, dtype=np.uint64)
    values[:2] = 0, 2**64 - 1
    told = [int(value).bit_count() for value in values]
    assert hamming._ones(values).tolist() == told
    assert hamming.ones(values).tolist() == told


def test_planning_keeps_distances_and_every_bit() -> None:
    values = np.random.default_rng(0).integers(2**40, size=50_000, dtype=np.uint64)
    plan = hamming.plan(values, 6)
    assert len(plan.tables) > 1
    arranged = plan.arrange(values)
    assert np.array_equal(hamming.ones(arranged[1:] ^ arranged[:-1]), hamming.ones(values[1:] ^ values[:-1]))
    assert sorted(plan.bits.tolist()) == list(range(64))


def test_a_hundred_thousand_identical_faces_are_one_without_comparing_each_with_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = 0
    ones = hamming.ones

    def counted(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
        nonlocal compared
        compared += values.size
        return ones(values)

    monkeypatch.setattr(hamming, "ones", counted)
    n = 100_000
    found = near_duplicates(
        np.full(n, 77, np.uint64),
        np.full((n, 17), 0.3, np.float32),
        hash_bits=6,
        au_distance=0.05,
        order=np.arange(n),
    )
    assert (found[0], set(found[1:].tolist())) == (-1, {0})
    assert compared < 50 * n
