"""*Export*: the faces that are seen, handed on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import polars as pl
from fiftyone.operators import types

from curate.browsing.current import current_view
from curate.browsing.operators.faces import rows_of_samples
from curate.browsing.operators.operator import FaceOperator
from curate.chosen import rows_at, source_record, write_chosen
from curate.errors import ExportError, InputError
from curate.exports.export import Exported, Progress, export, make_format
from curate.exports.formats import FORMATS
from curate.manifest import FILE, read_manifest
from curate.scoreset import SUFFIX, ScoreSet

_VIEW, _ALL = "the current view", "the whole set"
# What a set of this operator's making says of itself.
_KIND = "view"
_MODES = ("copy", "hardlink", "symlink")


class ExportFaces(FaceOperator):
    """Any of the formats of `curate export`; of a part of the set a score set is kept beside the export."""

    name_ = "export_faces"
    label = "Export faces"
    icon = "ios_share"
    description = "Hand on the faces of the current view: a folder, a table, a training set ..."
    submit = "Export"
    generator = True

    def form(self, ctx: Any, inputs: Any, source: ScoreSet) -> None:
        formats = types.DropdownView()
        for name, (_, what) in FORMATS.items():
            formats.add_choice(name, label=name, description=what)
        inputs.enum("to", formats.values(), label="Format", view=formats, required=True)
        which = types.RadioGroup()
        for each in (_VIEW, _ALL):
            which.add_choice(each, label=each)
        inputs.enum("which", which.values(), label="Faces of", view=which, default=_VIEW)
        to = ctx.params.get("to")
        if not to:
            return
        if to == "folder":
            modes = types.RadioGroup()
            for mode in _MODES:
                modes.add_choice(mode, label=mode)
            inputs.enum("mode", modes.values(), label="Pictures", view=modes, default=_MODES[0])
            inputs.str("by", label="Sub-folders by", description="A column: expression, band, model ...")
        out = _out(ctx, source)
        inputs.str("out", label="Folder", description=f"Left empty: {_place(source, to)}", required=False)
        if out.exists():
            inputs.bool("overwrite", label=f"Replace the export {out.name}, if it is one", default=False)
        with tempfile.TemporaryDirectory(prefix="curate-export-") as scratch:
            part = _part(ctx, source)
            some = source if part is None else _chosen(source, part, Path(scratch) / f"part{SUFFIX}")
            inputs.md(_foreseen(_export(ctx, some, out, dry_run=True)), name="foreseen")

    def stream(self, ctx: Any, source: ScoreSet) -> Iterator[Any]:
        out = _out(ctx, source)
        part = _part(ctx, source)
        some = source
        if part is not None:
            beside = out.with_name(f"{out.name}{SUFFIX}")
            if out.exists() and not ctx.params.get("overwrite") and not beside.exists():
                raise ExportError("is there already", where=str(out), hint="name another folder")
            some = _chosen(source, part, beside)
        said: SimpleQueue[Progress | None] = SimpleQueue()
        with ThreadPoolExecutor(1) as worker:
            running = worker.submit(_export, ctx, some, out, dry_run=False, said=said)
            running.add_done_callback(lambda _: said.put(None))
            share = -1
            while (progress := said.get()) is not None:
                now = 100 * progress.done // max(progress.total, 1)
                if now != share:
                    share = now
                    label = f"{progress.done:,} of {progress.total:,} {progress.unit}"
                    yield ctx.ops.set_progress(label=label, progress=share / 100)
            done = running.result()
        yield ctx.ops.notify(_told(done), variant="success" if done.complete else "warning")


def _export(
    ctx: Any, source: ScoreSet, out: Path, *, dry_run: bool, said: SimpleQueue[Progress | None] | None = None
) -> Exported:
    to = ctx.params.get("to")
    if not to:
        raise ExportError("in which format?", hint="choose one")
    options: dict[str, object] = {}
    if to == "folder":
        options["mode"] = ctx.params.get("mode") or _MODES[0]
        if by := (ctx.params.get("by") or "").strip():
            options["by"] = by
    return export(
        source,
        out,
        to=make_format(to, options),
        dry_run=dry_run,
        overwrite=bool(ctx.params.get("overwrite")),
        on_progress=(lambda _: None) if said is None else said.put,
    )


def _part(ctx: Any, source: ScoreSet) -> pl.Series | None:
    """The rows of the current view, ascending; None where it has all that were scored, or all are asked for."""
    if ctx.params.get("which") == _ALL:
        return None
    scored = current_view(ctx).match({"status": "ok"}).values("id")
    if not scored:
        raise ExportError("the current view has no face to hand on", hint="show some first")
    rows = rows_of_samples(source, ctx.dataset, scored).unique().sort()
    if not len(rows):
        raise ExportError(
            "the faces of the current view are not in the score set",
            where=str(source.place),
            hint="they were rejected by the recipe; open the set that it was applied to",
        )
    return None if len(rows) == source.manifest.statuses.get("ok") else rows


def _chosen(source: ScoreSet, rows: pl.Series, out: Path) -> ScoreSet:
    """The part of a set that is handed on, as a set: so that the export can be repeated, and says where it is from."""
    if out.exists() and not _ours(out):
        raise InputError(
            "is there already, and the faces of the view are kept there",
            where=str(out),
            hint="name another folder to export to",
        )
    choice = {"kind": _KIND, "made": "in the app", "source": source_record(source), "written": len(rows)}
    return write_chosen(source, rows_at(source.stored(), rows), out, choice=choice, overwrite=True)


def _ours(folder: Path) -> bool:
    if not (folder / FILE).is_file():
        return False
    return (read_manifest(folder).choice or {}).get("kind") == _KIND


def _foreseen(done: Exported) -> str:
    parts = [f"**{done.rows:,}** faces of **{done.pictures:,}** pictures"]
    if done.bytes is not None:
        parts.append(f"{done.bytes / 1e6:,.1f} MB of pictures")
    if done.renamed:
        parts.append(f"{len(done.renamed):,} pictures get another name")
    text = ", ".join(parts) + f" go to `{done.folder}`."
    if done.left_out:
        text += f"\n\n{len(done.left_out):,} pictures cannot be had: {next(iter(done.left_out.values()))}."
    return text


def _told(done: Exported) -> str:
    left = f"; {len(done.left_out):,} pictures could not be had" if done.left_out else ""
    return f"{done.rows:,} faces of {done.pictures:,} pictures are in {done.folder}{left}"


def _out(ctx: Any, source: ScoreSet) -> Path:
    said = (ctx.params.get("out") or "").strip()
    if not said:
        return _place(source, ctx.params.get("to") or "export")
    path = Path(os.path.expandvars(said)).expanduser()
    return path if path.is_absolute() else source.beside(path.name).parent / path


def _place(source: ScoreSet, to: str) -> Path:
    return source.beside(f"{source.name.removesuffix(SUFFIX)}-{to}")
