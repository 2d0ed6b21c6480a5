"""Words about a picture, before anybody has looked for sense in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Place = Literal["file", "sidecar", "table", "dataset"]


@dataclass(frozen=True, slots=True)
class Said:
    """Words about a picture, from one place.

    Attributes:
        source: the picture's own file, a file beside it, a metadata table, or the row of a data set.
        texts: by the name of the chunk, tag, key or column; nothing of it is interpreted, and none of it trusted.
            A text of AUTOMATIC1111's kind, or a caption, is called `parameters`, a JSON document `json`.
        errors: why more could not be read, in words.
    """

    source: Place
    texts: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
