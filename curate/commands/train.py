"""`curate train` and `curate distill`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.errors import InputError, ModelError
from curate.output import INTERRUPTED, JsonFlag, Output, QuietFlag, typed
from curate.progress_bar import progress_bar, rate

if TYPE_CHECKING:
    from rich.progress import TaskID

    from curate.models.training.recipe import TrainingRecipe
    from curate.models.training.run import RunResult
    from curate.preparing import Prepared, Progress

_NEEDED = ("torch", "lightning", "torchmetrics", "onnx", "onnxscript")

Recipe = Annotated[
    str | None,
    typer.Argument(help="A .yaml file, or a built-in recipe (--list names them).", show_default=False),
]
Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        help="NAME=PATH: where a data set of the recipe lies; once a data set. A name that is no reader's is a "
        "table (file) or EXPRESSION/*.png (folder).",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="The run folder [default: runs/NAME].", show_default=False),
]
Fold = Annotated[
    int | None,
    typer.Option(min=0, help="Test this fold of the subjects, and train on the others.", show_default=False),
]
Start = Annotated[
    Path | None,
    typer.Option(help="A run whose weights it begins with (pre-training, say).", show_default=False),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in the run folder.")]
Limit = Annotated[
    int | None, typer.Option(min=1, help="At most so many pictures of each data set.", show_default=False)
]
Workers = Annotated[int, typer.Option(min=1, help="Processes that find and cut out faces.")]
List = Annotated[bool, typer.Option("--list", help="The built-in recipes.")]


def train(
    recipe: Recipe = None,
    data: Data = None,
    out: Out = None,
    fold: Fold = None,
    start: Start = None,
    resume: Resume = False,
    limit: Limit = None,
    workers: Workers = 2,
    show: List = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Train a network by a recipe: prepare the data (once), train, and write a run folder with a model pack.

    Examples:

      curate train --list

      curate train lite --data ferplus=ferplus.parquet --data rendered=rendered/labels.csv

      curate train libreface-disfa --data disfa=./DISFA --fold 0 -o runs/disfa-0

      curate train my-recipe.yaml --data mine=labels.csv --limit 1000
    """
    output = Output(json, quiet)
    if show:
        _list(output)
        return
    _train(recipe, data, out, fold, start, resume, limit, workers, output, teacher=None)


