"""A picture that has been read and decoded, and its row so far."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from curate.errors import InputError
from curate.scorers.said import Said
from curate.sources.source import Input

if TYPE_CHECKING:
    from curate.scorers.decode import Picture

MIN_SIDE = 32
MAX_PIXELS = 100_000_000

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Decoded:
    """An input that has been read: its identity, the picture where there is one, and what is said of it.

    A row whose status is `ok` has a picture; one that is too small has one, too, for scorers of whole pictures.
    """

    row: Row
    picture: Picture | None
    said: tuple[Said, ...]


def decoded(item: Input, data: bytes | InputError, *, for_mesh: bool, words: bool) -> Decoded:
    """Decode the bytes of an input; what cannot be is a row that says why.

    Args:
        item: the input.
        data: its bytes, or why there are none.
        for_mesh: faces will be looked for, and a picture can be too small for one.
        words: somebody wants to know what is said of the picture.
    """
    from curate.scorers.decode import TooLargeError, decode

    row: Row = {"image": item.image, "status": "unreadable"}
    if isinstance(data, InputError):
        return Decoded(row | {"error": data.message}, None, ())
    try:
        row["sha256"] = hashlib.sha256(data).hexdigest()
        picture = decode(data, max_pixels=MAX_PIXELS)
    except TooLargeError as error:
        return Decoded(row | {"status": "too_large", "error": error.message}, None, ())
    except InputError as error:
        return Decoded(row | {"error": error.message}, None, ())
    row |= {"width": picture.width, "height": picture.height, "format": picture.format, "status": "ok"}
    if for_mesh and min(picture.width, picture.height) < MIN_SIDE:
        reason = f"{picture.width} x {picture.height} pixels; a face needs at least {MIN_SIDE} x {MIN_SIDE}"
        row |= {"status": "too_small", "error": reason}
    return Decoded(row, picture, _said(item, picture) if words else ())


def _said(item: Input, picture: Picture) -> tuple[Said, ...]:
    """All that is said of a picture, the surest first: its file, what lies beside it, tables, the data set."""
    from curate.metadata_sidecar import read_sidecars

    return (Said("file", picture.texts), *read_sidecars(item), *item.said)
