"""The scorer `generation`: prompt, model, seed and their like, for every picture that could be decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from curate.models.session import Device
from curate.scorers.columns import GENERATION, Column
from curate.scorers.face import Face
from curate.scorers.generation.found import FIELDS, Raw, merged, text
from curate.scorers.generation.reading import read
from curate.scorers.said import Said
from curate.scorers.scorer import Values

_MAX_ERROR = 500


class Generation:
    """What pictures were made from, as their files, sidecars, tables and data sets say.

    It answers for the picture: pictures without a face have their values, too, and the faces of one picture have
    the same.
    """

    name = "generation"
    version = "2"
    columns: tuple[Column, ...] = GENERATION
    needs_mesh = False
    of_picture = True
    packs: tuple[str, ...] = ()

    def __init__(self, tables: str = "") -> None:
        """`tables`: what identifies the metadata tables that are used, so that another one is noticed."""
        self.options: Mapping[str, str] = {"tables": tables} if tables else {}

    def open(self, device: Device) -> None:
        """Nothing to load."""

    def score(self, faces: Sequence[Face]) -> Values:
        """One value a face for each column."""
        rows = [answer(face.said) for face in faces]
        return {column.name: [row[column.name] for row in rows] for column in self.columns}


def answer(said: Sequence[Said]) -> Raw:
    """The columns of one picture.

    Args:
        said: what is said of it, the surest first. The first that has a field counts; a negative prompt comes
            from where the prompt comes from.
    """
    whole: Raw = dict.fromkeys(FIELDS)
    where: str | None = None
    errors: list[str] = []
    for part in said:
        found, trouble = read(part.texts, certain=part.source != "file")
        if any(value is not None for value in found.values()):
            if where is None or (whole["prompt"] is None and found["prompt"] is not None):
                where = part.source
            whole = merged(whole, found)
        errors += [f"{part.source}: {reason}" for reason in (*part.errors, *trouble)]
    return whole | {"metadata": where, "metadata_error": text("; ".join(errors)[:_MAX_ERROR])}