def distill(
    teacher: Annotated[
        Path, typer.Option(help="The run folder of the teacher: a run of the same tasks.", show_default=False)
    ],
    recipe: Recipe = None,
    data: Data = None,
    out: Out = None,
    fold: Fold = None,
    start: Start = None,
    resume: Resume = False,
    limit: Limit = None,
    workers: Workers = 2,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Train a small network to have the features of a large one, as LibreFace does.

    Examples:

      curate train teacher.yaml --data ferplus=ferplus.parquet -o runs/teacher

      curate distill lite --teacher runs/teacher --data ferplus=ferplus.parquet -o runs/student
    """
    output = Output(json, quiet)
    _train(recipe, data, out, fold, start, resume, limit, workers, output, teacher=teacher)


def _list(output: Output) -> None:
    from curate.models.training.recipe import built_in_recipes, open_recipe

    recipes = [open_recipe(name) for name in built_in_recipes()]
    output.data([{"name": r.name, "title": r.title, "data": [s.dataset for s in r.data]} for r in recipes])
    rows = [(r.name, r.title, ", ".join(source.dataset for source in r.data)) for r in recipes]
    output.table(["recipe", "what it trains", "data"], rows, fold=["what it trains"])
    output.hint("curate train RECIPE --data NAME=PATH", "Next:  ")


def _train(
    name: str | None,
    data: list[str] | None,
    out: Path | None,
    fold: int | None,
    start: Path | None,
    resume: bool,
    limit: int | None,
    workers: int,
    output: Output,
    *,
    teacher: Path | None,
) -> None:
    if name is None:
        raise InputError("no recipe is named", hint="curate train --list")
    _check_extra()
    from curate.models.training.recipe import open_recipe
    from curate.training_data import parse_data, places, training_sets

    recipe = open_recipe(name)
    out = out or Path("runs") / (recipe.name if fold is None else f"{recipe.name}-fold{fold}")
    _check_folders(out, resume, start, teacher)
    where = places(recipe, parse_data(data or []))
    try:
        with _preparing(output) as on_progress:
            sets, prepared = training_sets(
                recipe, where, limit=limit, workers=workers, on_progress=on_progress
            )
        _tell_data(prepared, [place.dataset for place in where if place.reader], output)
        from curate.models.training.loading import Mesh
        from curate.models.training.run import fit
        from curate.scorers.crop import mirror_points
        from curate.scorers.pose import canonical_face

        result = fit(
            recipe,
            sets,
            out,
            mesh=Mesh(mirror_points().tolist(), canonical_face().tolist()),
            teacher=teacher,
            start=start,
            fold=fold,
            resume=resume,
            quiet=not (output.human and sys.stderr.isatty()),
        )
    except KeyboardInterrupt:
        output.text(
            "\nStopped. Data sets that were prepared are kept; --resume goes on after the last epoch."
        )
        raise typer.Exit(INTERRUPTED) from None
    _tell(result, recipe, prepared, output)


def _check_extra() -> None:
    from importlib.util import find_spec

    from curate.models.checkpoint import TORCH_HINT

    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ModelError(f"training needs {', '.join(missing)}", hint=TORCH_HINT)


def _check_folders(out: Path, resume: bool, start: Path | None, teacher: Path | None) -> None:
    """Say what cannot work before faces are looked for, which may take an hour."""
    for option, run in (("--start", start), ("--teacher", teacher)):
        if run is not None and not (run / "config.yaml").is_file():
            raise InputError("this is not a run folder: no config.yaml", where=f"{option} {run}")
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        if not (out / "config.yaml").is_file():
            raise InputError("there is something else already, not a run", where=str(out), hint="another -o")
        if not resume:
            raise InputError(
                "there is a run already", where=str(out), hint="--resume to go on with it, or another -o"
            )


@contextlib.contextmanager
def _preparing(output: Output) -> Iterator[Callable[[str, Progress], None] | None]:
    """What shows how far each data set is."""
    with progress_bar(output, before="finding faces: ") as bar:
        if bar is None:
            yield None
            return
        tasks: dict[str, TaskID] = {}

        def show(name: str, progress: Progress) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=progress.total, rate="")
            task = tasks[name]
            bar.update(task, completed=progress.done, total=progress.total, rate=rate(bar, task))

        yield show


def _tell_data(prepared: list[Prepared], names: list[str], output: Output) -> None:
    from curate.commands.score import duration

    rows = []
    for name, made in zip(names, prepared, strict=True):
        rate = f"{duration(made.seconds)} ({made.pictures / max(made.seconds, 1e-9):.1f}/s)"
        left_out = (made.no_face, made.unreadable)
        rows.append(
            (
                name,
                *(f"{count:,}" for count in (made.pictures, made.faces, *left_out)),
                "there already" if made.reused else rate,
            )
        )
    if rows:
        columns = ["data set", "pictures", "faces", "no face", "unreadable", "prepared in"]
        output.table(columns, rows, right=columns[1:5])


def _tell(result: RunResult, recipe: TrainingRecipe, prepared: list[Prepared], output: Output) -> None:
    from curate.scorers.scorer import scorer_names

    output.data(
        {
            "run": str(result.folder),
            "pack": str(result.pack) if result.pack else None,
            "epochs": result.epochs,
            "metric": result.metric,
            "value": result.value,
            "figures": result.figures,
            "prepared": [
                {
                    "folder": str(made.folder),
                    "pictures": made.pictures,
                    "faces": made.faces,
                    "no_face": made.no_face,
                    "unreadable": made.unreadable,
                    "reused": made.reused,
                }
                for made in prepared
            ],
        }
    )
    rows = [
        ("epochs", str(result.epochs)),
        (f"best {result.metric}", f"{result.value:.4f} on the validation pictures"),
        ("run", typed(result.folder)),
    ]
    if result.pack is None:
        output.table(["", ""], rows)
        output.hint(f"curate train RECIPE --start {typed(result.folder)} ...", "Next:  ")
        return
    output.table(["", ""], [*rows, ("model pack", typed(result.pack))])
    output.hint(f"curate models install {typed(result.pack)}", "To use it:  ")
    if recipe.name in scorer_names():
        output.hint(f"curate score FOLDER --scorers {recipe.name}", "and then:   ")
    else:
        output.hint("curate models list", "and then:   ")
