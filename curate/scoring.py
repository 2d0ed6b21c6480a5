"""From inputs to rows: what a worker does with a batch."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from curate.decoded import Decoded, Row, decoded
from curate.errors import InputError
from curate.models.session import Device
from curate.scorers.columns import IDENTITY, Column, schema
from curate.scorers.scorer import Scorer, Values, of_picture
from curate.sources.reading import read_together
from curate.sources.source import Input

if TYPE_CHECKING:
    import polars as pl

    from curate.scorers.face import Face
    from curate.scorers.mesh import Mesh

FacesKept = Literal["largest", "all"]
MeshKind = Literal["onnx", "mediapipe"]

# Raised whenever the same file may become other rows: decoding, limits, the order of faces.
ROWS_VERSION = "1"
# Large pictures are worked on in smaller groups, so that a worker's memory does not depend on them.
_PIXELS_TOGETHER = 32_000_000
_FACES_TOGETHER = 16


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs that are scored together.

    Attributes:
        inputs: which pictures.
        scorers: names of the scorers that run on them.
        shard: the file that waits for these rows; "" where they are new.
        pictures: only scorers that answer for pictures run, whose rows are known: nobody looks for faces, and
            there is a row a picture.
    """

    inputs: tuple[Input, ...]
    scorers: tuple[str, ...]
    shard: str = ""
    pictures: bool = False

    def __len__(self) -> int:
        return len(self.inputs)

    def singles(self) -> Sequence[Batch]:
        """One input a batch."""
        return [replace(self, inputs=(item,)) for item in self.inputs]


@dataclass(frozen=True, slots=True)
class Scoring:
    """What a run does to every picture. It travels to the workers; `open` happens there.

    Attributes:
        scorers: the scorers, not yet opened.
        faces: score the largest face of a picture, or all of them.
        mesh: our own face mesh, or the original of the `mediapipe` package.
        device: where networks run.
    """

    scorers: tuple[Scorer, ...]
    faces: FacesKept = "largest"
    mesh: MeshKind = "onnx"
    device: Device = "cpu"

    @property
    def needs_mesh(self) -> bool:
        """Whether any scorer wants landmarks."""
        return any(scorer.needs_mesh for scorer in self.scorers)

    def open(self) -> OpenScoring:
        """Load every model; ModelError where one is missing. On a GPU all work on faces is done there, in batches."""
        if self.device == "cuda":
            from curate.device_scoring import open_on_device

            return open_on_device(self)
        import cv2

        # One thread a worker: more workers, not more threads, fill the machine.
        cv2.setNumThreads(1)
        for scorer in self.scorers:
            scorer.open(self.device)
        return OpenScoring(self)


