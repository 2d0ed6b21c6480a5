"""Feature-wise distillation, as LibreFace's paper has it and, on request, as its published code does it.

The teacher's classifier is frozen and applied to the teacher's and to the student's features alike; gradients
flow through it to the student.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from curate.errors import RecipeError
from curate.models.networks import FaceNetwork

Form = Literal["paper", "code"]
_TINY = 1e-7  # the published code's


@dataclass(frozen=True)
class Distance:
    """How far a student is from its teacher, as scalars: in their features, and in what the teacher's
    classifier makes of both."""

    features: Tensor
    predictions: Tensor


class Distillation(nn.Module):
    """The distance from a student's features to a teacher's.

    `paper`: a learned linear layer takes the student's feature to the teacher's width; KL divergence between
    normalised predictions. `code`: every fourth feature instead (nearest interpolation), and the divergence of
    rectified outputs that sum to anything.

    The teacher is held outside of the module's own parameters: it is neither saved nor trained with the
    student, and stays in evaluation mode whatever becomes of the module.
    """

    def __init__(self, teacher: FaceNetwork, student: FaceNetwork, form: Form = "paper") -> None:
        super().__init__()
        shared = tuple(task for task in student.tasks if task in teacher.tasks)
        if not shared:
            raise RecipeError(
                f"the teacher knows {', '.join(teacher.tasks)}, the student learns {', '.join(student.tasks)}",
                hint="take a teacher that was trained for the same task",
            )
        self.tasks = shared
        self.form = form
        self._teacher = (teacher.eval().requires_grad_(False),)
        self.projection = nn.Linear(student.width, teacher.width) if form == "paper" else None

    @property
    def teacher(self) -> FaceNetwork:
        """The frozen teacher."""
        return self._teacher[0]

    def forward(self, batch: Mapping[str, Tensor], student: Tensor) -> Distance:
        """
        Args:
            batch: what the teacher looks at.
            student: the student's features of the same batch, [N, its width].
        """
        with torch.no_grad():
            wanted = self.teacher.features(batch)
            taught = self.teacher.classifier(wanted)
        if self.projection is None:
            made = functional.interpolate(student[:, None], size=wanted.shape[1], mode="nearest")[:, 0]
        else:
            made = self.projection(student)
        learnt = self.teacher.classifier(made)
        divergence = _published if self.form == "code" else _normalised
        return Distance(
            functional.mse_loss(made.float(), wanted.float()),
            torch.stack(
                [divergence(task, taught[task].float(), learnt[task].float()) for task in self.tasks]
            ).sum(),
        )


def _normalised(task: str, taught: Tensor, learnt: Tensor) -> Tensor:
    """KL(teacher || student), summed over the outputs and meant over the batch."""
    if task == "expression":
        p, q = taught.log_softmax(1), learnt.log_softmax(1)
        return functional.kl_div(q, p, reduction="batchmean", log_target=True)
    if task == "intensity":  # 0..5: a fifth of it is the probability of a Bernoulli variable
        p, q = ((x / 5).clamp(1e-6, 1 - 1e-6) for x in (taught, learnt))
        each = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    else:
        each = taught.sigmoid() * (functional.logsigmoid(taught) - functional.logsigmoid(learnt))
        each = each + (-taught).sigmoid() * (functional.logsigmoid(-taught) - functional.logsigmoid(-learnt))
    return each.sum(1).mean()


def _published(_task: str, taught: Tensor, learnt: Tensor) -> Tensor:
    return functional.kl_div((learnt.relu() + _TINY).log(), taught.relu() + _TINY, reduction="batchmean")
