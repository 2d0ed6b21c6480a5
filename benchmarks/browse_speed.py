"""How long a score set takes into FiftyOne: all at once, again, with 1 % changed, and the way FiftyOne's manual shows.

    python benchmarks/browse_speed.py SCORES [--plain 50000]

SCORES is a set of made rows (`python benchmarks/make_rows.py SCORES --rows 50000`); it is copied, not changed. The
MongoDB is one of its own in a temporary folder. The plain way is `add_samples` for pictures, tags and labels, and
`set_values` for each other column; it makes no indexes, views or sidebar, which the import does.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

import mongod
import polars as pl

from curate.scorers.columns import EXPRESSIONS
from curate.shards import list_shards

_BOX = ("box_x", "box_y", "box_w", "box_h")


def peak() -> float:
    """MB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def timed(name: str, figures: dict[str, float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    figures[name] = round(time.perf_counter() - began, 2)
    print(f"{name}: {figures[name]} s", file=sys.stderr)


def plain(rows: pl.DataFrame) -> Any:
    """The same samples, by FiftyOne's public interface."""
    import fiftyone as fo

    units = [name for name in rows.columns if name.startswith("au") and name[2:4].isdigit()]

    def sample(row: dict[str, Any]) -> Any:
        values: dict[str, Any] = {"filepath": row["image"], "tags": [row["status"]]}
        if row["expression"] is not None:
            values["expression"] = fo.Classification(
                label=row["expression"],
                confidence=row["confidence"],
                **{name: row[name] for name in EXPRESSIONS},
            )
            values["detection"] = fo.Detections(
                detections=[
                    fo.Detection(
                        label=row["expression"],
                        bounding_box=[row[name] for name in _BOX],
                        confidence=row["confidence"],
                        **{name: row[name] for name in units},
                    )
                ]
            )
        return fo.Sample(**values)

    dataset = fo.Dataset("plain")
    dataset.add_samples((sample(row) for row in rows.iter_rows(named=True)), dynamic=True)
    for name in rows.columns:
        if name in ("image", "expression"):
            continue
        column = rows[name].cast(pl.String) if rows[name].dtype == pl.UInt64 else rows[name]
        field = "metadata_source" if name == "metadata" else name
        if column.null_count() < len(column):
            dataset.set_values(field, column.to_list())
    return dataset


def change(folder: Path, share: float) -> None:
    """Have other action units in a share of the rows."""
    for path in list_shards(folder):
        rows = pl.read_parquet(path)
        picked = pl.int_range(pl.len()) % round(1 / share) == 0
        changed = rows.with_columns(au12=pl.when(picked).then(5 - pl.col("au12")).otherwise("au12"))
        changed.write_parquet(path, metadata={"curate": pl.read_parquet_metadata(path)["curate"]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scores", type=Path)
    parser.add_argument(
        "--plain", type=int, default=None, help="rows of the plain way; its time is scaled up"
    )
    arguments = parser.parse_args()
    os.environ["CURATE_CACHE"] = tempfile.mkdtemp()
    mongod.for_this_process()
    import fiftyone as fo

    from curate.browsing.dataset import import_scores

    fo.list_datasets()  # the server is up
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "made.scores"
        shutil.copytree(arguments.scores, folder)
        rows = pl.concat([pl.read_parquet(path) for path in list_shards(folder)])
        count = rows.height
        some = rows.head(arguments.plain or count)
        del rows
        at_start = peak()
        with timed("first", figures):
            import_scores(folder)
        figures["MB more at the peak"] = round(peak() - at_start, 1)
        with timed("nothing changed", figures):
            import_scores(folder)
        change(folder, 0.01)
        with timed("1 % changed", figures):
            done = import_scores(folder)[1]
        assert done.new == done.removed == 0
        assert 0 < done.changed <= count // 100 + 1
        with timed("plain", figures):
            plain(some)
        figures["plain"] *= count / some.height
    figures["plain / first"] = round(figures["plain"] / figures["first"], 2)
    figures["first / 1 % changed"] = round(figures["first"] / figures["1 % changed"], 2)
    print(json.dumps({"rows": count, **figures}, indent=2))


if __name__ == "__main__":
    main()
