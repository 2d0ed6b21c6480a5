from __future__ import annotations

import pytest

import curate


def test_every_public_name_is_there() -> None:
    assert len(set(curate.__all__)) == len(curate.__all__)  # their order is checked by ruff
    for name in curate.__all__:
        assert getattr(curate, name) is not None
    assert dir(curate) == sorted(curate.__all__)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'scroe'"):
        _ = curate.scroe


def test_errors_survive_the_way_between_processes() -> None:
    import pickle

    error = curate.ModelError("damaged", where="x.onnx", hint="curate models verify")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(again), str(again), again.hint) == (
        curate.ModelError,
        "x.onnx: damaged",
        "curate models verify",
    )
