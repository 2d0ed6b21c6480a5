"""The formats of export, by name; each is imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from curate.errors import ExportError
from curate.scorers.columns import suggest

if TYPE_CHECKING:
    from curate.exports.format import Format

# name -> (class, what it is); the module of `folder` is curate.exports.folder.
FORMATS = {
    "folder": ("Folder", "pictures: copies or links, in sub-folders if you like"),
    "hf": ("HuggingFace", "a Hugging Face dataset: Parquet with pictures in it, and a card"),
    "webdataset": ("WebDataset", "tar shards of pictures with their columns"),
}


def find_format(name: str) -> type[Format]:
    """The format of a name.

    Raises:
        ExportError: there is none.
    """
    if name not in FORMATS:
        raise ExportError(
            f"there is no format `{name}`{suggest(name, FORMATS)}",
            where="--to",
            hint=f"--to {', '.join(FORMATS)}",
        )
    found: type[Format] = getattr(import_module(f"curate.exports.{name}"), FORMATS[name][0])
    return found
