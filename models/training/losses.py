"""The loss of each task, where any label of any picture may be missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional


def task_losses(
    predictions: Mapping[str, Tensor], labels: Mapping[str, Tensor], weights: Tensor | None = None
) -> dict[str, Tensor]:
    """One scalar a task.

    Args:
        predictions: intensity [N, 12] in 0..5, presence [N, 12] logits, expression [N, 8] logits.
        labels: for the same tasks and in the same shapes; intensity 0..5, presence 0..1, expression shares of
            the votes. NaN where nobody annotated.
        weights: [N], how much each picture counts; all the same without.

    Returns:
        mean squared error, binary cross-entropy and cross-entropy, each a mean over what was annotated; zero
        (and without gradient) where nothing was.
    """
    return {task: _LOSSES[task](made, labels[task], weights) for task, made in predictions.items()}


def total(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The weighted sum over the tasks."""
    return torch.stack([weights[task] * loss for task, loss in losses.items()]).sum()


def _intensity(made: Tensor, wanted: Tensor, weights: Tensor | None) -> Tensor:
    known = ~wanted.isnan()
    return _mean((made.float() - wanted.nan_to_num()).square(), known, weights)


def _presence(made: Tensor, wanted: Tensor, weights: Tensor | None) -> Tensor:
    known = ~wanted.isnan()
    each = functional.binary_cross_entropy_with_logits(made.float(), wanted.nan_to_num(), reduction="none")
    return _mean(each, known, weights)


def _expression(made: Tensor, wanted: Tensor, weights: Tensor | None) -> Tensor:
    known = ~wanted.isnan().any(1, keepdim=True)
    each = -(wanted.nan_to_num() * made.float().log_softmax(1)).sum(1, keepdim=True)
    return _mean(each, known, weights)


def _mean(each: Tensor, known: Tensor, weights: Tensor | None) -> Tensor:
    share = known.to(each.dtype)
    if weights is not None:
        share = share * weights[:, None]
    return (each * share).sum() / share.sum().clamp_min(1e-9)


_LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor | None], Tensor]] = {
    "intensity": _intensity,
    "presence": _presence,
    "expression": _expression,
}
