"""Which columns of a table are looked at: the one that holds the pictures, and those that say how they were made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curate.errors import InputError
from curate.scorers.generation.plain import field_of

COLUMN_NAMES = ("image", "img", "png", "jpg", "jpeg", "webp", "picture")
# Columns of text that name pictures, the surest first.
TEXT_NAMES = (
    "image", "path", "image_path", "file_name", "filename", "file_path", "filepath", "file", "img", "image_file",
    "url", "image_url", "uri",
)  # fmt: skip


def picture_column(features: Mapping[str, Any], *, where: str) -> str:
    """Which column holds the pictures.

    Raises:
        InputError: none does, or several could.
    """
    import datasets

    images = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    candidates = images or [name for name, feature in features.items() if _holds_bytes(feature)]
    if len(candidates) == 1:
        return candidates[0]
    for name in COLUMN_NAMES:
        if name in candidates:
            return name
    columns = ", ".join(features)
    if not candidates:
        raise InputError(f"no column holds pictures; there are {columns}", where=where)
    raise InputError(
        f"several columns may hold pictures: {', '.join(candidates)} (of {columns})",
        where=where,
        hint="keep one of them (Dataset.remove_columns), or call the right one `image`",
    )


def text_column(features: Mapping[str, Any]) -> str | None:
    """The column of a list of pictures: text by its type, a path or URL by its name; None where pictures are inside."""
    import datasets

    if any(isinstance(feature, datasets.Image) or _holds_bytes(feature) for feature in features.values()):
        return None
    texts = [
        name
        for name, feature in features.items()
        if isinstance(feature, datasets.Value) and feature.dtype in ("string", "large_string", "string_view")
    ]
    return next((name for name in TEXT_NAMES if name in texts), None)


def word_columns(features: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that say how the pictures were generated, by name, with their types."""
    return {name: feature for name, feature in features.items() if _is_word(name, feature)}


def _is_word(name: str, feature: object) -> bool:
    """Whether a column tells how the pictures were generated: by its name, and text or a number by its type."""
    import datasets

    if field_of(name) is None:
        return False
    plain = isinstance(feature, datasets.Value) and feature.dtype.startswith(
        ("string", "large_string", "int", "uint", "float")
    )
    return plain or isinstance(feature, datasets.ClassLabel)


def _holds_bytes(feature: object) -> bool:
    import datasets

    if isinstance(feature, Mapping):
        return _holds_bytes(feature.get("bytes"))
    return isinstance(feature, datasets.Value) and feature.dtype in ("binary", "large_binary", "binary_view")
