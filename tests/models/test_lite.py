from __future__ import annotations

import copy

import pytest
import torch

from curate.models.lite import POINTS, SIDE, Lite


@pytest.fixture
def trained() -> Lite:
    """A network whose normalisations have seen something."""
    torch.manual_seed(0)
    network = Lite().train()
    for _ in range(3):
        network.features(torch.rand(16, 1, SIDE, SIDE) * 3, torch.randn(16, POINTS * 3))
    return network.eval()


def test_folding_changes_rounding_alone(trained: Lite) -> None:
    pixels, shape = torch.rand(5, 1, SIDE, SIDE), torch.randn(5, POINTS * 3) * 0.1
    folded = copy.deepcopy(trained).fuse()
    with torch.no_grad():
        before, after = (n.classifier(n.features(pixels, shape)) for n in (trained, folded))
    assert not any("BatchNorm" in type(module).__name__ for module in folded.modules())
    for task, answer in before.items():
        assert (answer - after[task]).abs().max() < 1e-4, task


def test_answers_have_their_size_and_range(trained: Lite) -> None:
    with torch.no_grad():
        out = trained.classifier(trained.features(torch.rand(3, 1, SIDE, SIDE), torch.randn(3, POINTS * 3)))
    assert {task: tuple(answer.shape) for task, answer in out.items()} == {
        "intensity": (3, 12),
        "presence": (3, 12),
        "expression": (3, 8),
    }
    assert out["intensity"].min() >= 0
    assert out["intensity"].max() <= 5


def test_light_and_contrast_hardly_matter(trained: Lite) -> None:
    pixels, shape = torch.rand(2, 1, SIDE, SIDE), torch.zeros(2, POINTS * 3)
    with torch.no_grad():
        usual, dark = (trained.features(p, shape) for p in (pixels, 0.3 + 0.6 * pixels))
        other = trained.features(pixels.flip(0), shape)
    assert (usual - dark).abs().mean() < 0.2 * (usual - other).abs().mean()


def test_training_hides_pixels_or_mesh_of_some_and_evaluation_of_none(trained: Lite) -> None:
    torch.manual_seed(1)
    pixels, shape = (
        torch.rand(1, 1, SIDE, SIDE).repeat(400, 1, 1, 1),
        torch.randn(1, POINTS * 3).repeat(400, 1),
    )
    trained.drop.p = 0.0
    joined: list[torch.Tensor] = []
    trained.join.register_forward_pre_hook(lambda _, inputs: joined.append(inputs[0].detach()))
    with torch.no_grad():
        trained.features(pixels[:50], shape[:50])
        for module in trained.modules():
            module.training = isinstance(module, Lite)  # the normalisations stay as they are
        trained.features(pixels, shape)
    cut = joined[0].shape[1] - 128
    assert (joined[0][:, :cut].abs().sum(1) > 0).all()
    without_pixels = (joined[1][:, :cut] == 0).all(1)
    without_mesh = (joined[1][:, cut:] == 0).all(1)
    assert 0.06 < without_pixels.float().mean() < 0.18
    assert 0.06 < without_mesh.float().mean() < 0.18
    assert not (without_pixels & without_mesh).any()
