"""`--to kohya`: pictures and captions as kohya-ss' sd-scripts and their graphical interfaces read them."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from curate.errors import ExportError
from curate.exports.files import Files
from curate.exports.format import Format
from curate.exports.job import Job, picture_name
from curate.exports.names import safe_name, split_ending, unique_paths
from curate.exports.part import Part, picture_parts
from curate.exports.placing import Mode, place_picture
from curate.pictures import Picture
from curate.recipes.caption_template import Template, parse_template
from curate.recipes.captions import load_captions, words
from curate.scorers.columns import CATALOGUE, schema, suggest

CONFIG, METADATA = "dataset_config.toml", "metadata.jsonl"
TEMPLATE = "{trigger}, {prompt}, {aus}, {temperature} {expression} expression"
# What sd-scripts looks for (IMAGE_EXTENSIONS in its library/train_util.py); others are written as PNG.
_READ = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp"))
# Fields of a template that are no columns.
_OWN = ("trigger", "concept")
# Sides that models are trained at.
_SIDES = (512, 768, 1024)


class Kohya(Format):
    """`REPEATS_CONCEPT/NAME.jpg` and beside each `NAME.txt`, its caption; `dataset_config.toml`; `metadata.jsonl`.

    A picture's caption is that of its largest face. Where nothing can be said of it, it is the trigger or the concept.

    Attributes:
        mode: how the pictures get there.
        repeats: how often a picture is seen in an epoch.
        by: a column; its values get folders of their own, the rarer ones with more repeats, so that each value is seen
            about as often.
        concept: what the folder is called, and the class; None takes the trigger, or `face`.
        trigger: the word that the training is to learn, for `{trigger}`.
        template: of the captions; fields are columns, and `aus`, `trigger`, `concept`. `prompt`, `expression`,
            `temperature` and `tone` are plain words.
        captions: a table of words of the user's own (docs/captions.md); its path.
    """

    name: ClassVar[str] = "kohya"

    mode: Mode = "copy"
    repeats: Annotated[int, Field(ge=1, le=100_000)] = 1
    by: str | None = None
    concept: str | None = None
    trigger: str | None = None
    template: str | None = None
    captions: Path | None = None

    @field_validator("concept", "trigger")
    @classmethod
    def _has_words(cls, text: str | None) -> str | None:
        if text is None:
            return None
        if not text.strip() or not text.isprintable():
            raise ValueError("is one line of text, and not empty")
        return text.strip()

    @property
    def class_tokens(self) -> str:
        """What sd-scripts calls a picture without a caption."""
        return self.trigger or self.concept or "face"

    def plan(self, job: Job) -> Sequence[Part]:
        self._template(job)
        named = job.name_pictures(self._folders(job), beside=True, taken=(CONFIG, METADATA))
        # No two stems are equal, so that another ending makes no two names equal.
        job.paths[:] = [_renamed(job, path) for path in named]
        parts = picture_parts([(path, f"{split_ending(path)[0]}.txt") for path in job.paths])
        # A run with another table of words is another export.
        said = load_captions(self.captions).sha256[:12]
        return [*parts, Part(f"dataset-{said}", (METADATA, CONFIG), last=True)]

    def write(self, part: Part, job: Job, files: Files, pictures: Iterator[tuple[int, Picture]]) -> None:
        caption = self._captioner(job)
        for number, picture in pictures:
            path, beside = part.files_of(number)
            if _is_read(picture_name(picture.image, job.pictures["format"][number])):
                place_picture(files, path, picture, job.pictures["sha256"][number], self.mode)
            else:
                files.write(path, as_png(picture.data))
            files.write(beside, caption(number).encode() + b"\n")
        if part.last:
            self._write_dataset(job, files, caption)

    def copies(self) -> bool:
        return self.mode == "copy"

    def _folders(self, job: Job) -> list[str]:
        """For each picture its folder; `by` a column, the fewer a value has the more often they are seen."""
        concept = self.concept or self.class_tokens
        if self.by is None:
            return [f"{self.repeats}_{safe_name(concept, otherwise='face')}"] * job.pictures.height
        column = job.first_faces().get_column(self.by, default=None)
        if column is None or column.dtype.is_float():
            wrong = "has too many values" if column is not None else "is no column"
            close = suggest(self.by, job.rows.columns) if column is None else ""
            raise ExportError(
                f"`{self.by}` {wrong}{close}", where="--by", hint="--by expression, or --by band"
            )
        values = ["none" if value is None else str(value) for value in column]
        counts = Counter(values)
        most, distinct = max(counts.values()), sorted(counts)
        names = [
            f"{max(1, round(self.repeats * most / counts[value]))}_{safe_name(f'{concept} {value}', otherwise='face')}"
            for value in distinct
        ]
        folders = dict(zip(distinct, unique_paths(names, [None] * len(names)), strict=True))
        return [folders[value] for value in values]

    def _template(self, job: Job) -> Template:
        types = {**schema(CATALOGUE), **job.rows.schema}
        types.pop("landmarks")
        numbers = [name for name, dtype in types.items() if dtype.is_numeric()]
        template = parse_template(self.template or TEMPLATE, [*types, "aus", *_OWN], numbers=numbers)
        if self.template is not None and "trigger" in template.names and self.trigger is None:
            raise ExportError(
                "the template has {trigger}, and there is none", where="--template", hint="--trigger WORD"
            )
        return template

    def _captioner(self, job: Job) -> Callable[[int], str]:
        """What gives a picture its caption."""
        template, table = self._template(job), load_captions(self.captions)
        faces = job.first_faces()
        own = {"trigger": self.trigger or "", "concept": self.concept or ""}

        def caption(number: int) -> str:
            row = faces.row(number, named=True)
            return template.fill(row, words(row, table) | own) or self.class_tokens

        return caption

    def _write_dataset(self, job: Job, files: Files, caption: Callable[[int], str]) -> None:
        """What tells trainers of the whole: those that read a folder with `metadata.jsonl`, and sd-scripts."""
        sides, folders = [], set()
        with files.open(METADATA) as file:
            for number, (image, width, height) in enumerate(
                job.first_faces().select("image", "width", "height").iter_rows()
            ):
                if image not in job.left_out:
                    said = {"file_name": job.paths[number], "text": caption(number)}
                    file.write(json.dumps(said, ensure_ascii=False).encode() + b"\n")
                    sides.append(min(width or 0, height or 0))
                    folders.add(job.paths[number].partition("/")[0])
        # Pictures that are smaller than the resolution are not made larger.
        resolution = max([side for side in _SIDES if sides and side <= median(sides)], default=_SIDES[0])
        here = job.out.resolve()
        text = config([str(here / folder) for folder in sorted(folders)], self.class_tokens, resolution)
        files.write(CONFIG, text.encode())


def config(folders: Sequence[str], class_tokens: str, resolution: int) -> str:
    """The TOML that sd-scripts takes with `--dataset_config`.

    Args:
        folders: of the pictures and captions; absolute, and called REPEATS_ANYTHING.
        class_tokens: the caption of a picture that has none.
        resolution: px, the side of a square of as many pixels as the pictures are trained at.
    """
    head = f"""# For sd-scripts: accelerate launch train_network.py --dataset_config {CONFIG} ...
