"""One training run, in one folder: `fit`.

The folder has `config.yaml` (the recipe as resolved), `run.json` (what made it), `metrics.csv` (a row an epoch),
`checkpoints/` (`last.ckpt`, `best.ckpt`) and `pack/`.
"""

from __future__ import annotations

import contextlib
import csv
import json
import logging
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
    RichProgressBar,
    TQDMProgressBar,
)

from curate.errors import InputError, ModelError, RecipeError
from curate.models.mae import MaskedAutoencoder
from curate.models.networks import FaceNetwork, make_network
from curate.models.training.distillation import Distillation
from curate.models.training.loading import Mesh, loaders
from curate.models.training.measures import LOWER_IS_BETTER, measure
from curate.models.training.module import FaceModule, MaskedModule
from curate.models.training.packing import accuracy_text, fit_temperature, write_run_pack
from curate.models.training.parting import Parts, part
from curate.models.training.recipe import DistillationChoice, TrainingRecipe, dump_recipe, parse_recipe
from curate.models.training.sets import TrainingSet

CONFIG, FACTS, METRICS = "config.yaml", "run.json", "metrics.csv"
_PACKAGES = ("curate-faces", "torch", "lightning", "torchmetrics", "numpy", "polars", "onnx")


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: the run folder.
        checkpoint: the best epoch's.
        metric, value: what it was chosen by, and how good that is.
        epochs: how many were trained.
        figures: everything measured on the validation pictures with the best checkpoint.
        pack: the model pack; None after pre-training.
    """

    folder: Path
    checkpoint: Path
    metric: str
    value: float
    epochs: int
    figures: dict[str, float]
    pack: Path | None


def fit(
    recipe: TrainingRecipe,
    sets: Sequence[TrainingSet],
    out: Path,
    *,
    mesh: Mesh,
    teacher: Path | None = None,
    start: Path | None = None,
    fold: int | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> RunResult:
    """Train as the recipe says.

    Args:
        sets: prepared with the recipe's crop.
        out: the run folder.
        mesh: what augmenting landmarks takes.
        teacher: the run folder of a teacher to distil from, as the recipe's `distillation` says; without one
            the recipe trains plainly.
        start: a run folder whose weights to start from: a pre-training run, or one of the same network.
        fold: the fold that is kept for the test.
        resume: go on where the run in `out` was broken off; a finished one is given back as it is.
        quiet: no progress bar.

    Raises:
        InputError: sets and recipe do not fit, or `out` is taken.
        RecipeError: the recipe does not fit the teacher.
        ModelError: the run folder of `teacher`, `start` or `out` is not what it should be.
    """
    if teacher is None:
        recipe = recipe.model_copy(update={"distillation": None})
    elif recipe.mae is not None:
        raise RecipeError("pre-training has no teacher", where=recipe.name, hint="curate train")
    elif recipe.distillation is None:
        recipe = recipe.model_copy(update={"distillation": DistillationChoice()})
    _check_crops(recipe, sets)
    parts = part(recipe, sets, fold)
    lightning.seed_everything(recipe.seed, verbose=False)
    module = _module(recipe, teacher)
    if start is not None:
        _start_from(module, start)
    facts = _facts(recipe, sets, parts, teacher, start, fold)
    last = _open_folder(out, recipe, facts, resume=resume)
    if last is None and resume and (done := _finished(out)) is not None:
        return done

    train, valid = loaders(recipe, sets, parts, mesh)
    best = _checkpoints(out, recipe)
    with _quiet_lightning():
        trainer = lightning.Trainer(
            accelerator="auto",
            devices=1,
            max_epochs=recipe.epochs,
            precision=_precision(recipe.precision),
            gradient_clip_val=recipe.clip,
            callbacks=[*_callbacks(out, recipe, quiet=quiet), best],
            logger=False,
            enable_progress_bar=not quiet,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=out,
        )
        try:
            trainer.fit(module, train, valid, ckpt_path=last, weights_only=True)
        except SystemExit:
            if trainer.interrupted:  # Lightning makes this of Ctrl-C
                raise KeyboardInterrupt from None
            raise
        checkpoint = out / "checkpoints" / "best.ckpt"
        _load_best(module, checkpoint)
        figures: dict[str, float] = {recipe.metric: float(best.best_model_score or float("nan"))}
        if isinstance(module, FaceModule):
            trainer.validate(module, valid, verbose=False)
            figures = _pack(out, recipe, module, facts)
    with (out / METRICS).open(newline="", encoding="utf-8") as file:
        seconds = sum(float(row["seconds"]) for row in csv.DictReader(file))  # of every part of a resumed run
    facts |= {
        "finished": True,
        "epochs": trainer.current_epoch,
        "seconds": round(seconds, 1),
        "figures": figures,
    }
    _write_json(out / FACTS, facts)
    return _result(out, recipe, facts)


def load_network(run: Path) -> tuple[FaceNetwork, TrainingRecipe]:
    """The trained network of a run folder, in evaluation mode, and the recipe that made it.

    Raises:
        ModelError: there is no such run, it is one of pre-training, or its parts do not fit.
    """
    recipe = _recipe_of(run)
    if recipe.mae is not None:
        raise ModelError("this is a pre-training run: its network answers nothing", where=str(run))
    module = _module(recipe.model_copy(update={"distillation": None}), None)
    _load_best(module, _best_of(run))
    network: FaceNetwork = module.network
    return network.eval(), recipe


def _module(recipe: TrainingRecipe, teacher: Path | None) -> Any:
    tasks = tuple(str(task) for task in recipe.tasks)
    crop, choice = recipe.crop, recipe.network
    network = make_network(
        choice.name, tasks or ("expression",), side=crop.inner, grey=crop.grey, options=choice.options
    )
    if recipe.mae is not None:
        return MaskedModule(recipe, MaskedAutoencoder(network.core.encoder.vit, recipe.mae.mask))
    if teacher is None or recipe.distillation is None:
        return FaceModule(recipe, network)
    taught, its = load_network(teacher)
    if its.crop != crop:
        raise RecipeError(
            f"the teacher saw other crops ({its.crop}) than the student is to see ({crop})",
            where=str(teacher),
            hint="train both with the same `crop`",
        )
    return FaceModule(recipe, network, Distillation(taught, network, recipe.distillation.form))


def _start_from(module: Any, run: Path) -> None:
    """Take over what another run has learnt; heads for other tasks stay fresh."""
    its = _recipe_of(run)
    state = _weights(_best_of(run))
    if its.mae is not None and not isinstance(module, MaskedModule):
        prefix, into = "network.encoder.", "network.core.encoder.vit."
        state = {into + name.removeprefix(prefix): w for name, w in state.items() if name.startswith(prefix)}
        wanted = {name for name in module.state_dict() if name.startswith(into)}
    else:
        wanted = {name for name in module.state_dict() if name.startswith("network.")}
    mine = module.state_dict()
    fitting = {name: w for name, w in state.items() if name in mine and mine[name].shape == w.shape}
    strange = sorted(name for name in wanted - set(fitting) if ".heads." not in name)
    if strange:
        raise ModelError(
            f"the run {its.name} ({its.network.name}) has no weights that fit {strange[0]}"
            + (f" and {len(strange) - 1} more" if len(strange) > 1 else ""),
            where=str(run),
            hint="start from a run of the same network and crop",
        )
    module.load_state_dict(fitting, strict=False)


def _load_best(module: Any, checkpoint: Path) -> None:
    try:
        # A distillation's projection is of no use once it is over.
        state = {name: w for name, w in _weights(checkpoint).items() if name.startswith("network.")}
        module.network.load_state_dict({name.removeprefix("network."): w for name, w in state.items()})
    except RuntimeError as misfit:
        raise ModelError(f"the weights do not fit the recipe: {misfit}", where=str(checkpoint)) from misfit


def _weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    try:
        state: dict[str, torch.Tensor] = torch.load(checkpoint, map_location="cpu", weights_only=True)[
            "state_dict"
        ]
    except Exception as broken:  # unpickling raises whatever it likes
        raise ModelError(f"the checkpoint cannot be read: {broken}", where=str(checkpoint)) from broken
    return state


def _recipe_of(run: Path) -> TrainingRecipe:
    import yaml  # type: ignore[import-untyped, unused-ignore]

    path = run / CONFIG
    if not path.is_file():
        raise ModelError(
            f"there is no {CONFIG}: this is not a run folder", where=str(run), hint="give the folder of a run"
        )
    return parse_recipe(yaml.safe_load(path.read_text(encoding="utf-8")), str(path))


def _best_of(run: Path) -> Path:
    path = run / "checkpoints" / "best.ckpt"
    _recipe_of(run)
    if not path.is_file():
        raise ModelError("the run has no checkpoint yet", where=str(run))
    return path


def _check_crops(recipe: TrainingRecipe, sets: Sequence[TrainingSet]) -> None:
    if not sets:
        raise InputError("there is no training set", hint="name data in the recipe, or on the command line")
    wanted = recipe.crop
    for one in sets:
        if (one.crop.kind, one.crop.side) != (wanted.kind, wanted.side) or one.crop.version != sets[
            0
        ].crop.version:
            raise InputError(
                f"the crops are {one.crop.kind} {one.crop.version} at {one.crop.side} pixels, the recipe wants "
                f"{wanted.kind} {sets[0].crop.version} at {wanted.side}",
                where=str(one.folder),
                hint="prepare the data again",
            )


def _open_folder(out: Path, recipe: TrainingRecipe, facts: dict[str, Any], *, resume: bool) -> Path | None:
    """Make the run folder, or find the checkpoint to go on from (None: there is none, or the run is done)."""
    there = (out / CONFIG).is_file()
    if out.exists() and not there and any(out.iterdir()):
        raise InputError("there is something else already, not a run", where=str(out), hint="use another -o")
    if there and not resume:
        raise InputError(
            "there is a run already", where=str(out), hint="--resume to go on with it, or another -o"
        )
    if there:
        before = json.loads((out / FACTS).read_text(encoding="utf-8"))
        changed = [
            name for name in ("recipe", "data", "teacher", "start", "fold") if before[name] != facts[name]
        ]
        if changed:
            raise InputError(
                f"the run was started with another {', '.join(changed)}",
                where=str(out),
                hint="give it as it was, or use another -o",
            )
        facts |= {"started": before["started"]}
        if before["finished"]:
            return None
        last = out / "checkpoints" / "last.ckpt"
        return last if last.is_file() else None
    out.mkdir(parents=True, exist_ok=True)
    _write_json(out / FACTS, facts)
    (out / CONFIG).write_text(dump_recipe(recipe), encoding="utf-8")
    return None


def _finished(out: Path) -> RunResult | None:
    facts = json.loads((out / FACTS).read_text(encoding="utf-8"))
    return _result(out, _recipe_of(out), facts) if facts["finished"] else None


def _result(out: Path, recipe: TrainingRecipe, facts: dict[str, Any]) -> RunResult:
    figures = facts["figures"]
    pack = out / "pack"
    return RunResult(
        out,
        out / "checkpoints" / "best.ckpt",
        recipe.metric,
        figures[recipe.metric],
        facts["epochs"],
        figures,
        pack if pack.is_dir() else None,
    )


def _facts(
    recipe: TrainingRecipe,
    sets: Sequence[TrainingSet],
    parts: Parts,
    teacher: Path | None,
    start: Path | None,
    fold: int | None,
) -> dict[str, Any]:
    return {
        "recipe": recipe.model_dump(mode="json"),
        "data": [{"folder": str(one.folder.absolute()), **one.facts} for one in sets],
        "pictures": {
            "train": {name: len(rows) for name, rows in parts.train.items()},
            "valid": len(parts.valid),
            "test": len(parts.test),
        },
        "teacher": _origin(teacher),
        "start": _origin(start),
        "fold": fold,
        "versions": {"python": platform.python_version(), **_versions()},
        "commit": _commit(),
        "machine": {
            "system": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "threads": torch.get_num_threads(),
        },
        "command": sys.argv,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "finished": False,
    }


def _origin(run: Path | None) -> dict[str, str] | None:
    from curate.models.pack import sha256_of

    return None if run is None else {"run": str(run.absolute()), "sha256": sha256_of(_best_of(run))}


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _commit() -> str | None:
    """Of the checkout that this file lies in, if it is one."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def _write_json(path: Path, content: dict[str, Any]) -> None:
    partial = path.with_name(f"{path.name}.part")
    partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def _pack(out: Path, recipe: TrainingRecipe, module: FaceModule, facts: dict[str, Any]) -> dict[str, float]:
    """Calibrate on the validation pictures, measure again, write the pack."""
    predictions = dict(module.predictions)
    temperature = 1.0
    if "expression" in predictions:
        temperature = fit_temperature(predictions["expression"], module.labels["expression"])
        predictions["expression"] = predictions["expression"] / temperature
    figures = measure(predictions, module.labels)
    # By the same scale that the epoch was chosen by: before the temperature.
    figures["score"] = float(module.trainer.callback_metrics["score"])
    figures["temperature"] = temperature
    counts = facts["pictures"]
    named = ", ".join(f"{name} ({count:,} pictures)" for name, count in counts["train"].items() if count)
    write_run_pack(
        out / "pack",
        recipe,
        module.network,
        temperature=temperature,
        version=facts["started"][:10],
        source=f"Trained by curate, recipe {recipe.name}, started {facts['started']}, commit {facts['commit']}.",
        training_data=recipe.training_data
        or f"Trained on {named}; validated on {counts['valid']:,} pictures.",
        accuracy=accuracy_text(figures),
    )
    return figures


