"""Score sets that tests write by hand, through the code that writes them in a run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from curate.manifest import Manifest, ScorerRecord, SourceRecord
from curate.scorers.columns import (
    EXPRESSIONS,
    IDENTITY,
    INTENSITY_AUS,
    PRESENCE_AUS,
    expression_columns,
    schema,
)
from curate.shards import Shard, next_shard, write_shard

SOURCE = "/pictures"


def digest(name: str) -> str:
    """The sha256 that a picture of this name has here."""
    return hashlib.sha256(name.encode()).hexdigest()


def write_set(
    folder: Path,
    names: Sequence[str],
    columns: Mapping[str, Sequence[Any]],
    *,
    scorer: str = "test",
    status: Mapping[str, str] | None = None,
    kind: str = "folder",
    source: str = SOURCE,
) -> Path:
    """Write a score set: pictures by name in `source` (or as they are, if they hold a `#` or a root), a row each.

    A name that occurs again is the picture's next face. `status` tells which are not `ok`; those have no scores.
    """
    status = status or {}
    faces: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    for i, name in enumerate(names):
        number = faces.setdefault(name, 0)
        faces[name] += 1
        state = status.get(name, "ok")
        image = name if name.startswith("/") or "#" in name else f"{source}/{name}"
        row: dict[str, Any] = {"image": image, "sha256": digest(name), "status": state}
        if state == "ok":
            row |= {"face": number} | {column: values[i] for column, values in columns.items()}
        rows.append(row)
    known = schema((*IDENTITY, *expression_columns(scorer)))
    types = {c: t for c, t in known.items() if c in schema(IDENTITY) or c in columns}
    types |= {c: pl.Float32 for c in columns if c not in types}
    frame = pl.DataFrame([{c: row.get(c) for c in types} for row in rows], schema=types)
    folder.mkdir(parents=True, exist_ok=True)
    write_shard(Shard(next_shard(folder), "rows", {scorer: "f" * 16}), frame)
    Manifest(
        created="2026-01-01T00:00:00+00:00",
        finished="2026-01-01T00:00:01+00:00",
        source=SourceRecord(kind=kind, location=source),
        options={},
        scorers={
            scorer: ScorerRecord(
                version="1", fingerprint="f" * 16, columns=list(columns), packs=[], options={}
            )
        },
        packs={},
        versions={},
        rows=len(rows),
    ).write(folder)
    return folder


def scores(count: int, seed: int = 0) -> dict[str, list[Any]]:
    """All columns of an expression scorer, drawn from a seed."""
    random = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {f"au{n:02}": (random.random(count) * 5).tolist() for n in INTENSITY_AUS}
    columns |= {f"au{n:02}_p": random.random(count).tolist() for n in PRESENCE_AUS}
    probabilities = random.dirichlet(np.full(len(EXPRESSIONS), 0.5), count)
    columns |= {name: probabilities[:, i].tolist() for i, name in enumerate(EXPRESSIONS)}
    columns["expression"] = [EXPRESSIONS[i] for i in probabilities.argmax(axis=1)]
    columns["confidence"] = probabilities.max(axis=1).tolist()
    return columns


def certain(expressions: Sequence[str]) -> dict[str, list[Any]]:
    """Columns of a scorer that is sure of these expressions (90 %)."""
    rest = 0.1 / (len(EXPRESSIONS) - 1)
    columns: dict[str, list[Any]] = {
        name: [0.9 if told == name else rest for told in expressions] for name in EXPRESSIONS
    }
    return columns | {"expression": list(expressions), "confidence": [0.9] * len(expressions)}
