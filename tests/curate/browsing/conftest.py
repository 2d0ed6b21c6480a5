"""FiftyOne for the tests of this folder, on a server of their own."""

from __future__ import annotations

import warnings
from typing import Any

import pytest


@pytest.fixture(scope="session")
def fo(mongod: dict[str, str]) -> Any:
    """The module `fiftyone`; what it says at its import is none of our business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import fiftyone
        import fiftyone.core.service
        import fiftyone.core.session
        import fiftyone.server.view

        fiftyone.list_datasets()
    return fiftyone
