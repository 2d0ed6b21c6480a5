"""`curate score`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from curate.commands.options import AffectOption, WordsOption
from curate.errors import InputError
from curate.output import INTERRUPTED, JsonFlag, Output, QuietFlag, typed
from curate.progress_bar import progress_bar, rate

if TYPE_CHECKING:
    from curate.progress import Progress
    from curate.summary import Summary

NOT_ALL_SCORED = 3


class Faces(StrEnum):
    largest = "largest"
    all = "all"


class Mesh(StrEnum):
    onnx = "onnx"
    mediapipe = "mediapipe"


class Profile(StrEnum):
    exact = "exact"
    fast = "fast"


class Engine(StrEnum):
    local = "local"
    ray = "ray"


class Device(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def score(
    source: Annotated[
        list[str],
        typer.Argument(
            help="A folder, files, a glob, a .txt list of paths (- for standard input), a Hugging Face data set "
            "(ORG/NAME, a save_to_disk folder, Parquet shards), tar archives; here, or at s3://, gs://, hf:// "
            "(docs/sources.md).",
            show_default=False,
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            help="The score set: a folder, or s3://... [default: NAME.scores, here].",
            show_default=False,
        ),
    ] = None,
    scorers: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated: mesh, quality, lite, libreface, libreface-separate, generation, "
            "fake ... [default: mesh,quality,lite,generation].",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Of a data set, one split [default: all].", show_default=False)
    ] = None,
    faces: Annotated[
        Faces | None,
        typer.Option(help="Of a picture with several faces [default: largest].", show_default=False),
    ] = None,
    landmarks: Annotated[
        bool | None,
        typer.Option(
            "--landmarks/--no-landmarks", help="Keep all 478 landmarks [default: no].", show_default=False
        ),
    ] = None,
    mesh: Annotated[
        Mesh | None,
        typer.Option(
            help="Our face mesh, or the original (extra `mediapipe`) [default: onnx].", show_default=False
        ),
    ] = None,
    metadata: Annotated[
        str | None,
        typer.Option(
            help="A table that says what the pictures were made from: .csv, .tsv, .jsonl, .parquet; or none "
            "[default: metadata.* in the folder].",
            show_default=False,
        ),
    ] = None,
    affect: AffectOption = None,
    words: WordsOption = None,
    device: Annotated[Device, typer.Option(help="Where networks run.")] = Device.auto,
    profile: Annotated[
        Profile | None,
        typer.Option(
            help="How networks run: exact, or fast (extra `openvino`; see `curate models profile`) [default: exact].",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes [default: one a core].", show_default=False)
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=4096,
            help="Pictures a network sees at once [default: 8; 256 on a GPU].",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="Processes on this machine, or Ray (extra `ray`; docs/scale.md).")
    ] = Engine.local,
    address: Annotated[
        str | None,
        typer.Option(
            help="Of a Ray cluster: auto, HOST:PORT [default: RAY_ADDRESS, or a Ray on this machine].",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--overwrite", help="Go on with an existing score set, or start it anew.")
    ] = True,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many pictures.", show_default=False)
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail (exit code 1) unless every input was scored.")
    ] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Measure every face: write a score set that `curate show` and any Parquet reader opens.

    Run it again to go on where it was stopped, or to score what is new; a set keeps the options it was made with.

    Examples:

      curate score ./gan_outputs

      curate score ./gan_outputs --faces all -o all.scores

      curate score "renders/**/*.png" --scorers mesh,quality

      curate score ./renders --metadata prompts.csv

      curate score user/portraits --split train --limit 1000

      curate score s3://bucket/faces -o s3://bucket/faces.scores --engine ray --address auto
    """
    output = Output(json, quiet)
    try:
        from curate import api

        with _progress(output) as on_progress:
            summary = api.score(
                source[0] if len(source) == 1 else source,
                out,
                split=split,
                limit=limit,
                scorers=_names(scorers),
                faces=faces.value if faces else None,
                landmarks=landmarks,
                mesh=mesh.value if mesh else None,
                metadata=metadata,
                affect=affect,
                words=words,
                device=device.value,
                profile=profile.value if profile else None,
                workers=workers,
                batch_size=batch_size,
                engine=engine.value,
                address=address,
                overwrite=not resume,
                on_progress=on_progress,
            )
    except KeyboardInterrupt:
        output.text("\nStopped. What was scored is kept: the same command goes on from here.")
        raise typer.Exit(INTERRUPTED) from None
    _tell(summary, output)
    if not summary.complete:
        if strict:
            missing = sum(summary.statuses.values()) - summary.faces
            if json:
                raise typer.Exit(1)  # the one document has said it
            raise InputError(
                f"{missing:,} inputs were not scored, and --strict was asked for",
                where=str(summary.folder),
                hint=f"curate show {typed(summary.folder)} --status",
            )
        raise typer.Exit(NOT_ALL_SCORED)


def _names(scorers: str | None) -> list[str] | None:
    if scorers is None:
        return None
    names = [name.strip() for name in scorers.split(",") if name.strip()]
    if not names:
        raise InputError("no scorer is named", where="--scorers", hint="--scorers mesh,quality")
    return names


def _tell(summary: Summary, output: Output) -> None:
    output.data(
        {
            "folder": str(summary.folder),
            "inputs": summary.inputs,
            "faces": summary.faces,
            "statuses": summary.statuses,
            "scored": summary.scored,
            "kept": summary.kept,
            "seconds": round(summary.seconds, 3),
            "warnings": list(summary.warnings),
        }
    )
    for warning in summary.warnings:
        output.plain(f"warning: {warning}")
    rows = [("pictures", f"{summary.inputs:,}"), ("faces scored", f"{summary.faces:,}")]
    rows += [(name.replace("_", " "), f"{n:,}") for name, n in summary.statuses.items() if name != "ok"]
    if summary.kept:
        rows.append(("kept from before", f"{summary.kept:,}"))
    rate = f"  ({summary.scored / summary.seconds:.1f} pictures/s)" if summary.scored else ""
    rows.append(("time", f"{duration(summary.seconds)}{rate}"))
    rows.append(("written to", typed(summary.folder)))
    output.table(["", ""], rows)
    output.hint(f"curate show {typed(summary.folder)}", "Next:  ")


def duration(seconds: float) -> str:
    """12.3 s, 4 min 05 s, 3 h 20 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


@contextlib.contextmanager
def _progress(output: Output) -> Iterator[Callable[[Progress], None]]:
    """What shows a run's progress: with counts by status."""
    with progress_bar(output, "statuses") as bar:
        if bar is None:
            yield lambda _: None
            return
        task = bar.add_task("starting", total=None, rate="", statuses="")

        def show(progress: Progress) -> None:
            counts = "  ".join(
                f"{name.replace('_', ' ')} {n:,}" for name, n in progress.statuses.most_common()
            )
            done = progress.scored + progress.kept
            looked_at = progress.listed or progress.checked
            bar.update(
                task,
                description="scoring"
                if done
                else "listing"
                if progress.listed
                else "checking"
                if progress.checked
                else "starting",
                total=progress.total,
                completed=done or looked_at,
                rate=rate(bar, task),
                statuses=counts,
            )

        yield show
