"""What became of every input: scored or not, and why."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from curate.decisions import COLUMN as DECISION
from curate.decisions import DECISIONS
from curate.output import visible
from curate.reports.album import name_of
from curate.reports.material import Material
from curate.reports.wording import count, listed, percent

_REASONS, _NAMES, _LONG = 5, 3, 200
_DECIDED = {"accept": "accepted", "reject": "rejected"}
_MEANING = {
    "ok": "scored",
    "no_face": "no face was found",
    "unreadable": "the file cannot be read",
    "too_small": "the face is too small",
    "too_large": "the picture is too large",
    "crashed": "a worker died on it",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why inputs were not scored: in words, how many, and the first of them by name."""

    words: str
    inputs: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """A status, what it means, its rows, and the most frequent reasons; `more` reasons are not listed."""

    name: str
    meaning: str
    rows: int
    share: str
    portion: float
    reasons: tuple[Reason, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Statuses:
    """What the section shows; `what` says what kind of set it is, `decisions` what people said: word, faces, share."""

    finding: str
    what: str
    statuses: tuple[Status, ...]
    decisions: tuple[tuple[str, int, str], ...]


def statuses(material: Material) -> Statuses:
    """Counts by status with the reasons."""
    rows = material.rows
    pictures = rows["image"].n_unique()
    scored = material.faces["image"].n_unique()
    several = material.faces.height - scored
    told = tuple(_status(rows, name, n) for name, n in material.stats.statuses.items())
    finding = f"{count(pictures, 'picture')}: "
    if not rows.height:
        finding = "The set is empty: it has no rows."
    elif scored == pictures:
        finding += "all were scored"
    elif scored:
        finding += f"{scored:,} scored ({percent(scored, pictures)}), {pictures - scored:,} not"
    else:
        finding += "none was scored"
    if rows.height:
        finding += f"; {count(several, 'more face')} in pictures with several." if several else "."
    return Statuses(finding, _what(material), told, _decided(material.faces))


def _decided(faces: pl.DataFrame) -> tuple[tuple[str, int, str], ...]:
    """Faces by what people decided about them; nothing where nobody decided."""
    decided = faces[DECISION] if DECISION in faces.columns else pl.Series(DECISION, [], pl.String)
    if decided.null_count() == len(decided):
        return ()
    counts = [(_DECIDED[word], int((decided == word).sum())) for word in DECISIONS]
    return tuple(
        (word, n, percent(n, faces.height)) for word, n in (*counts, ("undecided", decided.null_count()))
    )


def _what(material: Material) -> str:
    """Where the pictures are from, what they are, and who scored them."""
    manifest = material.scores.manifest
    told = f"Pictures from the {manifest.source.kind} {visible(manifest.source.location)}"
    told += f" (split {visible(manifest.source.split)})" if manifest.source.split else ""
    if material.has("format"):
        formats = (
            material.faces["format"]
            .drop_nulls()
            .value_counts()
            .sort("count", "format", descending=[True, False])
        )
        told += f", {listed(formats['format'].head(3))}"
    if material.has("width", "height"):
        width, height = (int(material.faces[name].median() or 0) for name in ("width", "height"))  # type: ignore[arg-type]
        told += f", typically {width:,} x {height:,} pixels"
    scorers = listed(f"{name} {record.version}" for name, record in manifest.scorers.items())
    told += f". Scored by {scorers or 'nobody'} on {(manifest.finished or manifest.created)[:10]}."
    if manifest.choice is not None:
        told += " It is a part of another set, chosen as told below."
    return told


def _status(rows: pl.DataFrame, name: str, n: int) -> Status:
    reasons: list[Reason] = []
    more = 0
    if name != "ok":
        some = rows.filter(pl.col("status") == name)
        errors = pl.col("error") if "error" in rows.columns else pl.lit(None, pl.String)
        table = some.group_by(errors.fill_null("no reason was noted").alias("error")).agg(
            pl.len(), pl.col("image").sort().head(_NAMES)
        )
        table = table.sort(["len", "error"], descending=[True, False])
        more = max(0, table.height - _REASONS)
        for words, inputs, names in table.head(_REASONS).iter_rows():
            shown = visible(words)
            shown = shown if len(shown) <= _LONG else f"{shown[:_LONG]}…"
            reasons.append(Reason(shown, inputs, tuple(name_of(image) for image in names)))
    return Status(
        name,
        _MEANING.get(name, name),
        n,
        percent(n, rows.height),
        n / max(1, rows.height),
        tuple(reasons),
        more,
    )