class OpenScoring:
    """A Scoring with its models loaded: a batch in, a frame of rows out.

    Args:
        scoring: what is done.
        scorers: in the place of its own, which are open by now: the same by names and columns.
        mesh: in the place of its own.
        together: faces that the scorers see at once.
    """

    def __init__(
        self,
        scoring: Scoring,
        scorers: Sequence[Scorer] | None = None,
        mesh: Mesh | None = None,
        together: int = _FACES_TOGETHER,
    ) -> None:
        from curate.scorers.mesh import open_mesh

        self._keep_all = scoring.faces == "all"
        self._by_name = {scorer.name: scorer for scorer in scorers or scoring.scorers}
        self._mesh = mesh
        if mesh is None and scoring.needs_mesh:
            self._mesh = open_mesh(scoring.mesh, scoring.device)
        self._together = together

    def __call__(self, batch: Batch) -> pl.DataFrame:
        """Identity columns and those of the batch's scorers; at least one row an input, in their order."""
        import polars as pl

        return pl.concat([self.rows(batch, group) for group in self._groups(batch)])

    @property
    def looks_for_faces(self) -> bool:
        """Whether pictures are searched for faces, and may be too small for that."""
        return self._mesh is not None

    def wants_words(self, batch: Batch) -> bool:
        """Whether a scorer of the batch wants to know what is said of its pictures."""
        return any(of_picture(self._by_name[name]) for name in batch.scorers)

    def rows(self, batch: Batch, group: Sequence[Decoded]) -> pl.DataFrame:
        """The rows of some inputs of a batch that are decoded already."""
        scorers = [self._by_name[name] for name in batch.scorers]
        return self._of_pictures(group, scorers) if batch.pictures else self._frame(group, scorers)

    def _groups(self, batch: Batch) -> Iterator[list[Decoded]]:
        """The inputs, read and decoded, so many at a time that they fit into memory."""
        words = self.wants_words(batch)
        group: list[Decoded] = []
        pixels = 0
        for item, data in zip(batch.inputs, read_together(batch.inputs), strict=True):
            one = decoded(item, data, for_mesh=self.looks_for_faces, words=words)
            group.append(one)
            pixels += one.picture.width * one.picture.height if one.picture else 0
            if pixels >= _PIXELS_TOGETHER:
                yield group
                group, pixels = [], 0
        if group:
            yield group

    def _frame(self, group: Sequence[Decoded], scorers: Sequence[Scorer]) -> pl.DataFrame:
        found = iter(self._faces([read for read in group if read.row["status"] == "ok"]))
        rows: list[Row] = []
        faces: list[Face] = []
        pictures: list[int | None] = []  # which of the decoded ones a row is of
        decoded = 0
        for read in group:
            row = read.row
            in_picture: list[Face] = []
            if row["status"] == "ok":
                in_picture = next(found)
                if self._mesh is not None:
                    row["n_faces"] = len(in_picture)
                if not in_picture:
                    row |= {"status": "no_face", "error": "no face was found"}
            kept = in_picture if self._keep_all else in_picture[:1]
            of_this = [row | {"face": number} for number in range(len(kept))] or [row]
            rows += of_this
            faces += kept
            pictures += [None if read.picture is None else decoded] * len(of_this)
            decoded += read.picture is not None
        numbers = iter(range(len(faces)))
        scored = [next(numbers) if row["status"] == "ok" else None for row in rows]
        of_pictures = self._answers([s for s in scorers if of_picture(s)], _whole_pictures(group))
        of_faces = self._answers([s for s in scorers if not of_picture(s)], faces)
        found_columns = {c.name: c for c in (*_spread(of_faces, scored), *_spread(of_pictures, pictures))}
        answers = [found_columns[column.name] for scorer in scorers for column in scorer.columns]
        return _identity_frame(rows).hstack(answers)

    def _of_pictures(self, group: Sequence[Decoded], scorers: Sequence[Scorer]) -> pl.DataFrame:
        """Image, content and answers of the pictures that could be decoded, a row each."""
        rows = [read.row for read in group if read.picture is not None]
        answers = self._answers(scorers, _whole_pictures(group))
        return _identity_frame(rows).select("image", "sha256").hstack(answers)

    def _answers(self, scorers: Sequence[Scorer], faces: list[Face]) -> pl.DataFrame:
        """The columns of all scorers, a row a face. Takes the faces out of the list as it goes."""
        import polars as pl

        parts = [pl.DataFrame(schema=schema([c for scorer in scorers for c in scorer.columns]))]
        while faces:
            # What is computed for a face (its aligned picture) is given up with it.
            some = faces[: self._together]
            del faces[: self._together]
            parts.append(
                pl.DataFrame([column for columns in self._scored(scorers, some) for column in columns])
            )
        return pl.concat(parts)

    def _scored(self, scorers: Sequence[Scorer], faces: Sequence[Face]) -> Iterator[list[pl.Series]]:
        """The columns of each scorer."""
        for scorer in scorers:
            yield series_of(scorer, scorer.score(faces), len(faces))

    def _faces(self, group: Sequence[Decoded]) -> list[list[Face]]:
        """The faces of each picture, largest first; the picture itself where no scorer wants a mesh."""
        from curate.scorers.face import Face

        pictures = [(read.picture.pixels, read.said) for read in group if read.picture is not None]
        if self._mesh is None:
            return [[Face(pixels, said=said)] for pixels, said in pictures]
        found = self._mesh.detect([pixels for pixels, _ in pictures])
        faces = [
            [Face(pixels, mesh.landmarks, said) for mesh in meshes]
            for (pixels, said), meshes in zip(pictures, found, strict=True)
        ]
        for in_picture in faces:
            if len(in_picture) > 1:  # a box is only computed where it decides
                in_picture.sort(key=lambda f: -f.box[2] * f.box[3])
        return faces


def _whole_pictures(group: Sequence[Decoded]) -> list[Face]:
    from curate.scorers.face import Face

    return [Face(read.picture.pixels, said=read.said) for read in group if read.picture is not None]


def crashed(item: Input, reason: str) -> pl.DataFrame:
    """The row of an input that no worker got through."""
    row: Row = {"image": item.image, "status": "crashed", "error": reason}
    # Where the file is gone by now, what happened to the worker is still the better reason.
    with contextlib.suppress(InputError):
        row["sha256"] = hashlib.sha256(item.read()).hexdigest()
    return _identity_frame([row])


def _identity_frame(rows: Sequence[Row]) -> pl.DataFrame:
    import polars as pl

    types = schema(IDENTITY)
    return pl.DataFrame({name: [row.get(name) for row in rows] for name in types}, schema=types)


def series_of(scorer: Scorer, values: Values, count: int) -> list[pl.Series]:
    """What a scorer said of `count` faces as its columns; InputError where it is not what it promised."""
    names = [column.name for column in scorer.columns]
    if values.keys() != set(names) or any(len(v) != count for v in values.values()):
        raise InputError(
            f"the scorer does not return one value a face for exactly its columns {', '.join(names)}",
            where=scorer.name,
        )
    return [_series(column, values[column.name]) for column in scorer.columns]


def _spread(answers: pl.DataFrame, of_row: Sequence[int | None]) -> list[pl.Series]:
    """The answers' columns, each answer at the rows that it is of; null where a row has none."""
    import polars as pl

    # All in one expression: Polars plans each anew, and a plan takes longer than a batch's values.
    return answers.select(pl.all().gather(pl.Series(of_row, dtype=pl.UInt32))).get_columns()


def _series(column: Column, values: Any) -> pl.Series:
    import polars as pl

    series = pl.Series(column.name, values, strict=False)
    if series.dtype != column.polars:
        series = series.cast(column.polars)
    if column.dtype != "Float32":
        return series
    # As `fill_nan(None)`, which plans a query for eight numbers.
    return pl.Series(column.name, series.to_numpy(), nan_to_null=True)
