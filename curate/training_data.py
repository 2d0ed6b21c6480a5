"""The training sets that a recipe asks for: found where the user says they lie, and prepared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from curate.cutting import SIZES
from curate.errors import InputError, RecipeError
from curate.preparing import Prepared, Progress, prepare

if TYPE_CHECKING:
    from curate.models.training.recipe import TrainingRecipe
    from curate.models.training.sets import TrainingSet

_SET = "set.json"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a data set of a recipe lies, and which reader reads it; "" for one that is prepared already."""

    dataset: str
    reader: str
    path: Path


def parse_data(options: Iterable[str]) -> dict[str, Path]:
    """`NAME=PATH` options as a table.

    Raises:
        InputError: an option is not of this form, or a name is given twice.
    """
    given: dict[str, Path] = {}
    for option in options:
        name, sign, path = option.partition("=")
        if not (name and sign and path):
            raise InputError(
                "not of the form NAME=PATH", where=f"--data {option}", hint="--data ferplus=ferplus.parquet"
            )
        if name in given:
            raise InputError("the data set is named twice", where=f"--data {option}")
        given[name] = Path(path).expanduser()
    return given


def places(recipe: TrainingRecipe, given: Mapping[str, Path]) -> list[Place]:
    """Where every data set of a recipe lies: as `given`, or else as the recipe says.

    A name that is no reader's is a table where it is a file, and folders of expressions where it is a folder
    (for pre-training, which wants no labels, any folder of pictures). A folder that holds a prepared training
    set is taken as it is.

    Raises:
        InputError: a data set of the recipe is nowhere, or one is given that it does not ask for.
    """
    wanted = {source.dataset: source.path for source in recipe.data} or dict.fromkeys(given)
    if not wanted:
        raise InputError(
            "the recipe names no data, and none is given",
            where=recipe.name,
            hint="--data NAME=PATH, once a data set",
        )
    for name in given:
        if name not in wanted:
            close = get_close_matches(name, wanted, n=1)
            meant = f"; did you mean `{close[0]}`?" if close else f", only for {', '.join(wanted)}"
            raise InputError(f"the recipe does not ask for it{meant}", where=f"--data {name}={given[name]}")
    found = []
    for name, path in wanted.items():
        place = given.get(name) or (Path(path).expanduser() if path else None)
        if place is None or not place.exists():
            raise InputError(
                f"the data set {name} is not there"
                if place
                else f"where does the data set {name} lie? The recipe does not say",
                where=str(place or recipe.name),
                hint=f"--data {name}=PATH",
            )
        found.append(Place(name, _reader(name, place, recipe), place))
    return found


def training_sets(
    recipe: TrainingRecipe,
    where: Iterable[Place],
    *,
    limit: int | None = None,
    workers: int = 2,
    on_progress: Callable[[str, Progress], None] | None = None,
) -> tuple[list[TrainingSet], list[Prepared]]:
    """Prepare, or find prepared, and open.

    Args:
        limit: at most so many pictures of each data set, taken evenly from it.
        workers: processes.
        on_progress: called with the data set's name.

    Raises:
        RecipeError: the recipe wants crops of a size that is not made.
        InputError: data that cannot be read or has no faces, or a set that was prepared otherwise.
    """
    from curate.models.training.sets import TrainingSet

    kind = recipe.crop.kind
    if (recipe.crop.side, recipe.crop.inner) != SIZES[kind]:
        side, inner = SIZES[kind]
        raise RecipeError(
            f"crops of the kind {kind} have side {side} and inner {inner}, "
            f"not {recipe.crop.side} and {recipe.crop.inner}",
            where=recipe.name,
            hint=f"crop: {{kind: {kind}, side: {side}, inner: {inner}}}",
        )
    sets: list[TrainingSet] = []
    prepared: list[Prepared] = []
    for place in where:
        folder = place.path
        if place.reader:

            def tell(progress: Progress, name: str = place.dataset) -> None:
                if on_progress is not None:
                    on_progress(name, progress)

            made = prepare(
                place.reader,
                place.path,
                name=place.dataset,
                crop=kind,
                limit=limit,
                workers=workers,
                on_progress=tell,
            )
            prepared.append(made)
            folder = made.folder
        opened = TrainingSet.open(folder)
        _check(opened, place, kind)
        sets.append(opened)
    return sets, prepared


def _reader(name: str, path: Path, recipe: TrainingRecipe) -> str:
    from curate.models.datasets.reading import READERS

    if (path / _SET).is_file():
        return ""
    if name in READERS:
        return name
    if not path.is_dir():
        return "table"
    return "folder" if recipe.mae is None else "pictures"


def _check(opened: TrainingSet, place: Place, kind: str) -> None:
    """A set that somebody else prepared has to be of the right kind and name."""
    if opened.crop.kind != kind:
        raise InputError(
            f"its crops are of the kind {opened.crop.kind}; the recipe wants {kind}", where=str(place.path)
        )
    names = sorted(set(opened.rows["dataset"]))
    if names != [place.dataset]:
        raise InputError(
            f"it was prepared as {', '.join(names)}, not as {place.dataset}",
            where=str(place.path),
            hint=f"--data {names[0]}={place.path}",
        )
