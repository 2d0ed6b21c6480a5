"""A folder, with all that is in it.

In a folder everything is an input, also what is no picture by its name, except

- names that begin with a dot, files and folders;
- folders called `__MACOSX` or `*.scores`;
- files with one of the endings in `OTHER_ENDINGS`: captions, tables, weights, code.

A file without an ending, or with an unknown one, is an input; if it is no picture after all, its row says so.
So does the row of a link that leads nowhere, and of a folder that cannot be listed.

Links to files are followed. A link to a folder is followed unless its target is listed anyway (it lies in the
source, or was reached through another link) or contains the source: no loop is endless.

The order: the files of a folder by name, then its folders by name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from curate.errors import InputError
from curate.sources.source import Source, absolute, as_text, file_input, short_name

_WORDS_AND_TABLES = (
    ".txt .caption .lst .md .rst .log .json .jsonl .ndjson .yaml .yml .toml .ini .xml .html .csv .tsv"
)
_ARRAYS_AND_WEIGHTS = ".parquet .arrow .feather .npy .npz .pkl .h5 .safetensors .ckpt .pt .pth .onnx .gguf"
_CODE_AND_CACHES = ".py .pyc .ipynb .sh .db"  # Windows keeps its thumbnails in Thumbs.db
OTHER_ENDINGS = frozenset(f"{_WORDS_AND_TABLES} {_ARRAYS_AND_WEIGHTS} {_CODE_AND_CACHES}".split())


def open_folder(path: str) -> Source:
    """The pictures in a folder and all its folders.

    Raises:
        InputError: there is none, or the folder cannot be listed.
    """
    root = absolute(path)
    try:
        os.scandir(root).close()
    except OSError as error:
        raise InputError(f"cannot be listed: {error.strerror}", where=as_text(path)) from None
    if next(walk(root), None) is None:
        raise InputError(
            "there are no pictures in this folder",
            where=as_text(path),
            hint="hidden files, tables and captions are no pictures; pass single files by name",
        )
    return Source(
        name=short_name(root),
        kind="folder",
        location=as_text(root),
        inputs=lambda: map(file_input, walk(root)),
        counter=lambda: sum(1 for _ in walk(root)),
    )


def is_other(name: str) -> bool:
    """Whether a file of this name is passed over in a folder."""
    return name.startswith(".") or os.path.splitext(name)[1].lower() in OTHER_ENDINGS  # noqa: PTH122 - 10x faster


def walk(root: str) -> Iterator[str]:
    """The paths of a folder's inputs, in order. It holds the names of one folder at a time, no more.

    A folder that cannot be listed comes out itself: reading it will fail, and the row will say why.
    """
    real_root = os.path.realpath(root)
    reached: set[str] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        prefix = folder if folder.endswith(os.sep) else folder + os.sep
        files: list[str] = []
        folders: list[str] = []
        links: set[str] = set()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = entry.name
                    if not _is_folder(entry):
                        if not is_other(name):
                            files.append(name)
                    elif not passed_over(name):
                        folders.append(name)
                        if entry.is_symlink():
                            links.add(name)
        except OSError:
            yield folder
        files.sort()
        for name in files:
            yield prefix + name
        # Which of two links to one folder is followed must not depend on the order of the disk.
        folders.sort()
        kept = [
            name for name in folders if name not in links or not _known(prefix + name, real_root, reached)
        ]
        waiting.extend(prefix + name for name in reversed(kept))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, say: it cannot be read, and its row will say so
        return False


def passed_over(folder: str) -> bool:
    """Whether nothing of a folder of this name counts."""
    return folder.startswith(".") or folder == "__MACOSX" or folder.endswith(".scores")


def _known(link: str, real_root: str, reached: set[str]) -> bool:
    """Whether what a link to a folder leads to is listed without it."""
    target = os.path.realpath(link)
    if Path(real_root).is_relative_to(target):
        return True
    if Path(target).is_relative_to(real_root):
        inner = Path(target).relative_to(real_root).parts
        if not any(map(passed_over, inner)):
            return True
    if target in reached or any(str(parent) in reached for parent in Path(target).parents):
        return True
    reached.add(target)
    return False


def parquet_files(root: str) -> list[str]:
    """All `.parquet` files in a folder, in order."""
    return sorted(
        str(path)
        for path in Path(root).rglob("*.parquet")
        if not any(map(passed_over, path.relative_to(root).parts))
    )
