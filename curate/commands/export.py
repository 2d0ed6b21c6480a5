"""`curate export`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sized
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.commands.options import ScoresArgument
from curate.output import INTERRUPTED, JsonFlag, Output, QuietFlag, typed
from curate.place import here
from curate.progress_bar import progress_bar, rate

if TYPE_CHECKING:
    from curate.exports.exported import Exported, Progress

NOT_ALL_EXPORTED = 3
# Longer lists are in the manifest and in --json.
_SHOWN = 10


class Mode(StrEnum):
    copy = "copy"
    hardlink = "hardlink"
    symlink = "symlink"
    reference = "reference"


def export(
    scores: ScoresArgument,
    out: Annotated[Path, typer.Argument(help="The folder to write.", show_default=False, parser=here)],
    to: Annotated[
        str,
        typer.Option(
            help="The format: folder, hf, webdataset, csv, jsonl, parquet, coco, kohya, au, fiftyone.",
            show_default=False,
        ),
    ],
    where: Annotated[
        str | None,
        typer.Option(help="A query: only faces for which it is true.", metavar="QUERY", show_default=False),
    ] = None,
    mode: Annotated[
        Mode | None,
        typer.Option(
            help="folder, coco, kohya, fiftyone: how pictures get there; reference (coco, fiftyone): they stay "
            "where they are [default: copy].",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="folder, kohya: a column whose values become folders; kohya: rare ones are repeated more often.",
            show_default=False,
        ),
    ] = None,
    sidecar: Annotated[
        bool | None, typer.Option("--sidecar", help="folder: the columns beside each picture, as JSON.")
    ] = None,
    shard_name: Annotated[
        str | None,
        typer.Option(help="webdataset: what its shards are called [default: faces].", show_default=False),
    ] = None,
    shard_size: Annotated[
        str | None,
        typer.Option(
            help="webdataset, hf: pictures a shard, or bytes (500MB) [default: 1000].",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="hf: the split's name [default: train].", show_default=False)
    ] = None,
    license: Annotated[
        str | None,
        typer.Option(help="hf: of the pictures, for the card, as the hub calls it.", show_default=False),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option(help="hf: then upload it to this dataset of the hub, NAME/REPO.", show_default=False),
    ] = None,
    public: Annotated[
        bool | None, typer.Option("--public", help="hf: everybody may see what is uploaded.")
    ] = None,
    with_landmarks: Annotated[
        bool | None, typer.Option("--with-landmarks", help="parquet, fiftyone: also the mesh of each face.")
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            help="kohya: how often a picture is seen in an epoch [default: 1].", min=1, show_default=False
        ),
    ] = None,
    concept: Annotated[
        str | None,
        typer.Option(
            help="kohya: what the pictures' folder is called [default: the trigger].", show_default=False
        ),
    ] = None,
    trigger: Annotated[
        str | None, typer.Option(help="kohya: the word that is to be learnt.", show_default=False)
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            help='kohya: of the captions, "photo of {trigger}, {aus}" (docs/captions.md).', show_default=False
        ),
    ] = None,
    captions: Annotated[
        Path | None,
        typer.Option(help="kohya: a table of words of your own for captions.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written; write nothing.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an export that is there.")] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Hand on the faces of a score set in a form that other tools open.

    Stopped at any moment, the same command goes on where it was. Sources are read and compared with what was scored,
    never changed.

    Examples:

      curate export keep.scores ./train --to folder --mode hardlink --by expression

      curate export keep.scores ./lora --to kohya --trigger "ohwx person" --repeats 10

      curate export keep.scores ./shards --to webdataset --where "temperature > 60" --dry-run

      curate export keep.scores ./hub --to hf --push me/faces
    """
    output = Output(json, quiet)
    given: dict[str, Any] = {
        "mode": mode.value if mode else None,
        "by": by,
        "sidecar": sidecar,
        "shard_name": shard_name,
        "shard_size": shard_size,
        "split": split,
        "license": license,
        "push": push,
        "public": public,
        "with_landmarks": with_landmarks,
        "repeats": repeats,
        "concept": concept,
        "trigger": trigger,
        "template": template,
        "captions": captions,
    }
    from curate.exports.export import export as run
    from curate.exports.export import make_format

    format = make_format(to, {option: value for option, value in given.items() if value is not None})
    try:
        with _progress(output) as on_progress:
            exported = run(
                scores,
                out,
                to=format,
                where=where,
                dry_run=dry_run,
                overwrite=overwrite,
                on_progress=on_progress,
            )
    except KeyboardInterrupt:
        output.text("\nStopped. What was written is kept: the same command goes on from here.")
        raise typer.Exit(INTERRUPTED) from None
    output.data(exported.document())
    _tell(exported, output)
    if not exported.complete:
        raise typer.Exit(NOT_ALL_EXPORTED)


def _tell(exported: Exported, output: Output) -> None:
    from curate.commands.score import duration

    rows = [("faces", f"{exported.rows:,}"), ("pictures", f"{exported.pictures:,}")]
    rows.append(("files", f"{exported.files:,}"))
    if exported.bytes is not None:
        rows.append(("of the pictures" if exported.dry_run else "together", _size(exported.bytes)))
    if exported.kept:
        rows.append(("there from before", f"{exported.kept:,} of {exported.parts:,} parts"))
    for why, n in exported.left_out_rows.items():
        rows.append((f"rows left out: {why.replace('_', ' ')}", f"{n:,}"))
    rows.append(("time", duration(exported.seconds)))
    rows.append(("would be written to" if exported.dry_run else "written to", typed(exported.folder)))
    output.table(["", ""], rows)
    if exported.renamed:
        output.text(f"{_pictures(exported.renamed)} called otherwise, so that every system takes all names:")
        _list(output, [f"{name} -> {path}" for path, name in exported.renamed.items()])
    if exported.left_out:
        output.text(f"{_pictures(exported.left_out)} left out:")
        _list(output, [f"{image}: {why}" for image, why in exported.left_out.items()])
    if exported.dry_run:
        output.text("Nothing was written. Contents are compared with what was scored when it is.")


def _pictures(some: Sized) -> str:
    return "1 picture is" if len(some) == 1 else f"{len(some):,} pictures are"


def _list(output: Output, lines: list[str]) -> None:
    for line in lines[:_SHOWN]:
        output.plain(f"  {line}")
    if len(lines) > _SHOWN:
        output.text(f"  ... and {len(lines) - _SHOWN:,} more (--json has them all)")


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


@contextlib.contextmanager
def _progress(output: Output) -> Iterator[Callable[[Progress], None]]:
    """What shows an export's progress."""
    with progress_bar(output) as bar:
        if bar is None:
            yield lambda _: None
            return
        task = bar.add_task("starting", total=None, rate="")

        def show(progress: Progress) -> None:
            if bar.tasks[0].total is None:
                # What was there before took no time, and tells nothing of the rate.
                bar.reset(task, total=progress.total, completed=progress.kept, description="writing", rate="")
            bar.update(task, completed=progress.done, rate=rate(bar, task, progress.unit))

        yield show
