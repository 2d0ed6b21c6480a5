"""The dataset card: `README.md` with a head in YAML that the hub and `datasets` read, and words for people."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import polars as pl
import yaml

from curate.exports.files import Files
from curate.exports.job import Job
from curate.scorers.columns import BANDS, CATALOGUE, EXPRESSIONS

CARD = "README.md"
_MEASURED = ("temperature", "tone", "valence", "arousal", "confidence", "agreement", "sharpness", "yaw")
_COUNTED = {"expression": EXPRESSIONS, "band": BANDS, "generator": (), "model": ()}
# Names of other people's models may be many.
_ROWS = 20
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>$:@/])")


def escaped(text: str) -> str:
    """Other people's text as text: no markup, no HTML, no link, no line of its own."""
    words = " ".join(
        "".join(c if c.isprintable() or c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text).split()
    )
    return _PUNCTUATION.sub(r"\\\1", words.replace("&", "&amp;").replace("<", "&lt;"))


def fenced(text: str, language: str = "") -> str:
    """A text as a block of code that nothing in it can end."""
    ticks = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def write_card(
    job: Job, files: Files, head: dict[str, Any], columns: Collection[str], licence: str = "unknown"
) -> None:
    """Write `README.md`, in a `last` part.

    Args:
        job: the export.
        files: of the part.
        head: what the format adds to the head: `configs`, `dataset_info`.
        columns: of the score set, those that the format hands on.
        licence: of the pictures, as the hub calls it.
    """
    rows = job.handed_on()
    # A name of a folder may be bytes that are no text.
    name = job.out.resolve().name.encode("utf-8", "replace").decode()
    pictures = job.pictures.height - len(job.left_out)
    size = next((name for most, name in _SIZES if pictures < most), "n>1M")
    yaml_head = {
        "license": licence,
        "task_categories": ["image-classification"],
        "tags": ["faces", "facial-expressions", "action-units", "curate"],
        "size_categories": [size],
        "pretty_name": name,
        **head,
    }
    text = "\n\n".join(
        (
            f"---\n{yaml.safe_dump(yaml_head, sort_keys=False, allow_unicode=True, width=10_000)}---",
            f"# {escaped(name)}",
            f"{pictures:,} pictures with {rows.height:,} faces, measured and chosen with `curate`.",
            *_origin(job),
            *_statistics(rows),
            *_licences(job),
            *_columns(columns),
        )
    )
    files.write(CARD, (text + "\n").encode("utf-8", "replace"))


def _origin(job: Job) -> Iterable[str]:
    """Which set, and what chose from it."""
    manifest = job.scores.manifest
    choice = manifest.choice or {}
    yield "## How it was made"
    yield f"Scored {escaped(manifest.created[:10])} from a source of the kind {escaped(manifest.source.kind)}."
    if "recipe" in choice:
        counts = f"{choice.get('kept', 0):,} of {choice.get('kept', 0) + choice.get('rejected', 0):,} rows"
        yield f"The recipe {escaped(str(choice.get('name', '')))} kept {counts}:"
        yield fenced(str(choice["recipe"]), "yaml")
    elif "query" in choice:
        yield f"A query chose {choice.get('written', 0):,} of {choice.get('faces', 0):,} faces:"
        yield fenced(str(choice["query"]), "sql")
    if job.where is not None:
        yield "Of these, the faces for which this is true were handed on:"
        yield fenced(job.where, "sql")


def _statistics(rows: pl.DataFrame) -> Iterable[str]:
    yield "## Statistics"
    for name, words in _COUNTED.items():
        if name not in rows.columns or rows[name].null_count() == rows.height:
            continue
        counts = dict(rows[name].value_counts(sort=True).iter_rows())
        order = [*(w for w in words if w in counts), *(w for w in counts if w not in words and w is not None)]
        shown = [(escaped(str(w)), f"{counts[w]:,}", f"{counts[w] / rows.height:.1%}") for w in order[:_ROWS]]
        if len(order) > _ROWS:
            rest = sum(counts[w] for w in order[_ROWS:])
            shown.append((f"{len(order) - _ROWS:,} more", f"{rest:,}", f"{rest / rows.height:.1%}"))
        if None in counts:
            shown.append(("none", f"{counts[None]:,}", f"{counts[None] / rows.height:.1%}"))
        yield _table((name, "faces", "share"), shown)
    measured = [name for name in _MEASURED if name in rows.columns and rows[name].count()]
    lines = []
    for name in measured:
        column = rows[name].drop_nulls().cast(pl.Float64)
        values = (column.quantile(share, "linear") for share in (0, 0.25, 0.5, 0.75, 1))
        lines.append((name, *(f"{value:.3g}" for value in values)))
    if lines:
        yield _table(("column", "least", "quarter", "median", "three quarters", "most"), lines)


def _licences(job: Job) -> Iterable[str]:
    yield "## Licences"
    yield "The pictures are under the licence of those who made them; `curate` does not know it."
    packs = job.scores.manifest.packs
    if packs:
        yield "The columns were measured with these models, whose licences may bind what is made with them:"
        lines = [(escaped(n), escaped(p.title), escaped(p.licence)) for n, p in sorted(packs.items())]
        yield _table(("model", "what it is", "licence"), lines)


def _columns(names: Collection[str]) -> Iterable[str]:
    yield "## Columns"
    yield "Displayed expression as scored by these models, not felt emotion."
    known = [column for column in CATALOGUE if column.name in names]
    yield _table(("column", "what it is"), [(f"`{c.name}`", escaped(c.doc)) for c in known])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
