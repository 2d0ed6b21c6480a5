"""A training recipe: one YAML file that says everything about a run but where its data lie.

The built-in ones are in `recipes/`; `open_recipe` takes their names as well as paths.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from curate.errors import RecipeError
from curate.models.pack import Licence

BUILT_IN = Path(__file__).resolve().parent / "recipes"

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Pixels = Annotated[int, Field(ge=8)]
Task = Literal["intensity", "presence", "expression"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkChoice(_Part):
    """`name` is one of `curate.models.networks.NAMES`; `options` are those that this network alone has."""

    name: str
    options: dict[str, Any] = {}


class CropChoice(_Part):
    """Which crops are trained on: `inner` of the stored `side` pixels are seen; `grey` pictures have one channel."""

    kind: Literal["lite", "libreface"] = "lite"
    side: Pixels = 120
    inner: Pixels = 96
    grey: bool = False

    @model_validator(mode="after")
    def _inside(self) -> CropChoice:
        if self.inner > self.side:
            raise ValueError(f"inner ({self.inner}) must not be larger than side ({self.side})")
        return self


class Optimiser(_Part):
    """AdamW. `warmup` is in epochs, and may be a fraction; cosine ends at zero after the last epoch."""

    lr: Positive = 3e-5
    weight_decay: NotNegative = 1e-4
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: NotNegative = 0


class Augmentation(_Part):
    """`strength` scales every change of the pictures; 1 is the recipe's own measure."""

    enabled: bool = True
    strength: NotNegative = 1


class DataSource(_Part):
    """One data set.

    Attributes:
        dataset: the reader's name, and what `dataset` says in the rows of the training set.
        path: where it lies, if the command line does not say.
        share: of each epoch, among the sources that have one; those without take what is left, by size.
        weight: how much one of its pictures counts in the loss.
        balance: 0 takes its pictures as they come; with b, a picture is drawn in proportion to f^-b, f being how
            frequent its expression is, and pictures may come twice.
        splits: what its own splits are used for: `parted` by subject, as rows without a split are, or `unused`.
            `test` is never anything but `test`.
    """

    dataset: str
    path: str | None = None
    share: Share | None = None
    weight: NotNegative = 1
    balance: Share = 0
    splits: dict[
        Literal["train", "valid", "test"], Literal["train", "valid", "test", "parted", "unused"]
    ] = {}

    @field_validator("splits")
    @classmethod
    def _no_test_in_training(cls, splits: dict[str, str]) -> dict[str, str]:
        if splits.get("test", "test") not in ("test", "unused"):
            raise ValueError("a test picture is never trained on or chosen by: `test` may be test or unused")
        return splits


class MaskedPretraining(_Part):
    """Pre-training as a masked autoencoder: `mask` is the share of the patches that are hidden."""

    mask: Annotated[float, Field(gt=0, lt=1)] = 0.75


class DistillationChoice(_Part):
    """How to learn from a teacher, where there is one: loss = alpha * features + alpha * predictions + task loss.

    `paper` is as the paper has it, `code` departs from it as the published code does.
    """

    form: Literal["paper", "code"] = "paper"
    alpha: NotNegative = 1


