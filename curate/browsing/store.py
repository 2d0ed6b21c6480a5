"""The samples of a FiftyOne dataset as documents of its MongoDB collection: read and written many at a time.

FiftyOne makes, checks and keeps a `Sample` for each; for 50,000 faces with 70 fields that takes minutes. Everything
that is not FiftyOne's public interface is in this module.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import polars as pl

from curate.browsing.changes import ID
from curate.browsing.fields import DETECTION, DIGEST_FIELD, EXPRESSION, KEYPOINTS
from curate.browsing.rows import DIGEST, KEY, PLACE, key_of, place_of
from curate.scorers.columns import STATUSES

_READ_AT_ONCE = 10_000
# Nobody's to change: who the sample is, and since when.
_LASTING = ("_id", "_dataset_id", "_rand", "_media_type", "created_at")


def collection(dataset: Any) -> Any:
    """Where a dataset's samples are."""
    return dataset._sample_collection


def dataset_id(dataset: Any) -> Any:
    """The ObjectId that every sample of a dataset carries."""
    return dataset._doc.id


def holder(name: str) -> Mapping[str, Any] | None:
    """What FiftyOne has written of the dataset of this name, even where that cannot be loaded; None where it is free.

    A name is also taken by one that makes the same address, the slug.

    Raises:
        ValueError: no address can be made of it.
    """
    import fiftyone.core.odm as foo
    from fiftyone.core.utils import to_slug

    datasets, slug = foo.get_db_conn().datasets, to_slug(name)
    found: Mapping[str, Any] | None = datasets.find_one({"name": name}) or datasets.find_one({"slug": slug})
    return found


def made() -> list[Mapping[str, Any]]:
    """What FiftyOne has written of each dataset that was made from a score set."""
    import fiftyone.core.odm as foo

    wanted = dict.fromkeys(("name", "info", "sample_collection_name"), True)
    return list(foo.get_db_conn().datasets.find({"info.curate.scores": {"$type": "string"}}, wanted))


def has_some(entry: Mapping[str, Any], contents: Sequence[str]) -> bool:
    """Whether a dataset of which this is written has one of these pictures, by their sha256."""
    import fiftyone.core.odm as foo

    samples = foo.get_db_conn()[entry["sample_collection_name"]]
    return samples.find_one({"sha256": {"$in": list(contents)}}) is not None


def is_empty(entry: Mapping[str, Any]) -> bool:
    """Whether a dataset of which this is written has no samples."""
    import fiftyone.core.odm as foo

    return foo.get_db_conn()[entry["sample_collection_name"]].find_one() is None


def clear_away(name: str) -> None:
    """Delete a dataset that cannot be loaded."""
    import fiftyone.core.odm as foo

    foo.delete_dataset(name)


def samples(dataset: Any) -> pl.DataFrame:
    """Of each sample that an import wrote: `_id` (Binary, 12 bytes), `_key`, `_place` (UInt64), `_digest` (Int64).

    Samples that a person added have no digest and are none of our business.
    """
    wanted = dict.fromkeys(("sha256", "face", "image", "filepath", DIGEST_FIELD), True)
    # Without a condition: MongoDB then has less to look at, and others are few.
    cursor = collection(dataset).find({}, wanted, batch_size=_READ_AT_ONCE)
    parts = [_keys([])]
    while some := list(islice(cursor, _READ_AT_ONCE)):
        parts.append(_keys([_known(one) for one in some if DIGEST_FIELD in one]))
    return pl.concat(parts)


def _known(one: Mapping[str, Any]) -> tuple[Any, ...]:
    get = one.get
    return one["_id"].binary, get("sha256"), get("face"), get("image") or get("filepath"), one[DIGEST_FIELD]


def _keys(part: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    types = {ID: pl.Binary, "sha256": pl.String, "face": pl.Int64, "image": pl.String, DIGEST: pl.Int64}
    frame = pl.DataFrame(part, schema=types, orient="row")
    return frame.select(ID, key_of().alias(KEY), place_of().alias(PLACE), DIGEST)


def write(
    dataset: Any,
    new: Sequence[dict[str, Any]],
    again: Sequence[tuple[bytes, dict[str, Any]]],
    ours: Collection[str],
) -> None:
    """Add samples, and write others again; of those stays what others added: fields, tags, ids and tags of labels.

    Args:
        dataset: a FiftyOne dataset.
        new: the samples to add.
        again: the id of a sample, and what it is to be.
        ours: the fields that an import writes; those that a document lacks are emptied.
    """
    from bson import ObjectId
    from pymongo import UpdateOne

    if new:
        collection(dataset).insert_many(new, ordered=False)
    wanted = {ObjectId(number): document for number, document in again}
    if wanted:
        olds = collection(dataset).find({"_id": {"$in": list(wanted)}})
        writes = [_update(UpdateOne, old, wanted[old["_id"]], ours) for old in olds]
        # Samples that this process holds in memory are read anew.
        dataset._bulk_write(writes, ids=[str(number) for number in wanted])


def saved_views(dataset: Any) -> dict[str, Any]:
    """The stages of each saved view, as `stages_of` gives them. FiftyOne would write to each that it loads."""
    return {
        view.name: [_without_id(json.loads(stage)) for stage in view.view_stages]
        for view in dataset._doc.get_saved_views()
    }


def stages_of(view: Any) -> Any:
    """What a view does, without the ids that are others each time."""
    from bson import json_util

    return [_without_id(stage) for stage in json.loads(json_util.dumps(view._serialize()))]


def _without_id(stage: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stage.items() if name != "_uuid"}


def _update(make: Any, old: Mapping[str, Any], document: dict[str, Any], ours: Collection[str]) -> Any:
    new = {name: value for name, value in document.items() if name not in _LASTING}
    own = [tag for tag in old.get("tags") or () if tag not in STATUSES]
    new["tags"] = [*document["tags"], *own]
    for field, inner in ((EXPRESSION, None), (DETECTION, "detections"), (KEYPOINTS, "keypoints")):
        if isinstance(old.get(field), dict) and field in new:
            if inner is None:
                new[field] = _same_label(old[field], new[field])
            else:
                pairs = zip(
                    new[field][inner], _padded(old[field].get(inner), len(new[field][inner])), strict=True
                )
                new[field] = new[field] | {inner: [_same_label(was, now) for now, was in pairs]}
    gone = {name: "" for name in ours if name in old and name not in new}
    return make({"_id": old["_id"]}, {"$set": new, "$unset": gone} if gone else {"$set": new})


def _padded(labels: Any, count: int) -> Iterable[Mapping[str, Any]]:
    had = list(labels or ())[:count]
    return [*had, *({} for _ in range(count - len(had)))]


def _same_label(old: Mapping[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """A label that was written again keeps its id, and the tags that a person gave it."""
    return new | {name: old[name] for name in ("_id", "tags", "attributes") if name in old and name in new}


def remove(dataset: Any, ids: Sequence[bytes]) -> None:
    """Delete samples."""
    for begin in range(0, len(ids), _READ_AT_ONCE):
        dataset.delete_samples([number.hex() for number in ids[begin : begin + _READ_AT_ONCE]])
