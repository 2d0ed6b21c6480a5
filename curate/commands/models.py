"""`curate models`: the networks behind the scorers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.commands.compare import compare
from curate.commands.profile import profile
from curate.errors import ModelError
from curate.output import JsonFlag, Output, QuietFlag

if TYPE_CHECKING:
    from curate.models.pack import ModelPack

app = typer.Typer(
    help="List, download, install, verify, convert, measure and compare the networks behind the scorers.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Form(StrEnum):
    pt = "pt"
    onnx = "onnx"


@app.command("list")
def list_models(json: JsonFlag = False, quiet: QuietFlag = False) -> None:
    """The model packs on this machine, and those that can be had."""
    from curate.models.pack import list_packs

    output = Output(json, quiet)
    packs = list_packs()
    output.data(
        [
            {
                "name": pack.name,
                "title": pack.title,
                "version": pack.version,
                "licence": pack.licence.name,
                "folder": str(pack.folder),
                "networks": sorted(pack.networks),
                "accuracy": pack.accuracy,
                "training_data": pack.training_data,
            }
            for pack in packs
        ]
    )
    rows = [(p.name, p.title, p.licence.name, ", ".join(sorted(p.networks)), p.folder) for p in packs]
    output.table(
        ["pack", "what it is", "licence", "networks", "where"], rows, fold=["what it is", "networks", "where"]
    )
    if "libreface" not in {pack.name for pack in packs}:
        output.hint(
            "curate models pull libreface", "Not here yet: libreface (action units, expression, gaze):  "
        )


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A model pack, say lite.", show_default=False)],
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """The card of a model pack: licence, source, what it was trained on, how good it is.

    Examples:

      curate models show lite
    """
    from curate.models.pack import find_pack

    pack = find_pack(name)
    output = Output(json, quiet)
    output.data({"folder": str(pack.folder), **pack.model_dump(mode="json", exclude_defaults=True)})
    output.plain(f"{pack.name} {pack.version}: {pack.title}, in {pack.folder}")
    licence = " ".join(filter(None, (pack.licence.name, pack.licence.url, pack.licence.summary)))
    for title, text in (
        ("licence", licence),
        ("source", pack.source),
        ("training data", pack.training_data),
        ("accuracy", pack.accuracy),
    ):
        output.text(f"\n{title}")
        for line in text.splitlines():
            output.plain(f"  {line}")


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="libreface", show_default=False)],
    form: Annotated[
        Form,
        typer.Option(
            help="pt: libreface 0.2.0, everything, needs torch once. onnx: OpenSense's older set, no gaze, no torch."
        ),
    ] = Form.pt,
    base_url: Annotated[
        str | None, typer.Option(help="A mirror: a web folder that holds the files.", show_default=False)
    ] = None,
    accept_license: Annotated[
        bool, typer.Option("--accept-license", help="I have read and accept the licence.")
    ] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Download a model pack from its official place, verify it, and keep it in the user's cache.

    A download that broke off goes on where it was; nothing is downloaded twice.

    Examples:

      curate models pull libreface

      curate models pull libreface --form onnx --accept-license
    """
    from curate.models import official

    output = Output(json, quiet)
    if name == "libreface" and not accept_license:
        accept_license = _ask(output)
    with _downloads(output) as progress:
        pack = official.pull(
            name, accept_license=accept_license, form=form.value, base_url=base_url, progress=progress
        )
    output.data({"name": pack.name, "folder": str(pack.folder), "networks": sorted(pack.networks)})
    output.plain(f"{pack.title}: verified, in {pack.folder}")
    output.hint("curate score FOLDER", "Next:  ")


@app.command()
def verify(
    name: Annotated[
        str | None, typer.Argument(help="One pack; all of them if left out.", show_default=False)
    ] = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Compare every file of the model packs with the sha256 on their cards."""
    from curate.models.pack import find_pack, list_packs

    output = Output(json, quiet)
    packs = [find_pack(name)] if name else list_packs()
    for pack in packs:
        pack.verify()
        output.plain(f"{pack.name}: {len(pack.files)} files are what the card says")
    output.data([{"name": pack.name, "files": len(pack.files), "verified": True} for pack in packs])


@app.command()
def convert(
    name: Annotated[str, typer.Argument(help="face-mesh or libreface", show_default=False)],
    source: Annotated[
        Path,
        typer.Option(
            "--from",
            help="face-mesh: the wheel mediapipe 0.10.21, or a folder with its tflite files. "
            "libreface: a folder with the official .pt files.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The pack's folder [default: the user's cache].", show_default=False
        ),
    ] = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Make a model pack from the original files: ONNX networks and their card.

    Examples:

      pip download mediapipe==0.10.21 --no-deps

      curate models convert face-mesh --from mediapipe-0.10.21-*.whl -o face-mesh

      curate models convert libreface --from ./weights_libreface
    """
    from curate.models.pack import cache_dir

    output = Output(json, quiet)
    kinds: dict[str, Callable[[Path, Path], ModelPack]] = {"face-mesh": _face_mesh, "libreface": _libreface}
    if name not in kinds:
        raise ModelError(
            "there is nothing to convert", where=name, hint="curate models convert face-mesh|libreface"
        )
    pack = kinds[name](source, out or cache_dir() / "models" / name)
    output.data(
        {"name": pack.name, "folder": str(pack.folder), "files": {n: f.sha256 for n, f in pack.files.items()}}
    )
    output.plain(f"{pack.title}: {len(pack.networks)} networks, in {pack.folder}")


@app.command()
def install(
    folder: Annotated[
        Path, typer.Argument(help="A pack's folder: RUN/pack of a training run.", show_default=False)
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another pack of the same name.")
    ] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Verify a model pack and copy it into the user's cache, where scorers find it under its name.

    Examples:

      curate models install runs/lite/pack
    """
    from curate.models.install import install_pack
    from curate.scorers.scorer import scorer_names

    output = Output(json, quiet)
    pack = install_pack(folder, overwrite=overwrite)
    output.data({"name": pack.name, "folder": str(pack.folder), "networks": sorted(pack.networks)})
    output.plain(f"{pack.title}: verified, in {pack.folder}")
    if pack.name in scorer_names():
        output.hint(f"curate score FOLDER --scorers {pack.name}", "Next:  ")


app.command()(profile)
app.command()(compare)


def _face_mesh(source: Path, out: Path) -> ModelPack:
    from curate.models.face_mesh import convert_face_mesh

    return convert_face_mesh(source, out)


def _libreface(source: Path, out: Path) -> ModelPack:
    from curate.models.libreface import convert_libreface

    return convert_libreface(source, out)


def _ask(output: Output) -> bool:
    """Show the licence and ask; never where nobody can answer."""
    import sys

    from curate.models.libreface import LICENCE

    if not (output.human and sys.stdin.isatty()):
        return False
    output.plain(f"{LICENCE.name}  {LICENCE.url}")
    output.plain(LICENCE.summary)
    return typer.confirm("Do you accept this licence?")


@contextlib.contextmanager
def _downloads(output: Output) -> Iterator[Callable[[str, int, int | None], None] | None]:
    """A bar a file, where there is a terminal and somebody to read it."""
    from rich.console import Console

    console = Console(stderr=True)
    if not output.human or not console.is_terminal:
        yield None
        return
    import rich.progress as bars

    with bars.Progress(
        bars.TextColumn("{task.description}"),
        bars.BarColumn(bar_width=None),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
        console=console,
    ) as bar:
        tasks: dict[str, bars.TaskID] = {}

        def show(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done, total=total)

        yield show
