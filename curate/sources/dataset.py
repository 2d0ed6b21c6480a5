"""Hugging Face datasets: on the hub, saved to disk, or as Parquet shards, always through `datasets`.

Of Parquet (here, on the hub, behind URLs) and of saved datasets the rows are handed on by reference, and read where
they are scored; of other kinds the encoded pictures are. None is decoded here. The picture column is the one of the
type `Image`, or else the one that holds bytes (alone, or as a struct `{bytes, path}`); of several, the one that is
called like the first of `COLUMN_NAMES` in `table_columns`. Without a split all splits are read, one after the other,
as `load_dataset` without a split loads them all. The `image` of a row is `LOCATION#SPLIT/ROW`.

Columns that say how a picture was generated (`prompt`, `seed` ..., see `curate.scorers.generation.plain`) come along.

Parquet and the hub are streamed: nothing is copied to the cache before the first picture comes.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.errors import InputError
from curate.scorers.said import Said
from curate.sources.files import common_folder
from curate.sources.folder import parquet_files
from curate.sources.listing import open_text_column
from curate.sources.remote import is_url, shown, source_errors
from curate.sources.source import Input, Source, absolute, as_text, short_name
from curate.sources.table_columns import picture_column, text_column, word_columns
from curate.sources.tables import (
    Columns,
    arrow_inputs,
    features_of,
    parquet_inputs,
    pointed_at,
    rows_of,
    told,
)

if TYPE_CHECKING:
    import datasets

_SHARD = re.compile(r"(\w+)-\d{5}-of-\d{5}\.parquet")
# So many footers are fetched to count the rows behind URLs.
_FOOTERS = 64


def open_saved(path: str, split: str | None = None) -> Source:
    """A folder that `save_to_disk` wrote, of a Dataset or a DatasetDict.

    Raises:
        InputError: it cannot be read, or has no such split, or no picture column.
    """
    import datasets

    root = absolute(path)
    with _said_plainly(path):
        loaded = datasets.load_from_disk(root)
    if isinstance(loaded, datasets.DatasetDict):
        parts: Mapping[str, Any] = loaded
    else:
        parts = {str(loaded.split or "train"): loaded}
    chosen = _choose(parts, split, where=as_text(path))
    files: dict[str, list[str]] = {}
    for name, part in chosen.items():
        if part._indices is not None:  # of an older `datasets`; the rows are not in the order of the files
            files = {}
            break
        files[name] = [file["filename"] for file in part.cache_files]
    count = sum(len(part) for part in chosen.values())
    if not count:
        raise _empty(as_text(path))
    opened = {}
    for name, part in chosen.items():
        with _said_plainly(as_text(root)):
            opened[name] = _decoded_by_nobody(part, as_text(root))

    def inputs() -> Iterator[Input]:
        if not files:
            yield from _rows(opened, as_text(root))
        for name, some in files.items():
            with _said_plainly(as_text(root)):
                yield from arrow_inputs(some, f"{as_text(root)}#{name}", opened[name][0])

    return _source(short_name(root), as_text(root), split, inputs, lambda: count)


def open_parquet(path: str, split: str | None = None) -> Source:
    """A `.parquet` file, or a folder of shards, whose names tell the splits as on the hub.

    Raises:
        InputError: it cannot be read, or has no such split, or no picture column.
    """
    import datasets

    root = absolute(path)
    with _said_plainly(path):
        if Path(root).is_dir() and not glob.has_magic(root):
            builder = datasets.load_dataset_builder(root)
        else:
            # `datasets` takes names for patterns, and a folder with brackets in its name it would not find.
            files = parquet_files(root) if Path(root).is_dir() else [root]
            builder = _parquet_builder(files)
    name = short_name(root) if Path(root).is_dir() else as_text(Path(root).stem)
    return _streamed(builder, name, as_text(root), split, where=as_text(path))


def open_shards(paths: Sequence[str], split: str | None = None) -> Source:
    """Several `.parquet` files, as the shards of one split, `train`, in the order given; or one behind a URL.

    Raises:
        InputError: one cannot be read, or there is no picture column.
    """
    files = [path if is_url(path) else absolute(path) for path in paths]
    folder = as_text(common_folder(files))
    if any(map(is_url, files)):
        one = shown(files[0]) if len(files) == 1 else ""
        name = Path(one).stem if one else short_name("/" + folder.partition("://")[2])
        return _by_split(name, one or folder, {"train": files}, split)
    with _said_plainly(folder):
        builder = _parquet_builder(files)
    return _streamed(builder, short_name(folder), folder, split, where=folder)


def open_url_shards(url: str, files: Sequence[str], split: str | None = None) -> Source:
    """All `.parquet` files below a URL; `NAME-00000-of-00005.parquet` is of the split NAME, others are of `train`.

    Raises:
        InputError: the first cannot be read, or there is no such split, or no picture column.
    """
    parts: dict[str, list[str]] = {}
    for file in files:
        named = _SHARD.fullmatch(file.rpartition("/")[2])
        parts.setdefault(named[1] if named else "train", []).append(file)
    order = sorted(parts, key=lambda part: (part != "train", part))
    location = shown(url)
    return _by_split(
        short_name("/" + location.partition("://")[2]), location, {p: parts[p] for p in order}, split
    )


def _by_split(name: str, location: str, files: Mapping[str, Sequence[str]], split: str | None) -> Source:
    chosen = _choose(files, split, where=location)
    return parquet_source(name, location, chosen, split, where=location)


def open_hub(name: str, split: str | None = None) -> Source:
    """A dataset of the hub, `ORG/NAME`, or `ORG/NAME:CONFIG` where it has several configurations.

    Raises:
        InputError: it is not there, or cannot be reached, or has no such split, or no picture column.
    """
    import datasets

    repository, _, config = name.partition(":")
    with _said_plainly(name, hint=f"if {name} should be a folder: it is not there, look at the spelling"):
        builder = datasets.load_dataset_builder(repository, config or None)
    return _streamed(builder, repository.rpartition("/")[2], name, split, where=name)


def _streamed(
    builder: datasets.DatasetBuilder, name: str, location: str, split: str | None, *, where: str
) -> Source:
    with _said_plainly(where):
        parts = builder.as_streaming_dataset()
    chosen = _choose(parts, split, where=where)
    files = _parquet_of(builder)
    if files is not None:
        features = next(iter(chosen.values())).features
        return parquet_source(
            name, location, {part: files[part] for part in chosen}, split, features, where=where
        )

    def count() -> int | None:
        known = builder.info.splits or {}
        if all(part in known and known[part].num_examples for part in chosen):
            return int(sum(known[part].num_examples for part in chosen))
        return None

    opened = {}
    for part, rows in chosen.items():
        with _said_plainly(location):
            opened[part] = _decoded_by_nobody(rows, location)
    return _source(name, location, split, lambda: _rows(opened, location), count)


def parquet_source(
    name: str,
    location: str,
    files: Mapping[str, Sequence[str]],
    split: str | None,
    features: Mapping[str, Any] | None = None,
    *,
    where: str,
) -> Source:
    """Parquet files, by split: their rows by reference, or what their text column names.

    Args:
        name, location: of the source.
        files: paths or URLs.
        split: the one that was asked for.
        features: their columns; None takes those of the first file.
        where: what the user called it.

    Raises:
        InputError: the first cannot be read, or has no picture column; or none has rows.
    """
    every = [file for part in files.values() for file in part]
    with _said_plainly(where):
        features = features or features_of(every[0])
        text = text_column(features)
        column = text or picture_column(features, where=where)
        if not any(rows_of([file]) for file in every):
            raise _empty(where)
    columns = Columns(column, word_columns(features))
    if text is not None:
        return open_text_column(name, location, every, columns)

    def inputs() -> Iterator[Input]:
        for part, some in files.items():
            with _said_plainly(where):
                yield from parquet_inputs(some, f"{location}#{part}", columns)

    def count() -> int | None:
        if len(every) > _FOOTERS and any(map(is_url, every)):
            return None
        with _said_plainly(where):
            return rows_of(every)

    return _source(name, location, split, inputs, count)


def _empty(where: str) -> InputError:
    return InputError("there are no rows in it", where=where, hint="look at the split, and at what wrote it")


def _parquet_of(builder: datasets.DatasetBuilder) -> Mapping[str, Sequence[str]] | None:
    """The files of a builder that reads nothing but Parquet as it is; None of any other."""
    from datasets.packaged_modules.parquet.parquet import Parquet

    if not isinstance(builder, Parquet) or builder.config.columns or builder.config.filters is not None:
        return None
    files = {
        str(part): [str(file) for file in some] for part, some in (builder.config.data_files or {}).items()
    }
    plain = all(file.endswith(".parquet") and "::" not in file for some in files.values() for file in some)
    return files if files and plain else None


def _source(
    name: str,
    location: str,
    split: str | None,
    inputs: Callable[[], Iterator[Input]],
    count: Callable[[], int | None],
) -> Source:
    return Source(
        name=re.sub(r"[^\w.-]+", "-", f"{name}-{split}" if split else name),
        kind="dataset",
        location=location,
        inputs=inputs,
        counter=count,
    )


def _decoded_by_nobody(rows: Any, location: str) -> tuple[Columns, Any]:
    """What is looked at, and the rows with nothing else, not decoded."""
    import datasets

    if rows.features is None:  # folders of loose pictures tell them by their first rows only
        rows = rows._resolve_features()
    column = picture_column(rows.features, where=location)
    words = word_columns(rows.features)
    if isinstance(rows.features[column], datasets.Image):
        if isinstance(rows, datasets.IterableDataset):
            # Loose pictures of the hub come through a pool of decoding threads: a cast alone is too late.
            rows = rows.decode(False)
        rows = rows.cast_column(column, datasets.Image(decode=False))
    return Columns(column, words), rows.select_columns([column, *words])


def _rows(parts: Mapping[str, tuple[Columns, Any]], location: str) -> Iterator[Input]:
    for part, (columns, rows) in parts.items():
        with _said_plainly(location):
            for index, row in enumerate(rows):
                yield _input(f"{location}#{part}/{index}", row[columns.picture], told(row, columns.words))


def _input(image: str, value: object, said: tuple[Said, ...]) -> Input:
    """An encoded picture, or where it is."""
    if isinstance(value, Mapping):
        path, value = value.get("path"), value.get("bytes")
        if value is None and isinstance(path, str):
            if "::" in path:  # in an archive of the hub: only `datasets` gets at it
                return Input(image=image, data=_remote(path), said=said)
            return pointed_at(image, path, said)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Input(image=image, data=bytes(value), said=said)
    return Input(image=image, said=said)


def _remote(url: str) -> bytes:
    from datasets.utils.file_utils import xopen

    with xopen(url, "rb") as file:
        data: bytes = file.read()
    return data


def _choose(parts: Mapping[str, Any], split: str | None, *, where: str) -> dict[str, Any]:
    names = [str(name) for name in parts]
    if split is None:
        return {str(name): part for name, part in parts.items()}
    if split not in names:
        raise InputError(
            f"there is no split `{split}`; there {'is' if len(names) == 1 else 'are'} {', '.join(names)}",
            where=where,
            hint=f"--split {names[0]}" if names else "",
        )
    return {split: parts[split]}


def _parquet_builder(files: Sequence[str]) -> datasets.DatasetBuilder:
    import datasets

    return datasets.load_dataset_builder(
        "parquet", data_files={"train": [glob.escape(file) for file in files]}
    )


@contextmanager
def _said_plainly(where: str, *, hint: str = "") -> Iterator[None]:
    """Whatever `datasets` raises, as an InputError on one line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if is_url(where):
            with source_errors(where):
                raise
        words = " ".join(str(error).split()) or type(error).__name__
        if "Config name is missing" in words:
            hint = f"curate score {where}:CONFIG"
        elif "OfflineMode" in words:
            hint = f"HF_HUB_OFFLINE is set: unset it to reach the hub; {hint}".rstrip("; ")
        elif "gated" in words or "private" in words:
            hint = "hf auth login"
        raise InputError(words, where=as_text(where), hint=hint) from error
