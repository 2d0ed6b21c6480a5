"""RAF-DB, basic expressions (Li et al. 2017): about 15,000 pictures of seven expressions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import InputError
from curate.models.datasets.labelled import first_there, labelled, missing, read_lines

if TYPE_CHECKING:
    import polars as pl

LAYOUT = (
    "the folder basic/ of RAF-DB: EmoLabel/list_patition_label.txt with lines `train_00001.jpg 5`, and "
    "Image/aligned/train_00001_aligned.jpg (or Image/original/train_00001.jpg)"
)
# Numbered from 1.
_CLASSES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")


def read_rafdb(root: Path) -> pl.DataFrame:
    """The labelled frame, with `expression`, and `split` train or test as the names of the pictures say it.

    Raises:
        InputError: list or pictures are missing, or a line is not as expected.
    """
    import polars as pl

    lists = [folder / "EmoLabel" / "list_patition_label.txt" for folder in (root, root / "basic")]
    path = first_there(lists)
    if path is None:
        raise missing(root, "there is no EmoLabel/list_patition_label.txt in it", LAYOUT)
    images = path.parent.parent / "Image"
    folder = first_there([images / "aligned", images / "original"])
    if folder is None:
        raise missing(images, "there are no pictures (aligned/ or original/)", LAYOUT)
    ending = "_aligned.jpg" if folder.name == "aligned" else ".jpg"
    rows: list[tuple[str, str, str]] = []
    numbers: list[int] = []
    for number, line in enumerate(read_lines(path, LAYOUT), start=1):
        if not line.strip():
            continue
        name, _, label = line.strip().partition(" ")
        split = name.partition("_")[0]
        if split not in ("train", "test") or not label.isdigit() or not 1 <= int(label) <= len(_CLASSES):
            raise InputError(
                f"line {number}: `{line}` is not `train_... 1..7`",
                where=str(path),
                hint=f"expected: {LAYOUT}",
            )
        picture = folder.absolute() / f"{Path(name).stem}{ending}"
        rows.append((str(picture), split, _CLASSES[int(label) - 1]))
        numbers.append(number)
    frame = pl.DataFrame(
        rows, schema=dict.fromkeys(("image", "split", "expression"), pl.String), orient="row"
    )
    return labelled(frame, path, lambda row: f"line {numbers[row]}")
