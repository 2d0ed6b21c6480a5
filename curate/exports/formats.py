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
    "csv": ("Csv", "the columns as a table, for spreadsheets"),
    "jsonl": ("Jsonl", "the columns as JSON, a face a line"),
    "parquet": ("Parquet", "the columns in one file, with what they mean"),
    "coco": ("Coco", "boxes and key points of faces, for detectors and annotation programs"),
    "kohya": ("Kohya", "pictures with captions, for training LoRAs"),
    "au": ("Au", "an AU dictionary a line, for AU-conditioned generators"),
    "fiftyone": ("FiftyOne", "a dataset of FiftyOne with fields, colours and saved views"),
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
