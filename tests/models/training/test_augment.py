from __future__ import annotations

import pytest
import torch

from curate.models.training.augment import Augment
from curate.scorers.crop import mirror_points
from curate.scorers.pose import canonical_face


def augment(strength: float = 1.0, *, grey: bool = True) -> Augment:
    return Augment(96, grey, mirror_points().tolist(), canonical_face().tolist(), strength=strength)


def faces(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth pictures with a bright left half, and shapes with a raised left mouth corner."""
    pixels = torch.full((count, 120, 120, 3), 60, dtype=torch.uint8)
    pixels[:, :, :60] = 200
    shape = torch.tensor(canonical_face(), dtype=torch.float32).repeat(count, 1, 1)
    shape[:, 61, 1] += 0.2
    return pixels, shape


def test_plain_is_the_centre_as_it_is() -> None:
    pixels = torch.randint(0, 255, (2, 120, 120, 3), dtype=torch.uint8)
    seen, shape = augment().plain(pixels, faces(2)[1])
    wanted = (pixels[:, 12:108, 12:108].float() / 255 * torch.tensor([0.299, 0.587, 0.114])).sum(-1)
    assert torch.allclose(seen[:, 0], wanted, atol=1e-5)
    assert shape.shape == (2, 1434)
    assert shape.abs().sum() == pytest.approx(0.4, abs=1e-3)


def test_a_mirrored_picture_has_a_mirrored_mesh() -> None:
    pixels, shape = faces(64)
    seen, mesh, flipped = augment(strength=0)(pixels, shape, torch.Generator().manual_seed(0))
    assert 15 < int(flipped.sum()) < 49
    left, right = seen[..., 10:40].mean((1, 2, 3)), seen[..., 56:86].mean((1, 2, 3))
    assert ((right > left) == flipped).all()
    raised = mesh.view(64, 478, 3)[..., 1]
    corner = torch.where(flipped, raised[:, 291], raised[:, 61])
    assert torch.allclose(corner, torch.full((64,), 0.2), atol=1e-3)


def test_without_strength_nothing_else_changes() -> None:
    pixels, shape = faces(16)
    generator = torch.Generator().manual_seed(0)
    seen, _, flipped = augment(strength=0)(pixels, shape, generator)
    plain, _ = augment().plain(pixels, shape)
    upright = torch.where(flipped[:, None, None, None], seen.flip(-1), seen)
    assert (upright - plain).abs().mean() < 0.01


@pytest.mark.parametrize("grey", [True, False])
def test_it_disturbs_and_stays_in_range_and_repeats_itself(grey: bool) -> None:
    pixels, shape = faces(32)
    make = augment(grey=grey)
    one, first, _ = make(pixels, shape, torch.Generator().manual_seed(5))
    two, second, _ = make(pixels, shape, torch.Generator().manual_seed(5))
    other, _, _ = make(pixels, shape, torch.Generator().manual_seed(6))
    assert one.shape == (32, 1 if grey else 3, 96, 96)
    assert torch.equal(one, two)
    assert torch.equal(first, second)
    assert (one - other).abs().mean() > 0.02
    assert one.min() >= 0
    assert one.max() <= 1
    assert torch.isfinite(first).all()
