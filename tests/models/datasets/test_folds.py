from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import InputError
from curate.models.datasets.folds import DISFA_FOLDS, subject_folds

ROWS = st.lists(st.sampled_from([f"S{i}" for i in range(12)]), min_size=1, max_size=200).filter(
    lambda rows: len(set(rows)) >= 5
)


@given(rows=ROWS, seed=st.integers(0, 5), data=st.data())
def test_everybody_is_tested_once_whatever_the_order_of_the_rows(
    rows: list[str], seed: int, data: st.DataObject
) -> None:
    folds = subject_folds(rows, 5, seed)
    assert Counter(subject for fold in folds for subject in fold) == Counter(set(rows))
    assert folds == subject_folds(data.draw(st.permutations(rows)), 5, seed)


@given(rows=ROWS)
def test_folds_differ_by_no_more_rows_than_one_subject_has(rows: list[str]) -> None:
    counts = Counter(rows)
    sizes = [sum(counts[subject] for subject in fold) for fold in subject_folds(rows)]
    assert max(sizes) - min(sizes) <= max(counts.values())


def test_other_seeds_give_other_folds() -> None:
    rows = [f"S{i}" for i in range(20)]
    assert subject_folds(rows, seed=0) != subject_folds(rows, seed=1)


def test_the_published_folds_of_disfa_are_27_subjects_nine_a_fold() -> None:
    assert [len(fold) for fold in DISFA_FOLDS] == [9, 9, 9]
    assert len(frozenset().union(*DISFA_FOLDS)) == 27
    assert "SN003" in DISFA_FOLDS[0]
    assert "SN001" in DISFA_FOLDS[2]


def test_rows_without_a_subject_and_impossible_folds_are_refused() -> None:
    with pytest.raises(InputError, match="1 rows have no subject"):
        subject_folds(["a", "b", None], 2)
    with pytest.raises(InputError, match="2 subjects cannot be split into 5"):
        subject_folds(["a", "b"])
