"""`curate apply` as a function: a recipe held against a score set, what it chooses, and the set that comes of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from curate.affect import Tables, tables_of
from curate.chosen import check_place, rows_at, source_record, write_chosen
from curate.errors import InputError, QueryError, RecipeError
from curate.place import here, place_of
from curate.recipes.association import DEFAULT_COLUMNS, association
from curate.recipes.choose import Choice, plan
from curate.recipes.funnel import REJECTED_BY
from curate.recipes.recipe import Written, open_recipe, parse_recipe
from curate.recipes.shortfall import prompts
from curate.recipes.signal import READS, dead_heads
from curate.scorers.columns import CATALOGUE
from curate.scoreset import ScoreSet, open_scores

REJECTED = "_rejected"
RECIPE = "recipe.yaml"
SHORTFALL = "shortfall.csv"
PROMPTS = "prompts.csv"
# What a step of a recipe measures: the association of these with anything else is what choosing may change.
_MEASURED = "expression"


@dataclass(frozen=True)
class Applied:
    """What a recipe did with a set.

    Attributes:
        recipe: the recipe.
        choice: which rows it keeps, and why not the others.
        before, after: association of the expression with the set's other columns (`association`), among all faces and
            among those that are kept; None where the set has no expressions.
        prompts: for the cells that ran dry; None unless the recipe asks for them.
        warnings: what the user should know.
        folder: the set that was written; None for a dry run.
        files: what is in it beside rows and manifest.
    """

    recipe: Written
    choice: Choice
    before: pl.DataFrame | None
    after: pl.DataFrame | None
    prompts: pl.DataFrame | None
    warnings: tuple[str, ...]
    folder: Path | None
    files: tuple[str, ...]

    def associations(self) -> list[dict[str, Any]]:
        """Columns with Cramér's V before and after, the largest after first.

        `deviation` says what stands out among the kept faces; it, and `deviation_before`, are null where nothing does
        that chance would not explain.
        """
        if self.before is None or self.after is None:
            return []
        before = self.before.select("column", before="v", deviation_before="deviation")
        after = self.after.select("column", "deviation", after="v")
        both = before.join(after, on="column", how="full", coalesce=True)
        return both.sort("after", "column", descending=[True, False], nulls_last=True).to_dicts()

    def document(self) -> dict[str, Any]:
        """All of it, for machines."""
        return {
            "recipe": self.recipe.name,
            "sha256": self.recipe.sha256,
            "rows": self.choice.ledger.height,
            "kept": int(self.choice.kept.sum()),
            **steps_record(self.choice),
            "association": self.associations(),
            "prompts": [] if self.prompts is None else self.prompts.to_dicts(),
            "warnings": list(self.warnings),
            "folder": None if self.folder is None else str(self.folder),
        }


def apply(
    recipe: str | Path | Written,
    scores: str | Path,
    out: str | Path | None = None,
    *,
    affect: str | Path | None = None,
    words: str | Path | None = None,
    overwrite: bool = False,
) -> Applied:
    """Choose faces by a recipe.

    Args:
        recipe: a built-in one's name, a file, or one that is read already.
        scores: a score set.
        out: the set to write; None writes nothing.
        affect, words: tables in place of, and beside, the shipped ones; `shipped`; or None for the set's own.
        overwrite: replace a set that is there.

    Raises:
        RecipeError, QueryError: the recipe makes no sense, or does not fit the set.
        InputError: a set cannot be read, or the new one not be written.
    """
    written = recipe if isinstance(recipe, Written) else open_recipe(recipe)
    likes = {name: open_scores(name) for name in written.recipe.likes}
    source = open_scores(scores)
    tables = tables_of(source.folder, source.manifest, affect, words)
    return _apply(written, source, likes, out, tables, overwrite=overwrite)


def _apply(
    written: Written,
    source: ScoreSet,
    likes: Mapping[str, ScoreSet],
    out: str | Path | None,
    tables: Tables,
    *,
    overwrite: bool,
) -> Applied:
    target = here(out) if out is not None else None
    if target is not None:
        for read in (source, *likes.values()):
            check_place(read, target, overwrite=overwrite)
    rows = source.scan(tables)
    with _in(written):
        planned = plan(written.recipe, source.schema(rows), tables.lexicon)
        choice = planned.choose(source.collect(rows.select(planned.reads)), _targets(written, likes, tables))
    missing = choice.balanced.missing if choice.balanced is not None else None
    wanted = written.recipe.shortfall
    made = None
    if wanted == "prompts" and missing is not None:
        made = _prompts(missing, tables, written.recipe.seed)
    before, after, warnings = _looked_at(source, rows, choice.kept, tables)
    balanced = choice.balanced
    if balanced is not None and balanced.table["had"].sum() and not balanced.keep.sum():
        warnings.append("no face fits the targets: where several are wanted at once, they exclude each other")
    files: tuple[str, ...] = ()
    if target is not None:
        extra = {SHORTFALL: missing if wanted != "none" else None, PROMPTS: made}
        tabled = {name: table for name, table in extra.items() if table is not None and table.height}
        files = (f"{REJECTED}/", RECIPE, *tabled)
        record = {
            "kind": "recipe",
            "name": written.name,
            "recipe": written.text,
            "sha256": written.sha256,
            "source": source_record(source),
            "like": {name: source_record(like) for name, like in likes.items()},
            "tables": tables.fingerprint,
            "kept": int(choice.kept.sum()),
            "rejected": int((~choice.kept).sum()),
            **steps_record(choice),
        }
        write_chosen(
            source,
            rows_at(rows, choice.kept.arg_true()),
            target,
            choice=record,
            overwrite=overwrite,
            tables=tables,
            more=lambda folder: _write_more(folder, rows, choice, written, tabled),
        )
    return Applied(written, choice, before, after, made, tuple(warnings), target, files)


def repeat(
    chosen: str | Path,
    out: str | Path | None = None,
    *,
    scores: str | Path | None = None,
    overwrite: bool = False,
) -> Applied:
    """Do again what made a chosen set, with the recipe in its manifest and the same input.

    Args:
        chosen: the set.
        out: the set to write; None writes nothing.
        scores: where its input is now, if it has moved.
        overwrite: replace a set that is there.

    Raises:
        InputError: the set was not chosen by a recipe, or its input has changed or is gone.
    """
    opened = open_scores(chosen)
    said = opened.manifest.choice or {}
    if said.get("kind") != "recipe":
        raise InputError(
            "this set was not chosen by a recipe", where=str(chosen), hint="curate apply RECIPE SCORES -o OUT"
        )
    written = parse_recipe(said["recipe"], said["name"])
    anew = f"curate apply {opened.folder / RECIPE} SCORES -o OUT, for the set as it is now"
    source = _unchanged(said["source"], scores, anew)
    likes = {name: _unchanged(record, None, anew) for name, record in said["like"].items()}
    tables = tables_of(opened.folder, opened.manifest)
    if tables.fingerprint != said["tables"]:
        raise InputError(
            "the tables of affect and words are others now",
            where=str(chosen),
            hint="the version of curate that made it: see its manifest",
        )
    return _apply(written, source, likes, out, tables, overwrite=overwrite)


def _unchanged(record: Mapping[str, Any], scores: str | Path | None, hint: str) -> ScoreSet:
    """The set that a manifest names, as it was then, wherever it is now."""
    folder = place_of(str(scores or record["folder"]))
    if isinstance(folder, Path) and not folder.is_dir():
        hint = "curate apply --from-manifest CHOSEN SCORES -o OUT, where SCORES is its new place"
        raise InputError("the set that was chosen from is gone", where=str(folder), hint=hint)
    found = open_scores(folder)
    now = source_record(found)
    if now["sha256"] != record["sha256"]:
        raise InputError("this score set has changed since", where=str(folder), hint=hint)
    if now["decisions"] != record.get("decisions"):
        raise InputError("people have decided otherwise about its faces since", where=str(folder), hint=hint)
    return found


def check(
    recipe: str | Path, scores: str | Path | None = None, *, words: str | Path | None = None
) -> tuple[Written, list[str]]:
    """Hold a recipe against a set, or against all columns there can be; gives it, and its steps by name.

    Raises:
        RecipeError, QueryError: it makes no sense.
    """
    written = open_recipe(recipe)
    opened = None if scores is None else open_scores(scores)
    folder, manifest = (opened.folder, opened.manifest) if opened else (None, None)
    tables = tables_of(folder, manifest, words=words)
    everything = pl.Schema({c.name: c.polars for c in CATALOGUE})
    schema = everything if opened is None else opened.schema(opened.scan(tables))
    likes = {name: open_scores(name) for name in written.recipe.likes}
    with _in(written):
        planned = plan(written.recipe, schema, tables.lexicon)
        if opened is not None:
            rows = opened.collect(opened.scan(tables).select(planned.reads))
            planned.choose(rows, _targets(written, likes, tables))
    recipe_ = written.recipe
    where = len(recipe_.where)
    steps = [f"{where} clause{'s' if where != 1 else ''}"] if where else []
    steps += [name for name in ("dedupe", "balance", "pick") if getattr(recipe_, name) is not None]
    return written, steps


def steps_record(choice: Choice) -> dict[str, Any]:
    """The counts of every step, and the balance, as manifests and `--json` have them."""
    balanced = choice.balanced
    return {
        "steps": [
            {"kind": s.kind, "clause": s.clause, "in": s.rows_in, "out": s.rows_out} for s in choice.steps
        ],
        "balance": None
        if balanced is None
        else {
            "cells": balanced.table.to_dicts(),
            "distances": [
                {name: _finite(getattr(d, name)) for name in d.__slots__} for d in balanced.distances
            ],
        },
    }


def _prompts(missing: pl.DataFrame, tables: Tables, seed: int) -> pl.DataFrame:
    """Prompts for the cells that ran dry."""
    if "column" not in missing.columns:
        return prompts(missing, tables.lexicon, seed)
    # Levels of several marginals, each by itself. What is there but could not be taken needs no more of it.
    short = missing.filter(pl.col("had") < pl.col("wanted")).with_columns(
        missing=pl.col("wanted") - pl.col("had")
    )
    parts = [
        prompts(rows.select(pl.col("level").alias(str(column)), "missing"), tables.lexicon, seed)
        for (column,), rows in short.group_by("column", maintain_order=True)
    ]
    return pl.concat(parts, how="diagonal") if parts else prompts(missing.clear(), tables.lexicon, seed)


@contextlib.contextmanager
def _in(written: Written) -> Iterator[None]:
    """What turns out to be wrong with a recipe names its file."""
    try:
        yield
    except (RecipeError, QueryError) as error:
        error.where = error.where or written.where
        raise


def _targets(written: Written, likes: Mapping[str, ScoreSet], tables: Tables) -> dict[str, pl.DataFrame]:
    """The scored faces of the sets that targets name, as far as the recipe balances by them."""
    balance = written.recipe.balance
    if balance is None:
        return {}
    columns = balance.columns
    found = {}
    for name, other in likes.items():
        rows = other.scan(tables).filter(pl.col("status") == "ok")
        absent = [column for column in columns if column not in other.schema(rows)]
        if absent:
            raise RecipeError(
                f"{name} has no column `{absent[0]}`", where=written.where, hint=f"curate columns {absent[0]}"
            )
        found[name] = other.collect(rows.select(columns))
    return found


def _looked_at(
    source: ScoreSet, rows: pl.LazyFrame, kept: pl.Series, tables: Tables
) -> tuple[pl.DataFrame | None, pl.DataFrame | None, list[str]]:
    """Association before and after, and whether the action units say anything."""
    schema = source.schema(rows)
    if _MEASURED not in schema:
        return None, None, []
    read = (*DEFAULT_COLUMNS, *READS, _MEASURED, "sha256", "face", "image")
    frame = source.collect(rows.select(name for name in schema if name in read))
    # Faces without an expression count for neither; those that were not scored have none.
    return association(frame), association(frame.filter(kept)), dead_heads(frame, tables.affect)


def _write_more(
    folder: Path, rows: pl.LazyFrame, choice: Choice, written: Written, tables: Mapping[str, pl.DataFrame]
) -> None:
    """The rejected rows with their reasons, the recipe, the shortfall."""
    whole = pl.concat([rows.drop("landmarks", strict=False), choice.ledger.lazy()], how="horizontal")
    rejected = whole.filter(pl.col(REJECTED_BY).is_not_null())
    # A folder whose name begins with _ is passed over by whoever reads the set's Parquet files as one table.
    (folder / REJECTED).mkdir()
    rejected.sink_parquet(folder / REJECTED / "part-000000.parquet", compression="zstd", compression_level=1)
    (folder / RECIPE).write_text(written.text, encoding="utf-8")
    for name, table in tables.items():
        table.write_csv(folder / name)


def _finite(value: Any) -> Any:
    """JSON knows no NaN."""
    return None if isinstance(value, float) and value != value else value
