"""How far a network in fewer bits is from itself in float32, and how far is too far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.models.pack import Network

MAX_FLIPS = 0.01
MAX_MEAN = 0.02
MAX_GAZE = 1.0  # degrees, in the mean of yaw and pitch

Outputs = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Error:
    """Answers against those of float32, on the same faces; None where the network has no such answers.

    Attributes:
        label_flips: share of faces whose most probable expression is another.
        presence_flips: share of presences (faces times action units) on the other side of their threshold.
        mean, p99: of |difference| of the intensities, on their scale of 0 to 5.
    """

    label_flips: float | None
    presence_flips: float | None
    mean: float | None
    p99: float | None

    @property
    def problem(self) -> str:
        """Why the gate does not let it pass; empty where it does. What has no labels never passes."""
        found = [
            f"{share:.1%} of the {what} flip"
            for what, share in (("labels", self.label_flips), ("presences", self.presence_flips))
            if share is not None and not share <= MAX_FLIPS
        ]
        if self.mean is not None and not self.mean <= MAX_MEAN:
            found.append(f"intensities differ by {self.mean:.3f}")
        if self.label_flips is None and self.presence_flips is None and self.mean is None:
            found.append("nothing says how good its answers are")
        return ", ".join(found)


def error_of(network: Network, answers: Outputs, exact: Outputs) -> Error:
    """Compare the outputs of one network, [N, labels] each, by what its card says they are."""
    flips: list[NDArray[np.bool_]] = []
    presence: list[NDArray[np.bool_]] = []
    differences: list[NDArray[np.float64]] = []
    for name, card in network.outputs.items():
        now, before = answers[name].astype(np.float64), exact[name].astype(np.float64)
        if card.threshold is not None:
            presence.append(((now >= card.threshold) != (before >= card.threshold)).ravel())
        elif "neutral" in card.labels:
            flips.append(now.argmax(axis=1) != before.argmax(axis=1))
        elif any(label.startswith("au") for label in card.labels):
            differences.append(np.abs(now - before).ravel() * card.factor)
    apart = np.concatenate(differences) if differences else None
    return Error(
        _share(flips),
        _share(presence),
        None if apart is None else float(apart.mean()),
        None if apart is None else float(np.quantile(apart, 0.99)),
    )


def _share(flips: list[NDArray[np.bool_]]) -> float | None:
    return float(np.concatenate(flips).mean()) if flips else None
