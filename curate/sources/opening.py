"""Which kind of source it is. The first line that fits decides:

1. several arguments            -> files, folders, patterns; all of them Parquet -> the shards of a dataset
2. `-`                          -> a list on the standard input
3. a folder of `save_to_disk`   -> dataset
4. a folder of nothing but Parquet shards -> dataset
5. any other folder             -> folder
6. a `.parquet` file            -> dataset
7. a `.txt` or `.lst` file      -> list
8. any other file               -> that file
9. a pattern (`*`, `?`, `[`)    -> files; all of them Parquet -> the shards of a dataset
10. `hf://datasets/ORG/NAME`, or `ORG/NAME` -> dataset of the hub
"""

from __future__ import annotations

import dataclasses
import difflib
import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

from curate.errors import InputError
from curate.sources.dataset import open_hub, open_parquet, open_saved, open_shards
from curate.sources.files import matches, open_files, open_pattern
from curate.sources.folder import open_folder, parquet_files
from curate.sources.listing import open_list
from curate.sources.source import Source, as_text

HUB = "hf://datasets/"
# ORG/NAME or ORG/NAME:CONFIG. A name that ends like a file is a path with a mistake in it.
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*(:[\w.-]+)?")
_FILE_ENDING = re.compile(
    r"\.(jpe?g|png|webp|gif|bmp|tiff?|avif|jp2|parquet|txt|lst|csv|json)", re.IGNORECASE
)


def open_source(source: str | Sequence[str], *, split: str | None = None, limit: int | None = None) -> Source:
    """Open whatever holds pictures.

    Args:
        source: a folder, a file, a pattern, a list, a dataset; or several files.
        split: of a dataset, one split; all of them if None.
        limit: at most so many inputs.

    Raises:
        InputError: there is nothing like it, or nothing in it, or `split` is given for what is no dataset.
    """
    sources = [source] if isinstance(source, str) else list(source)
    if not sources or not all(sources):
        raise InputError("no source is given", hint="curate score FOLDER")
    if limit is not None and limit < 1:
        raise InputError(f"a limit of {limit} leaves no pictures", hint="--limit 1")
    opened = _open_one(sources[0], split) if len(sources) == 1 else _open_several(sources, split)
    if split is not None and opened.kind != "dataset":
        raise InputError(
            "only datasets have splits",
            where=as_text(sources[0]),
            hint="leave --split away, or name a dataset",
        )
    return dataclasses.replace(opened, limit=limit)


def _open_several(paths: Sequence[str], split: str | None) -> Source:
    if all(path.endswith(".parquet") and Path(path).is_file() for path in paths):
        return open_shards(paths, split)
    return open_files(paths)


def _open_one(source: str, split: str | None) -> Source:
    if source == "-":
        return open_list(source)
    if source.startswith(HUB):
        return open_hub(source.removeprefix(HUB).rstrip("/"), split)
    path = Path(source)
    if path.is_dir():
        return _open_folder(source, split)
    if os.path.lexists(path):
        return _open_file(source, split)
    if glob.has_magic(source):
        found = matches(source)
        if found and all(match.endswith(".parquet") for match in found):
            return open_shards(found, split)
        return open_pattern(source)
    if _is_hub_id(source):
        return open_hub(source, split)
    raise _missing(source)


def _open_folder(source: str, split: str | None) -> Source:
    path = Path(source)
    saved = (path / "state.json").is_file() and (path / "dataset_info.json").is_file()
    if saved or (path / "dataset_dict.json").is_file():
        return open_saved(source, split)
    if (path / "manifest.json").is_file() and path.resolve().suffix == ".scores":
        raise InputError(
            "this is a score set, it holds no pictures", where=as_text(source), hint=f"curate show {source}"
        )
    try:
        return open_folder(source)
    except InputError:
        if parquet_files(source):
            return open_parquet(source, split)
        raise


def _open_file(source: str, split: str | None) -> Source:
    ending = Path(source).suffix.lower()
    if ending == ".parquet":
        return open_parquet(source, split)
    if ending in (".txt", ".lst"):
        return open_list(source)
    return open_files([source])


def _is_hub_id(source: str) -> bool:
    if not _HUB_ID.fullmatch(source) or _FILE_ENDING.fullmatch(Path(source).suffix):
        return False
    # `examples/face` beside a folder `examples` is a slip, not a dataset.
    return not Path(source).parent.is_dir()


def _missing(source: str) -> InputError:
    path = Path(source)
    try:
        beside = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        beside = []
    close = difflib.get_close_matches(path.name, beside, n=3)
    if close:
        hint = "did you mean " + " or ".join(as_text(str(path.parent / name)) for name in close) + "?"
    elif not path.parent.is_dir():
        hint = f"there is no folder {as_text(str(path.parent))} either"
    else:
        hint = f"for a dataset of the hub write {HUB}ORG/NAME"
    return InputError("there is no such file or folder", where=as_text(source), hint=hint)
