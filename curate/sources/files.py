"""Single files, several files, and patterns that the shell left for us.

A file that is named alone is an input whatever it is called. Of several, and of those that a pattern matches,
the ones that a folder would pass over are passed over too: `faces/*` names the captions beside the pictures
as well. Folders among them are walked (but not those that `**` matches: it has their files already), and so are URLs
that end with a slash.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from curate.errors import InputError
from curate.sources.bucket import walk_url
from curate.sources.folder import is_other, walk
from curate.sources.remote import check_url, is_url, shown
from curate.sources.source import Input, Source, absolute, as_text, file_input, short_name, url_input


def open_files(paths: Sequence[str]) -> Source:
    """These files, folders and patterns, in the given order, each once. What is not there fails as an input.

    Raises:
        InputError: none of them is an input.
    """
    every = list(dict.fromkeys(path for given in paths for path in _expanded(given)))
    if len(every) == 1:
        kept, name = every, as_text(Path(shown(every[0])).stem)
    else:
        kept = [path for path in every if _is_folder(path) or not is_other(Path(path).name)]
        name = short_name(common_folder(every))
    return _source(kept, name=name, location=shown(every[0]) if len(every) == 1 else common_folder(every))


def open_pattern(pattern: str) -> Source:
    """What a glob pattern matches, sorted; `**` matches any number of folders.

    Raises:
        InputError: it matches nothing that is an input.
    """
    pattern = absolute(pattern)
    kept = [
        path
        for path in matches(pattern)
        if (Path(path).is_dir() and "**" not in pattern)
        or not (Path(path).is_dir() or is_other(Path(path).name))
    ]
    return _source(kept, name=short_name(_fixed_folder(pattern)), location=pattern)


def matches(pattern: str) -> list[str]:
    """All that a pattern matches, absolute and sorted."""
    return sorted(glob.iglob(absolute(pattern), recursive=True))  # noqa: PTH207 - it knows absolute patterns


def _source(paths: list[str], *, name: str, location: str) -> Source:
    def inputs() -> Iterator[Input]:
        for path in paths:
            if is_url(path):
                folder = _is_folder(path)
                yield from walk_url(path.rstrip("/")) if folder else (url_input(path),)
            elif Path(path).is_dir():
                yield from map(file_input, walk(path))
            else:
                yield file_input(path)

    if next(inputs(), None) is None:
        raise InputError("there are no pictures here", where=as_text(location), hint="curate score FOLDER")
    return Source(
        name=name or "pictures",
        kind="files",
        location=as_text(location),
        inputs=inputs,
        counter=lambda: sum(1 for _ in inputs()),
    )


def _expanded(path: str) -> list[str]:
    if is_url(path):
        check_url(path)
        return [path]
    if glob.has_magic(path) and not os.path.lexists(path):
        return matches(path) or [absolute(path)]
    return [absolute(path)]


def _is_folder(path: str) -> bool:
    """Whether it is to be walked: a URL, if it ends with a slash."""
    return path.endswith("/") if is_url(path) else Path(path).is_dir()


def common_folder(paths: Sequence[str]) -> str:
    """The folder above all of these paths and URLs, as it may be shown; of both, that of the first."""
    if any(map(is_url, paths)):
        folders = [shown(path).rpartition("/")[0] for path in paths if is_url(path) == is_url(paths[0])]
        common = folders[0]
        while not all(f"{folder}/".startswith(f"{common}/") for folder in folders) and common.count("/") > 2:
            common = common.rpartition("/")[0]
        return common
    try:
        return os.path.commonpath([str(Path(path).parent) for path in paths])
    except ValueError:  # two drives of Windows
        return str(Path(paths[0]).parent)


def _fixed_folder(pattern: str) -> str:
    """The folder above the first part that holds a wildcard."""
    folder = Path(pattern)
    while glob.has_magic(str(folder)):
        folder = folder.parent
    return str(folder)
