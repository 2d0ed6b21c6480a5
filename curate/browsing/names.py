"""Which FiftyOne dataset is a score set's: found by what it says of itself, or made."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curate.browsing import store
from curate.errors import InputError
from curate.scoreset import SUFFIX

# The key of `dataset.info` under which an import says what it has made.
INFO = "curate"
# There: the field of the recipe that the set was chosen by, or None.
RECIPE = "recipe"
_ANOTHER = "--name ANOTHER"


def said_of(dataset: Any) -> dict[str, Any]:
    """What the last import said of itself: `scores` (the folder), `fields`, `views` ..."""
    return dict(dataset.info.get(INFO) or {})


def say(dataset: Any, said: Mapping[str, Any]) -> None:
    """Say it in the dataset, where it is not said already."""
    if dataset.info.get(INFO) != said:
        dataset.info[INFO] = dict(said)
        dataset.save()


def find_dataset(folder: Path, name: str | None = None) -> Any:
    """The dataset of a score set, made where there is none; it is persistent.

    A dataset that cannot be loaded any more is made anew.

    Args:
        folder: the set's, absolute.
        name: None takes the one that was made from this set, or else the folder's name without `.scores`; where that is
            another set's, with 6 digits of the folder's sha256.

    Raises:
        InputError: the name is somebody else's, or impossible.
    """
    mine = store.made_from(str(folder))
    own = [name] if name is not None else _names(folder)
    wanted = next((one for one in own if one in mine), mine[0] if mine and name is None else None)
    if wanted is not None:
        return _load(wanted, folder)
    for one in own:
        there = store.named(one)
        if there is None or _is_blank(there):
            return _load(one, folder) if there else _make(one, folder)
        if not _ours(there):
            raise InputError(
                f"FiftyOne has a dataset `{one}` that is not curate's", where=str(folder), hint=_ANOTHER
            )
    other = _ours(store.named(own[-1]) or {})
    raise InputError(f"the dataset `{own[-1]}` is made from {other}", where=str(folder), hint=_ANOTHER)


def _names(folder: Path) -> list[str]:
    stem = re.sub(r"[^\w.]+", "-", folder.name.removesuffix(SUFFIX), flags=re.ASCII).strip("-.") or "scores"
    return [stem, f"{stem}-{hashlib.sha256(str(folder).encode()).hexdigest()[:6]}"]


def _ours(entry: Mapping[str, Any]) -> str | None:
    """The score set that a dataset was made from."""
    return ((entry.get("info") or {}).get(INFO) or {}).get("scores")


def _is_blank(entry: Mapping[str, Any]) -> bool:
    """Whether it is one that an import was killed over, right after making it."""
    return not entry.get("info") and store.is_empty(entry)


def _load(name: str, folder: Path) -> Any:
    import fiftyone as fo

    try:
        dataset = fo.load_dataset(name, reload=True)
        dataset.persistent = True
        if dataset.media_type is None:
            dataset.media_type = "image"
        say(dataset, {**said_of(dataset), "scores": str(folder)})
    except Exception:  # whatever is broken in it: the score set has everything
        store.clear_away(name)
        return _make(name, folder)
    return dataset


def _make(name: str, folder: Path) -> Any:
    import fiftyone as fo

    try:
        dataset = fo.Dataset(name, persistent=True)
    except ValueError as error:
        raise InputError(str(error).splitlines()[0], where=str(folder), hint=_ANOTHER) from error
    dataset.media_type = "image"
    say(dataset, {"scores": str(folder)})
    return dataset
