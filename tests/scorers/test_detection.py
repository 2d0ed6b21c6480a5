"""Merging the detector's candidates."""

from __future__ import annotations

import numpy as np
import pytest

from curate.scorers.detection import MIN_LOGIT, anchors, merge_all, whole_view


@pytest.mark.parametrize("seed", range(20))
def test_a_picture_is_merged_as_by_itself_whatever_lies_beside_it(seed: int) -> None:
    random = np.random.default_rng(seed)
    views = [whole_view(int(w), int(h), 1.5) for w, h in random.integers(32, 3000, (8, 2))]
    counts = [0, 1, 2, 7, 9, 20, 150, 0]
    chosen = [np.sort(random.choice(896, count, replace=False)) for count in counts]
    picture = np.repeat(np.arange(8), counts)
    raw = random.normal(0, 8, (len(picture), 16)).astype(np.float32)
    raw[:, 2:4] += 40
    # Rounded, so that some are equally sure.
    logits = np.abs(random.normal(MIN_LOGIT, 4, len(picture)).round(1)).astype(np.float32)
    anchor = anchors()[np.concatenate(chosen)]

    together = merge_all(raw, logits, anchor, picture, views)

    for number, view in enumerate(views):
        own = picture == number
        alone = merge_all(raw[own], logits[own], anchor[own], np.zeros(own.sum(), np.int64), [view])
        assert together[number] == alone[0]
        assert [d.score for d in alone[0]] == sorted((d.score for d in alone[0]), reverse=True)
        assert bool(alone[0]) == bool(own.any())
