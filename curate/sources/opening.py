"""Which kind of source it is. The first line that fits decides:

1. several arguments            -> files, folders, patterns, URLs; all of them Parquet -> the shards of a dataset;
                                   all of them tar -> webdataset
2. `-`                          -> a list on the standard input
3. `hf://datasets/ORG/NAME`     -> dataset of the hub
4. another URL                  -> as below, if what is there is a folder, a pattern, a file
5. a folder of `save_to_disk`   -> dataset
6. a folder of nothing but Parquet shards -> dataset
7. a folder of nothing but tar archives -> webdataset
8. any other folder             -> folder
9. a `.parquet` file            -> dataset; a list, where its picture column is text
10. a `.tar` file               -> webdataset
11. a `.txt` or `.lst` file     -> list
12. any other file              -> that file
13. braces in the name of an archive (`shard-{000..009}.tar`) -> webdataset
14. a pattern (`*`, `?`, `[`)   -> files; all of them Parquet or tar -> as several of them
15. `ORG/NAME`                  -> dataset of the hub
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
from curate.sources.braces import expand, has_braces
from curate.sources.bucket import files_below, kind_of, only, open_url_folder, open_url_pattern, url_matches
from curate.sources.cells import forget_cells
from curate.sources.dataset import open_hub, open_parquet, open_saved, open_shards, open_url_shards
from curate.sources.files import common_folder, matches, open_files, open_pattern
from curate.sources.folder import open_folder, parquet_files, walk
from curate.sources.listing import open_list
from curate.sources.remote import check_url, forget_systems, is_url, scheme_of, shown, source_errors
from curate.sources.source import Source, absolute, as_text
from curate.sources.webdataset import ENDING, is_packed, open_archives, refuse_packed

HUB = "hf://datasets/"
_HUB_DATASET = re.compile(r"hf://datasets/([^/*?\[]+/[^/*?\[]+)/?")
# ORG/NAME or ORG/NAME:CONFIG. A name that ends like a file is a path with a mistake in it.
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*(:[\w.-]+)?")
_FILE_ENDING = re.compile(
    r"\.(jpe?g|png|webp|gif|bmp|tiff?|avif|jp2|parquet|txt|lst|csv|json)", re.IGNORECASE
)


def open_source(source: str | Sequence[str], *, split: str | None = None, limit: int | None = None) -> Source:
    """Open whatever holds pictures.

    Args:
        source: a folder, a file, a pattern, a list, a dataset, archives, here or behind a URL; or several files.
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
    forget_cells()
    forget_systems()
    opened = _open_one(sources[0], split) if len(sources) == 1 else _open_several(sources, split)
    if split is not None and opened.kind != "dataset":
        raise InputError(
            "only datasets have splits",
            where=as_text(shown(sources[0])),
            hint="leave --split away, or name a dataset",
        )
    return dataclasses.replace(opened, limit=limit)


def _open_several(paths: Sequence[str], split: str | None) -> Source:
    if all(path.endswith(".parquet") and (is_url(path) or Path(path).is_file()) for path in paths):
        return open_shards(paths, split)
    if all(path.endswith(ENDING) and (is_url(path) or Path(path).is_file()) for path in paths):
        every = list(dict.fromkeys(path if is_url(path) else absolute(path) for path in paths))
        return _open_archives(every, common_folder(every), some=True)
    return open_files(paths)


def _open_one(source: str, split: str | None) -> Source:
    if source == "-":
        return open_list(source)
    if is_url(source):
        return _open_url(source, split)
    path = Path(source)
    if path.is_dir():
        return _open_folder(source, split)
    if os.path.lexists(path):
        return _open_file(source, split)
    if source.endswith(ENDING) and has_braces(source):
        every = _expanded(absolute(source))
        return _open_archives(every, absolute(source), some=True)
    if glob.has_magic(source):
        found = matches(source)
        if found and all(match.endswith(".parquet") for match in found):
            return open_shards(found, split)
        if found and all(match.endswith(ENDING) for match in found):
            return _open_archives(found, absolute(source), some=True)
        return open_pattern(source)
    if _is_hub_id(source):
        return open_hub(source, split)
    raise _missing(source)


