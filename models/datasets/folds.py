"""Folds that keep a person together: nobody is on both sides of a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from curate.errors import InputError

Folds = tuple[frozenset[str], ...]
"""Of every fold, the subjects that it tests."""

DISFA_FOLDS: Folds = (
    frozenset({"SN003", "SN004", "SN005", "SN007", "SN008", "SN017", "SN023", "SN025", "SN029"}),
    frozenset({"SN006", "SN011", "SN012", "SN013", "SN018", "SN021", "SN024", "SN028", "SN031"}),
    frozenset({"SN001", "SN002", "SN009", "SN010", "SN016", "SN026", "SN027", "SN030", "SN032"}),
)
"""The three folds of LibreFace's published training code (its paper speaks of five)."""


def subject_folds(subjects: Sequence[str | None], folds: int = 5, seed: int = 0) -> Folds:
    """Folds of about the same number of rows.

    Args:
        subjects: the subject of every row; the order of the rows does not matter.
        folds: how many, at least 2.
        seed: other seeds give other folds, the same seed always the same.

    Raises:
        InputError: a row without a subject, or fewer subjects than folds.
    """
    counts = Counter(subjects)
    if None in counts:
        raise InputError(
            f"{counts[None]:,} rows have no subject: they cannot be kept on one side of a split",
            hint="train without --fold, or fill the column `subject`",
        )
    if not 2 <= folds <= len(counts):
        raise InputError(f"{len(counts)} subjects cannot be split into {folds} folds of two or more")
    # Large ones first, each to the fold that has least: no fold exceeds another by more than one subject.
    names = sorted(name for name in counts if name is not None)
    Random(seed).shuffle(names)  # noqa: S311 - nothing secret
    names.sort(key=lambda name: -counts[name])
    tested: list[list[str]] = [[] for _ in range(folds)]
    rows = [0] * folds
    for name in names:
        least = rows.index(min(rows))
        tested[least].append(name)
        rows[least] += counts[name]
    return tuple(frozenset(fold) for fold in tested)
