from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from curate.models.training.losses import task_losses, total

NAN = math.nan


def loss(
    task: str, made: list[list[float]], wanted: list[list[float]], weights: list[float] | None = None
) -> Tensor:
    given = None if weights is None else torch.tensor(weights)
    return task_losses({task: torch.tensor(made)}, {task: torch.tensor(wanted)}, given)[task]


def test_intensity_is_the_mean_squared_error_of_what_was_annotated() -> None:
    assert loss("intensity", [[1, 2], [3, 4]], [[2, NAN], [3, 1]]) == pytest.approx((1 + 0 + 9) / 3)


def test_presence_is_the_binary_cross_entropy_of_logits() -> None:
    # -ln sigmoid(2) = 0.126928, -ln(1 - sigmoid(-1)) = 0.313262
    assert loss("presence", [[2, -1, 7]], [[1, 0, NAN]]) == pytest.approx((0.126928 + 0.313262) / 2, abs=1e-5)


def test_expression_is_the_cross_entropy_with_the_votes() -> None:
    # Shares of .75 and .25 under probabilities of 0.8 and 0.2; the second picture has no votes.
    made = [[math.log(0.8), math.log(0.2)], [5, 5]]
    expected = -(0.75 * math.log(0.8) + 0.25 * math.log(0.2))
    assert loss("expression", made, [[0.75, 0.25], [NAN, NAN]]) == pytest.approx(expected)


def test_a_picture_counts_by_its_weight() -> None:
    assert loss("intensity", [[1], [1]], [[2], [4]], [3, 1]) == pytest.approx((3 * 1 + 1 * 9) / 4)
    assert loss("expression", [[0, 0], [0, 9]], [[1, 0], [1, 0]], [1, 0]) == pytest.approx(math.log(2))


@pytest.mark.parametrize("task", ["intensity", "presence", "expression"])
def test_nothing_annotated_costs_nothing_and_moves_nothing(task: str) -> None:
    made = torch.ones(2, 3, requires_grad=True)
    value = task_losses({task: made}, {task: torch.full((2, 3), NAN)})[task]
    value.backward()
    assert value == 0
    assert made.grad is not None
    assert (made.grad == 0).all()


def test_a_missing_label_has_no_gradient_and_spoils_none() -> None:
    made = torch.zeros(1, 2, requires_grad=True)
    task_losses({"presence": made}, {"presence": torch.tensor([[1.0, NAN]])})["presence"].backward()
    assert made.grad is not None
    assert made.grad.tolist() == [[-0.5, 0]]


def test_tasks_are_added_by_their_weights() -> None:
    losses = {"intensity": torch.tensor(2.0), "expression": torch.tensor(3.0)}
    assert total(losses, {"intensity": 0.5, "expression": 2}) == 7
