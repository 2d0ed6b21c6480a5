"""What a format of export is: options, a plan, and how a part is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from curate.exports.files import Files
from curate.exports.job import Job
from curate.exports.part import Part
from curate.pictures import Picture


class Format(BaseModel, ABC):
    """A format is a model of its options, so that `Folder(mode="hardlink")` says everything.

    Attributes:
        name: what `--to` calls it.
        version: of the format; a part written by another version is not gone on with.
        landmarks: whether it wants the column `landmarks` (6 kB a row) where the set has it.
        elsewhere: options that change nothing of what is written in the folder: they are for `finish`. An export that
            differs in these alone is the same, and where one of them is said a finished one is only finished again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    version: ClassVar[int] = 1
    landmarks: ClassVar[bool] = False
    elsewhere: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def plan(self, job: Job) -> Sequence[Part]:
        """All there is to write. It depends on options, rows and pictures alone, and writes nothing.

        Raises:
            ExportError: the options do not fit the set.
        """

    @abstractmethod
    def write(self, part: Part, job: Job, files: Files, pictures: Iterator[tuple[int, Picture]]) -> None:
        """Write a part.

        Args:
            part: one of the plan.
            job: what is exported; in a `last` part `job.left_out` is complete.
            files: where its files are written.
            pictures: those of the part, in its order, with their row numbers in `Job.pictures`, verified. The ones
                with a problem are not among them (they are in `job.left_out`). All have to be taken, and none is
                to be held for longer than it takes to write it.
        """

    def wants_landmarks(self) -> bool:
        """Whether the rows are to have `landmarks`; a format that leaves it to its options says so here."""
        return self.landmarks

    def copies(self) -> bool:
        """Whether the pictures' bytes are written again (links write none)."""
        return True

    def way(self) -> str:
        """How pictures get into the folder, for the formats that have the option `mode`."""
        return str(getattr(self, "mode", "copy"))

    def asks_elsewhere(self) -> bool:
        """Whether an option of `elsewhere` is said, so that `finish` has something to do."""
        fields = type(self).model_fields
        return any(getattr(self, name) != fields[name].default for name in self.elsewhere)

    def finish(self, job: Job, folder: Path) -> None:
        """What is done with the whole folder at the end; a run that is killed or fails here begins here again."""