def _precision(asked: str) -> Any:
    if asked == "auto":
        if not torch.cuda.is_available():
            # bf16 on a CPU is slower than float32 for networks of this size (measured on an AVX512-BF16 Xeon).
            return "32-true"
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[asked]


def _mode(recipe: TrainingRecipe) -> str:
    return "min" if recipe.metric in LOWER_IS_BETTER else "max"


def _checkpoints(out: Path, recipe: TrainingRecipe) -> ModelCheckpoint:
    return ModelCheckpoint(
        dirpath=out / "checkpoints",
        filename="best",
        monitor=recipe.metric,
        mode=_mode(recipe),
        save_last=True,
        auto_insert_metric_name=False,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )


def _callbacks(out: Path, recipe: TrainingRecipe, *, quiet: bool) -> list[Callback]:
    callbacks: list[Callback] = [
        EarlyStopping(recipe.metric, patience=recipe.patience, mode=_mode(recipe), verbose=False),
        _Table(out / METRICS),
    ]
    if recipe.ema is not None:
        callbacks.append(EMAWeightAveraging(decay=recipe.ema))
    if not quiet:
        terminal = sys.stderr.isatty()
        callbacks.append(RichProgressBar() if terminal else TQDMProgressBar(refresh_rate=50))
    return callbacks