class TrainingRecipe(_Part):
    """Everything about a run. Defaults are the paper's where it has them.

    Attributes:
        name: of the run, and of the pack it makes.
        network, crop, tasks: what is trained, on what, for what; a task's number is the weight of its loss.
        optimiser, clip, epochs, batch, patience: `clip` is of the gradient's norm; training stops after
            `patience` epochs without a better `metric`.
        metric: what the best epoch is chosen by, on the validation pictures: mean correlation (`pcc`), mean
            F1 (`f1`), `accuracy` of expressions, or the weighted loss (`score`).
        folds: how many, or `published` for the three of LibreFace's DISFA; they part the rows without a split.
        valid: the share of the subjects without a split that validate.
        ema: the decay of the running mean of the weights, which is then what is validated and kept.
        mae: makes this a pre-training run, which has no tasks.
        steps: batches an epoch; without it, as many as the training pictures fill.
        workers: processes that load pictures; 0 is the trainer itself.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    title: str = ""
    network: NetworkChoice
    crop: CropChoice = CropChoice()
    tasks: dict[Task, Positive] = {}
    optimiser: Optimiser = Optimiser()
    clip: Positive = 1.0
    epochs: Count = 20
    batch: Annotated[int, Field(ge=2)] = 256
    steps: Count | None = None
    patience: Count = 5
    metric: Literal["pcc", "f1", "accuracy", "score"] = "score"
    augmentation: Augmentation = Augmentation()
    seed: Annotated[int, Field(ge=0, lt=1 << 20)] = 0
    precision: Literal["auto", "32", "bf16", "16"] = "auto"
    workers: Annotated[int, Field(ge=0)] = 0
    folds: Annotated[int, Field(ge=2)] | Literal["published"] = 5
    valid: Annotated[float, Field(gt=0, lt=1)] = 0.1
    data: list[DataSource] = []
    mae: MaskedPretraining | None = None
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    distillation: DistillationChoice | None = None
    licence: Licence = Licence(name="Apache-2.0")
    training_data: str = ""

    @field_validator("precision", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        return str(value) if isinstance(value, int) else value

    @model_validator(mode="after")
    def _fits(self) -> TrainingRecipe:
        needs = {"pcc": "intensity", "f1": "presence", "accuracy": "expression"}.get(self.metric)
        if self.mae is not None:
            if self.tasks or self.distillation:
                raise ValueError("masked pre-training (mae) has no tasks and no distillation")
            if not self.network.name.startswith("vit_"):
                raise ValueError(f"masked pre-training (mae) is for vit_*, not {self.network.name}")
            if self.metric != "score":
                raise ValueError("masked pre-training (mae) is chosen by its loss: metric is `score`")
        elif not self.tasks:
            raise ValueError("tasks: at least one of intensity, presence, expression")
        elif needs and needs not in self.tasks:
            raise ValueError(f"metric `{self.metric}` needs the task `{needs}`")
        names = [source.dataset for source in self.data]
        if len(set(names)) < len(names):
            raise ValueError("data: a data set is named twice")
        shares = [source.share for source in self.data]
        if sum(share or 0 for share in shares) > 1 + 1e-9:
            raise ValueError("data: the shares add up to more than 1")
        if shares and None not in shares and not sum(share or 0 for share in shares):
            raise ValueError("data: all shares are 0")
        return self


def built_in_recipes() -> list[str]:
    """The names that `open_recipe` knows."""
    return sorted(path.stem for path in BUILT_IN.glob("*.yaml"))


def open_recipe(name_or_path: str | Path) -> TrainingRecipe:
    """Read a recipe: one of the built-in ones by its name, or a file.

    Raises:
        RecipeError: there is none, or a field does not make sense; names the file and the field.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = BUILT_IN / f"{name_or_path}.yaml"
        if not path.is_file():
            close = get_close_matches(str(name_or_path), built_in_recipes(), n=1)
            hint = (
                f"did you mean `{close[0]}`?"
                if close
                else f"a .yaml file, or {', '.join(built_in_recipes())}"
            )
            raise RecipeError("there is no such training recipe", where=str(name_or_path), hint=hint)
    import yaml  # type: ignore[import-untyped, unused-ignore]

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as broken:
        raise RecipeError(f"the recipe cannot be read: {broken}", where=str(path)) from broken
    if not isinstance(content, dict):
        raise RecipeError("the recipe is not a table of fields", where=str(path))
    return parse_recipe(content, str(path))


def parse_recipe(content: dict[str, Any], where: str = "") -> TrainingRecipe:
    """Check what a recipe says.

    Raises:
        RecipeError: a field does not make sense.
    """
    from curate.models.networks import options_of

    try:
        recipe = TrainingRecipe(**content)
    except (ValidationError, TypeError) as wrong:
        raise RecipeError(*_first(wrong), where=where, hint=_suggestion(wrong)) from wrong
    try:
        known = options_of(recipe.network.name)
    except RecipeError as wrong:
        raise RecipeError(f"network.name: {wrong.message}", where=where, hint=wrong.hint) from wrong
    for option in recipe.network.options:
        if option not in known:
            close = get_close_matches(option, known, n=1)
            hint = f"did you mean `{close[0]}`?" if close else f"it has {', '.join(known) or 'none'}"
            raise RecipeError(
                f"network.options: {recipe.network.name} has no option `{option}`", where=where, hint=hint
            )
    return recipe


def dump_recipe(recipe: TrainingRecipe) -> str:
    """The recipe as YAML, with every default written out."""
    import yaml

    text: str = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)
    return text


def _first(wrong: ValidationError | TypeError) -> tuple[str]:
    if not isinstance(wrong, ValidationError):
        return (str(wrong),)
    error = wrong.errors()[0]
    field = ".".join(str(part) for part in error["loc"])
    what = "there is no such field" if error["type"] == "extra_forbidden" else error["msg"]
    return (f"{field}: {what}" if field else what.removeprefix("Value error, "),)


def _suggestion(wrong: ValidationError | TypeError) -> str:
    """The nearest name of a field, where one was not known."""
    if not isinstance(wrong, ValidationError) or wrong.errors()[0]["type"] != "extra_forbidden":
        return ""
    *path, last = wrong.errors()[0]["loc"]
    part: Any = TrainingRecipe
    for step in path:
        if isinstance(step, str) and step in part.model_fields:
            part = _parts_of(part.model_fields[step].annotation)
    close = get_close_matches(str(last), part.model_fields, n=1)
    return f"did you mean `{close[0]}`?" if close else f"one of {', '.join(part.model_fields)}"


def _parts_of(annotation: Any) -> Any:
    """The model within `Model`, `Model | None` or `list[Model]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(_parts_of(inner) for inner in annotation.__args__ if inner is not type(None))
