"""Which FiftyOne dataset is a score set's: found by what it says of itself, taken over from where it was, or made."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from curate.browsing import store
from curate.errors import InputError
from curate.manifest import FILE
from curate.scoreset import SUFFIX

# The key of `dataset.info` under which an import says what it has made.
INFO = "curate"
# There: the field of the recipe that the set was chosen by, or None.
RECIPE = "recipe"
# There: when (seconds) a person last gave the dataset to the set by its name; of several the last is the set's.
_CALLED = "called"
# The fields that FiftyOne itself gives every dataset.
_GIVEN = {"id", "filepath", "tags", "metadata", "created_at", "last_modified_at"}
_ANOTHER = "--name ANOTHER"


def said_of(dataset: Any) -> dict[str, Any]:
    """What the last import said of itself: `scores` (the folder), `fields`, `views` ..."""
    return dict(dataset.info.get(INFO) or {})


def say(dataset: Any, said: Mapping[str, Any]) -> None:
    """Say it in the dataset, where it is not said already."""
    if dataset.info.get(INFO) != said:
        dataset.info[INFO] = dict(said)
        dataset.save()


def find_dataset(folder: Path, name: str | None = None, contents: Callable[[], Sequence[str]] = list) -> Any:
    """The dataset of a score set, made where there is none; it is persistent.

    A set that was moved or renamed gets its dataset back: one that was made from a folder where no score set is any
    more. Without a name it has to be from a folder of the same name, and to have pictures of this set.

    Args:
        folder: the set's, absolute.
        name: None takes the one that was made from this set, or else the folder's name without `.scores`; where that is
            another set's, with 6 digits of the folder's sha256. The dataset that the set has is renamed to another.
        contents: gives the sha256 of pictures of the set.

    Raises:
        InputError: the name is somebody else's, or impossible; the dataset cannot be loaded.
    """
    mine = sorted((e for e in store.made() if _source(e) == str(folder)), key=_order)
    if name is not None:
        return _called(name, folder, [entry["name"] for entry in mine])
    left = mine or sorted((e for e in store.made() if _is_left_by(e, folder, contents)), key=_order)
    if left:
        return _load(left[0]["name"], folder)
    one, other = _names(folder)
    there = _holder(one, folder)
    if there is not None and _source(there) is not None:
        one, there = other, _holder(other, folder)
    if there is None:
        return _make(one, folder)
    if there["name"] != one or not _is_blank(there):
        raise _refusal(there, folder)
    return _load(one, folder)


def _called(name: str, folder: Path, mine: Sequence[str]) -> Any:
    """The dataset of this name: the set's own is renamed, one that was left behind is taken over."""
    if mine and mine[0] == name:
        return _load(name, folder)
    there = _holder(name, folder)
    if there is None or (mine and there["name"] == mine[0]):
        dataset = _renamed(mine[0], name, folder) if mine else _make(name, folder)
    elif there["name"] in mine or (there["name"] == name and (_is_blank(there) or _is_left(there))):
        dataset = _load(there["name"], folder)
    else:
        raise _refusal(there, folder)
    say(dataset, {**said_of(dataset), _CALLED: time.time()})
    return dataset


def _names(folder: Path) -> tuple[str, str]:
    stem = re.sub(r"[^\w.]+", "-", _stem(folder), flags=re.ASCII).strip("-.")
    # Of signs alone FiftyOne makes no address.
    stem = stem if stem.strip("-._") else "scores"
    return stem, f"{stem}-{hashlib.sha256(str(folder).encode()).hexdigest()[:6]}"


def _stem(folder: Path) -> str:
    return folder.name.removesuffix(SUFFIX)


def _holder(name: str, folder: Path) -> Mapping[str, Any] | None:
    """The dataset that has this name, or one that makes the same address."""
    try:
        return store.holder(name)
    except ValueError as error:
        raise InputError(_words(error), where=str(folder), hint=_ANOTHER) from error


def _refusal(there: Mapping[str, Any], folder: Path) -> InputError:
    name, source = there["name"], _source(there)
    if source is None:
        reason = f"FiftyOne has a dataset `{name}` that is not curate's"
    else:
        reason = f"the dataset `{name}` is made from {source}"
    return InputError(reason, where=str(folder), hint=_ANOTHER)


def _said(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return (entry.get("info") or {}).get(INFO) or {}


def _source(entry: Mapping[str, Any]) -> str | None:
    """The score set that a dataset was made from."""
    return _said(entry).get("scores")


def _order(entry: Mapping[str, Any]) -> tuple[float, Any]:
    """What a person gave the set last comes first; then what is older, as a copy made in FiftyOne is not."""
    return -(_said(entry).get(_CALLED) or 0), entry["_id"]


def _is_left(entry: Mapping[str, Any]) -> bool:
    """Whether the score set that a dataset was made from is gone from its place."""
    source = _source(entry)
    try:
        return source is not None and not (Path(source) / FILE).is_file()
    except OSError:  # somebody else's
        return False


def _is_left_by(entry: Mapping[str, Any], folder: Path, contents: Callable[[], Sequence[str]]) -> bool:
    """Whether it is likely this set's from before it was moved: a disk may also just not be there at the moment."""
    if _stem(Path(_source(entry) or "")) != _stem(folder) or not _is_left(entry):
        return False
    return store.has_some(entry, contents())


def _is_blank(entry: Mapping[str, Any]) -> bool:
    """Whether it is one that an import was killed over, right after making it: nobody has put anything in."""
    try:
        names = {field["name"] for field in entry.get("sample_fields") or ()}
        fields = {name for name in names if not name.startswith("_")}
    except (TypeError, KeyError, AttributeError):
        return False
    added = fields - _GIVEN or entry.get("info") or entry.get("saved_views")
    return not added and store.is_empty(entry)


def _load(name: str, folder: Path) -> Any:
    import fiftyone as fo

    try:
        dataset = fo.load_dataset(name, reload=True)
    except Exception as error:  # whatever it is: a person's work may be in it
        if _is_blank(store.holder(name) or {}):
            store.clear_away(name)
            return _make(name, folder)
        reason = f"the dataset `{name}` cannot be loaded: {_words(error)}"
        raise InputError(reason, where=str(folder), hint=f"{_ANOTHER} makes a new one") from error
    dataset.persistent = True
    if dataset.media_type is None:
        dataset.media_type = "image"
    say(dataset, {**said_of(dataset), "scores": str(folder)})
    return dataset


def _renamed(old: str, name: str, folder: Path) -> Any:
    """The dataset `old` under this name; a new one where that cannot be loaded."""
    try:
        dataset = _load(old, folder)
    except InputError:
        return _make(name, folder)
    try:
        dataset.name = name
    except ValueError as error:
        raise InputError(_words(error), where=str(folder), hint=_ANOTHER) from error
    return dataset


def _make(name: str, folder: Path) -> Any:
    import fiftyone as fo

    try:
        dataset = fo.Dataset(name, persistent=True)
    except ValueError as error:
        raise InputError(_words(error), where=str(folder), hint=_ANOTHER) from error
    dataset.media_type = "image"
    say(dataset, {"scores": str(folder)})
    return dataset


def _words(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
