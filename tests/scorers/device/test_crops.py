"""Crops on a device are those of OpenCV, to the last grey level."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.scorers.device.graph import open_graph, to_host
from curate.scorers.device.pictures import upload
from curate.scorers.warp import Region, crop, region_matrix

SIZES = ((97, 64), (200, 311), (192, 192))  # of rows and columns


def pictures() -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(1)
    return [random.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


@pytest.mark.parametrize(("name", "size", "replicate"), [("look", 128, False), ("face", 192, True)])
@settings(max_examples=12, deadline=None)
@given(
    x=st.floats(-0.5, 1.5),
    y=st.floats(-0.5, 1.5),
    side=st.one_of(st.floats(0.05, 4), st.just(1.0)),
    rotation=st.one_of(st.floats(-3.2, 3.2), st.just(0.0)),
)
def test_a_region_is_sampled_as_warp_perspective_samples_it(
    name: str, size: int, *, replicate: bool, x: float, y: float, side: float, rotation: float
) -> None:
    originals = pictures()
    regions = [Region(x * p.shape[1], y * p.shape[0], side * max(p.shape[:2]), rotation) for p in originals]
    matrix = np.stack([cv2.invert(region_matrix(region, size))[1].ravel() for region in regions])
    graph = open_graph(name, "cpu")
    made = to_host(graph(upload(originals, "cpu").inputs() | {"matrix": matrix})["pictures"])
    levels = (made + 1) * 127.5 if name == "look" else made * 255
    for original, region, seen in zip(originals, regions, levels, strict=True):
        expected = crop(original, region, size, replicate_border=replicate).transpose(2, 0, 1)
        assert np.array_equal(np.rint(seen), expected)