[general]
caption_extension = ".txt"
enable_bucket = true
bucket_no_upscale = true

[[datasets]]
resolution = {resolution}
batch_size = 1
"""
    subsets = (
        f"""
[[datasets.subsets]]
image_dir = {_toml(folder)}
class_tokens = {_toml(class_tokens)}
num_repeats = {int(Path(folder).name.partition("_")[0])}
"""
        for folder in folders
    )
    return head + "".join(subsets)


def as_png(data: bytes) -> bytes:
    """A picture as PNG, upright, in RGB."""
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(data)) as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    file = io.BytesIO()
    upright.save(file, "PNG")
    return file.getvalue()


def _is_read(name: str) -> bool:
    return split_ending(name)[1].lower() in _READ


def _renamed(job: Job, path: str) -> str:
    """A path with an ending that sd-scripts looks for: of its own ones in small letters, or `.png`."""
    stem, ending = split_ending(path)
    final = stem + (ending.lower() if _is_read(path) else ".png")
    if final != path:
        job.renamed[final] = job.renamed.pop(path, path.rpartition("/")[2])
    return final


def _toml(text: str) -> str:
    # A basic string of TOML is one of JSON, but for this one character; what is no Unicode it cannot say.
    return json.dumps(text.encode(errors="replace").decode(), ensure_ascii=False).replace("\x7f", "\\u007f")
