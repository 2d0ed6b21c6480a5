"""What `curate evaluate` answers, as data."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from curate.manifest import ScorerRecord

Classes = Literal["all", "labelled"]
Resampled = Literal["pictures", "subjects"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Estimate(_Part):
    """A measure and the ends of its 95 % interval; None where it has none (see `curate.models.metrics`).

    As words: `0.719 [0.678, 0.758]`.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class IntensityScore(_Part):
    """An action unit's intensity, or the mean over them (`n` is then their sum)."""

    column: str
    n: int
    pcc: Estimate
    icc: Estimate
    mse: Estimate
    mae: Estimate


class PresenceScore(_Part):
    """An action unit's presence, or the mean over them (`n` and `positives` are then sums)."""

    column: str
    n: int
    positives: int
    f1: Estimate
    accuracy: Estimate


class ClassScore(_Part):
    """One expression: pictures that are `labelled` so and have an answer, pictures that are `answered` so, and
    pictures that are labelled so and have no answer."""

    name: str
    labelled: int
    answered: int
    unanswered: int
    precision: float | None
    recall: float | None
    f1: float | None


class ReliabilityBin(_Part):
    """Answers whose probability lies in (low, high]."""

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


class ExpressionScore(_Part):
    """The expression.

    Attributes:
        classes: what the scorer could answer.
        n: labelled pictures with an answer.
        unanswered: labelled pictures of the set without one: no face was found, or the file is broken.
        accuracy: of the answers.
        accuracy_of_all: of all labelled pictures in the set; a face not found is a wrong answer.
        confusion: a row a label, a column an answer, in the order of `classes`.
    """

    classes: tuple[str, ...]
    n: int
    unanswered: int
    accuracy: Estimate
    accuracy_of_all: Estimate
    macro_f1: Estimate
    ece: Estimate
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    reliability: tuple[ReliabilityBin, ...]


class Counts(_Part):
    """What became of the labels.

    Attributes:
        labels: rows of the table (of the split).
        repeated: rows that say again what another said of the same picture.
        not_in_set: rows whose picture the set does not have.
        without_label: rows of pictures in the set, without any label that counts.
        ties: rows whose votes for an expression are tied.
        evaluated: labelled pictures in the set; the sum of `statuses`.
        statuses: their status in the set: where it is not `ok`, there are no scores.
        set_without_labels: pictures of the set that the table does not name.
    """

    labels: int
    repeated: int
    not_in_set: int
    without_label: int
    ties: int
    evaluated: int
    statuses: dict[str, int]
    set_without_labels: int


class Inputs(_Part):
    """What was compared, and how: enough to do it again."""

    scores: str
    source: str
    scorers: dict[str, ScorerRecord]
    labels: str
    labels_sha256: str
    key: str
    split: str | None
    classes: Classes
    bootstrap: int
    seed: int
    resampled: Resampled
    units: int


class Evaluation(_Part):
    """The answer of `evaluate`. A part is empty (None) where labels and scores have no such columns in common;
    `not_compared` are label columns that the set lacks."""

    inputs: Inputs
    counts: Counts
    intensities: tuple[IntensityScore, ...]
    intensity_mean: IntensityScore | None
    presences: tuple[PresenceScore, ...]
    presence_mean: PresenceScore | None
    expression: ExpressionScore | None
    not_compared: tuple[str, ...]
