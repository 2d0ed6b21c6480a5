from __future__ import annotations

import copy
import math

import pytest
import torch

from curate.errors import RecipeError
from curate.models.networks import make_network
from curate.models.training.distillation import Distillation, _normalised, _published

BATCH = {"pixels": torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))}


def test_normalised_divergences_are_those_of_distributions() -> None:
    taught, learnt = torch.tensor([[0.7, 0.3]]), torch.tensor([[0.4, 0.6]])
    expected = 0.7 * math.log(0.7 / 0.4) + 0.3 * math.log(0.3 / 0.6)
    # As a softmax over two classes, as one probability's logit, as intensities of five times that.
    assert _normalised("expression", taught.log(), learnt.log()) == pytest.approx(expected, abs=1e-6)
    assert _normalised("presence", taught[:, :1].logit(), learnt[:, :1].logit()) == pytest.approx(
        expected, abs=1e-6
    )
    assert _normalised("intensity", 5 * taught[:, :1], 5 * learnt[:, :1]) == pytest.approx(expected, abs=1e-5)


def test_divergences_are_summed_over_labels_and_meant_over_pictures() -> None:
    taught, learnt = (
        torch.tensor([[0.7, 0.7], [0.4, 0.4]]).logit(),
        torch.tensor([[0.4, 0.4], [0.4, 0.4]]).logit(),
    )
    one = 0.7 * math.log(0.7 / 0.4) + 0.3 * math.log(0.3 / 0.6)
    assert _normalised("presence", taught, learnt) == pytest.approx(2 * one / 2, abs=1e-6)


def test_the_published_divergence_rectifies_and_does_not_normalise() -> None:
    taught, learnt = torch.tensor([[2.0, -1.0, 4.0]]), torch.tensor([[1.0, 3.0, -2.0]])
    tiny = 1e-7
    pairs = [(2 + tiny, 1 + tiny), (tiny, 3 + tiny), (4 + tiny, tiny)]
    expected = sum(p * (math.log(p) - math.log(q)) for p, q in pairs)
    assert _published("presence", taught, learnt) == pytest.approx(expected, rel=1e-5)


def test_the_published_form_takes_every_fourth_feature() -> None:
    torch.manual_seed(0)
    teacher = make_network("vit_tiny", ["expression"], side=16, grey=True)
    student = make_network("resnet18", ["expression"], side=16, grey=True)
    code = Distillation(teacher, student, "code")
    features = torch.rand(4, 512)
    expected = (features[:, ::4] - teacher.features(BATCH)).square().mean()
    assert code(BATCH, features).features == pytest.approx(expected.item(), rel=1e-5)
    assert list(code.parameters()) == []


@pytest.mark.parametrize("form", ["paper", "code"])
def test_the_teacher_stays_as_it_is_and_the_student_moves(form: str) -> None:
    torch.manual_seed(0)
    tasks = ["intensity", "presence", "expression"]
    teacher = make_network("vit_tiny", tasks, side=16, grey=True)
    student = make_network("resnet18", tasks, side=16, grey=True)
    both = torch.nn.ModuleDict({"student": student, "distance": Distillation(teacher, student, form)})  # type: ignore[arg-type]
    both.train()
    assert not teacher.training
    assert not any("teacher" in name for name in both.state_dict())
    before = copy.deepcopy(teacher.state_dict())
    moved = copy.deepcopy(student.core.encoder.state_dict())
    optimiser = torch.optim.AdamW(both.parameters(), lr=1e-2)
    # Through the classifier alone: what reaches the student has passed the frozen layers.
    distance = both["distance"](BATCH, student.features(BATCH))
    distance.predictions.backward()
    optimiser.step()
    assert all(p.grad is None for p in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert not torch.equal(student.core.encoder[0].weight, moved["0.weight"])


def test_a_student_that_is_the_teacher_has_no_distance() -> None:
    torch.manual_seed(0)
    teacher = make_network("vit_tiny", ["intensity", "presence", "expression"], side=16, grey=True)
    same = Distillation(teacher, copy.deepcopy(teacher).eval(), "paper")
    assert same.projection is not None
    torch.nn.init.eye_(same.projection.weight)
    torch.nn.init.zeros_(same.projection.bias)
    distance = same(BATCH, teacher.features(BATCH))
    assert distance.features.item() == pytest.approx(0, abs=1e-9)
    assert distance.predictions.item() == pytest.approx(0, abs=1e-6)


def test_a_teacher_of_another_task_is_refused() -> None:
    teacher = make_network("vit_tiny", ["presence"], side=16)
    student = make_network("vit_tiny", ["expression"], side=16)
    with pytest.raises(RecipeError, match="knows presence"):
        Distillation(teacher, student)