class _Table(Callback):
    """Writes metrics.csv: a row an epoch, with every figure that was logged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._began = 0.0

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._began = time.time()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        row = {"epoch": trainer.current_epoch, "seconds": round(time.time() - self._began, 1)}
        row |= {"lr": trainer.optimizers[0].param_groups[0]["lr"]}
        row |= {name: float(value) for name, value in trainer.callback_metrics.items()}
        rows: list[dict[str, Any]] = []
        if self._path.is_file():
            with self._path.open(newline="", encoding="utf-8") as file:
                # A run that goes on repeats the epoch that it was broken off in.
                rows = [old for old in csv.DictReader(file) if int(old["epoch"]) < trainer.current_epoch]
        rows.append(row)
        partial = self._path.with_name(f"{self._path.name}.part")
        with partial.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(
                file, list(dict.fromkeys(name for one in rows for name in one)), lineterminator="\n"
            )
            table.writeheader()
            table.writerows(rows)
        partial.replace(self._path)


@contextlib.contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Without Lightning's advice: on workers (a recipe says how many), on its folder."""
    log = logging.getLogger("lightning.pytorch")
    before = log.level
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for advice in (
                ".*does not have many workers.*",
                ".*exists and is not empty.*",
                ".*treespec, LeafSpec.*",  # of its own use of torch
            ):
                warnings.filterwarnings("ignore", message=advice)
            yield
    finally:
        log.setLevel(before)
