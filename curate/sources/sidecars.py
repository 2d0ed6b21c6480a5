"""What the files beside a picture that tell how it was made are called."""

from __future__ import annotations

import os
from collections.abc import Callable, Container

from curate.sources.reference import Reference
from curate.sources.source import Beside

# By what they hold, the surest first. The second one is what gallery-dl and its like write.
_PATTERNS = {
    "json": ("{stem}.json", "{name}.json"),
    "parameters": ("{stem}.txt", "{stem}.caption"),
}


def sidecar_names(picture: str) -> dict[str, tuple[str, ...]]:
    """What may lie beside a file of this name: `json` documents, and texts with `parameters` or a caption."""
    stem = os.path.splitext(picture)[0]  # noqa: PTH122 - 10x faster
    return {
        kind: tuple(p.format(stem=stem, name=picture) for p in patterns)
        for kind, patterns in _PATTERNS.items()
    }


def beside(picture: str, there: Container[str], at: Callable[[str], Reference]) -> tuple[Beside, ...]:
    """Those of them that are there.

    Args:
        picture: the name of its file, without a folder.
        there: the names in its folder.
        at: where the file of a name lies.
    """
    names = [name for some in sidecar_names(picture).values() for name in some]
    return tuple(Beside(name, at(name)) for name in names if name in there and name != picture)