def _open_url(url: str, split: str | None) -> Source:
    check_url(url)
    if dataset := _HUB_DATASET.fullmatch(url):
        return open_hub(dataset[1], split)
    if len(url.partition("://")[2].strip("/")) == 0:
        raise InputError("no bucket is named", where=shown(url), hint="curate score s3://BUCKET/FOLDER")
    if glob.has_magic(url.partition("://")[2].partition("/")[0]):
        raise InputError("a bucket is named, not matched", where=shown(url), hint="s3://BUCKET/*.png")
    web = scheme_of(url) in ("http", "https")
    if url.endswith(ENDING) and has_braces(url):
        return _open_archives(_expanded(url), url, some=True)
    if not web and glob.has_magic(url) and kind_of(url) is None:
        if url.endswith(ENDING):
            return _open_archives(_found(url), url, some=True)
        if url.endswith(".parquet"):
            return open_shards(_found(url), split)
        return open_url_pattern(url)
    if web or (not url.endswith("/") and kind_of(url, needed=True) == "file"):
        return _open_file(url, split)
    return _open_url_folder(url.rstrip("/"), split)


def _open_url_folder(url: str, split: str | None) -> Source:
    if url.endswith(".scores") and kind_of(f"{url}/manifest.json") == "file":
        raise _score_set(shown(url))
    if only(url, ENDING):
        return _open_archives(files_below(url, ENDING), url, some=False)
    try:
        return open_url_folder(url)
    except InputError:
        if tables := files_below(url, ".parquet"):
            return open_url_shards(url, tables, split)
        raise


def _open_folder(source: str, split: str | None) -> Source:
    path = Path(source)
    saved = (path / "state.json").is_file() and (path / "dataset_info.json").is_file()
    if saved or (path / "dataset_dict.json").is_file():
        return open_saved(source, split)
    if (path / "manifest.json").is_file() and path.resolve().suffix == ".scores":
        raise _score_set(source)
    try:
        opened = open_folder(source)
    except InputError:
        if parquet_files(source):
            return open_parquet(source, split)
        raise
    if all(item.endswith(ENDING) for item in walk(absolute(source))):
        return _open_archives(list(walk(absolute(source))), absolute(source), some=False)
    if all(is_packed(item) for item in walk(absolute(source))):
        raise refuse_packed(next(walk(absolute(source))))
    return opened


def _open_file(source: str, split: str | None) -> Source:
    ending = Path(shown(source)).suffix.lower()
    if ending == ".parquet":
        return open_shards([source], split) if is_url(source) else open_parquet(source, split)
    if ending == ENDING:
        path = source if is_url(source) else absolute(source)
        return _open_archives([path], path, some=False)
    if is_packed(shown(source)):
        raise refuse_packed(source)
    if ending in (".txt", ".lst"):
        return open_list(source)
    return open_files([source])


def _open_archives(paths: Sequence[str], location: str, *, some: bool) -> Source:
    last = (
        re.sub(r"[*?{\[].*", "", shown(location).rstrip("/").rpartition("/")[2])
        .removesuffix(ENDING)
        .rstrip("-_.")
    )
    folder = shown(location).rstrip("/").rpartition("/")[0].rpartition("/")[2]
    return open_archives(paths, location=location, name=as_text(last or folder) or "pictures", partial=some)


def _expanded(pattern: str) -> list[str]:
    """The archives that braces, and wildcards beside them, stand for."""
    every: list[str] = []
    for name in expand(pattern):
        if glob.has_magic(name) and (not is_url(name) or scheme_of(name) not in ("http", "https")):
            every += _found(name) if is_url(name) else matches(name)
        else:
            every.append(name)
    if not every or not (any(map(is_url, every)) or any(Path(name).is_file() for name in every)):
        raise InputError("there is no such archive", where=as_text(shown(pattern)))
    return list(dict.fromkeys(every))


def _found(pattern: str) -> list[str]:
    with source_errors(pattern):
        found = list(url_matches(pattern))
    if not found:
        raise InputError("it matches nothing", where=shown(pattern), hint="look at the spelling")
    return found


def _score_set(source: str) -> InputError:
    return InputError(
        "this is a score set, it holds no pictures", where=as_text(source), hint=f"curate show {source}"
    )


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
