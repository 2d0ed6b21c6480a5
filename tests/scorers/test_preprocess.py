from __future__ import annotations

import hashlib

import numpy as np
from oracle import Case

from curate.scorers.preprocess import normalise, resize_and_crop

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def test_inputs_of_the_action_unit_networks_are_those_of_libreface(cases: list[Case]) -> None:
    for case in cases:
        small = resize_and_crop(case.aligned, 256, 224, "bilinear")
        assert np.array_equal(small, case.network_input("au")), case.name


def test_inputs_of_the_expression_network_are_those_of_libreface(cases: list[Case]) -> None:
    for case in cases:
        small = resize_and_crop(case.aligned, 224, None, "bicubic")
        assert np.array_equal(small, case.network_input("fer")), case.name


def test_normalised_inputs_are_those_of_libreface_to_the_last_bit(cases: list[Case]) -> None:
    for picture, network in (("au", "detection"), ("fer", "fer")):
        batch = normalise([case.network_input(picture) for case in cases], MEAN, STD)
        for case, tensor in zip(cases, batch, strict=True):
            expected = case.record["joint"]["input_sha256_f32"][network]
            assert hashlib.sha256(tensor.tobytes()).hexdigest() == expected, case.name
