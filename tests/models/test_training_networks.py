"""The transformers, the masked autoencoder, and the one shape of everything that is trained."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from curate.errors import RecipeError  # noqa: E402 - after the check for torch
from curate.models.mae import MaskedAutoencoder, patches_of  # noqa: E402
from curate.models.networks import NAMES, make_network  # noqa: E402
from curate.models.vit import ViT, sine_positions  # noqa: E402

TASKS = ("intensity", "presence", "expression")


@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "vit_base"])
def test_every_network_has_features_and_a_classifier_and_fuses(name: str, grey: bool) -> None:
    if name == "lite" and not grey:
        with pytest.raises(RecipeError, match="lite cannot be built"):
            make_network(name, TASKS, side=32)
        return
    torch.manual_seed(0)
    network = make_network(name, TASKS, side=32, grey=grey)
    batch = {"pixels": torch.rand(3, 1 if grey else 3, 32, 32), "shape": torch.rand(3, 1434) / 10}
    network.train()(batch)  # so that normalisations have seen something
    network.eval()
    with torch.no_grad():
        features = network.features(batch)
        out = network(batch)
        assert features.shape == (3, network.width)
        assert {task: made.shape for task, made in out.items()} == {
            "intensity": (3, 12),
            "presence": (3, 12),
            "expression": (3, 8),
        }
        assert ((out["intensity"] >= 0) & (out["intensity"] <= 5)).all()
        fused = copy.deepcopy(network)
        fused.fuse()
        for task, made in fused(batch).items():
            torch.testing.assert_close(made, out[task], atol=2e-4, rtol=1e-3)


def test_the_base_size_is_the_papers() -> None:
    network = make_network("vit_base", ["expression"], side=224, options={"head": "two-layer"})
    encoder = network.core.encoder
    assert encoder.feature.weight.shape == (128, 196 * 768)
    assert [
        tuple(layer.weight.shape)
        for layer in network.core.classifier.heads["expression"]
        if hasattr(layer, "weight")
    ] == [
        (32, 128),
        (32,),
        (8, 32),
    ]
    # ViT-B/16 has 86,567,656: without 1,000 classes, learnt positions and class token it is this.
    without = 768 * 1000 + 1000 + 197 * 768 + 768
    assert sum(p.numel() for p in encoder.vit.parameters()) == 86_567_656 - without


def test_heads_and_pooling_are_options() -> None:
    network = make_network(
        "vit_tiny", ["expression"], side=32, options={"head": "linear", "pool": "mean", "feature": 64}
    )
    assert network.width == 64
    assert network.core.encoder.feature.weight.shape == (64, 192)
    assert network.core.classifier.heads["expression"].weight.shape == (8, 64)


def test_what_cannot_be_built_is_explained() -> None:
    with pytest.raises(RecipeError, match="no network") as wrong:
        make_network("vit_tinny", TASKS, side=32)
    assert "vit_tiny" in wrong.value.hint
    with pytest.raises(RecipeError, match="no option"):
        make_network("resnet18", TASKS, side=32, options={"patch": 8})
    with pytest.raises(RecipeError, match="whole number of patches"):
        make_network("vit_tiny", TASKS, side=30)


def test_positions_tell_every_place_apart() -> None:
    positions = sine_positions(6, 192)
    assert positions.shape == (36, 192)
    assert torch.cdist(positions, positions).fill_diagonal_(1).min() > 0.1
    assert torch.equal(positions[0, :48], torch.zeros(48))  # sine of column 0
    assert torch.equal(positions[7, :96], positions[1, :96])  # the same column, another row
    assert not torch.equal(positions[7, 96:], positions[1, 96:])


def test_exactly_three_quarters_are_hidden_at_random() -> None:
    model = MaskedAutoencoder(ViT("tiny", 32, 1, 4))
    pixels = torch.rand(5, 1, 32, 32)
    drawn, masked = model(pixels, torch.Generator().manual_seed(0))
    assert drawn.shape == (5, 64, 16)
    assert masked.sum(1).tolist() == [48] * 5
    assert len({tuple(row.tolist()) for row in masked}) == 5
    assert torch.equal(masked, model(pixels, torch.Generator().manual_seed(0))[1])
    assert not torch.equal(masked, model(pixels, torch.Generator().manual_seed(1))[1])


def test_hidden_patches_are_not_looked_at() -> None:
    model = MaskedAutoencoder(ViT("tiny", 32, 1, 8)).eval()
    pixels = torch.rand(1, 1, 32, 32)
    drawn, masked = model(pixels, torch.Generator().manual_seed(0))
    hidden = masked[0].reshape(4, 4).repeat_interleave(8, 0).repeat_interleave(8, 1)
    other, _ = model(torch.where(hidden, torch.rand_like(pixels), pixels), torch.Generator().manual_seed(0))
    assert torch.equal(drawn, other)
    assert not torch.equal(drawn, model(1 - pixels, torch.Generator().manual_seed(0))[0])


def test_the_loss_is_that_of_hidden_patches_normalised_each() -> None:
    model = MaskedAutoencoder(ViT("tiny", 16, 1, 8)).eval()
    pixels = torch.rand(2, 1, 16, 16)
    drawn, masked = model(pixels, torch.Generator().manual_seed(3))
    expected = []
    for n in range(2):
        for p in range(4):
            if masked[n, p]:
                row, column = divmod(p, 2)
                patch = pixels[n, 0, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8].flatten()
                expected.append(((drawn[n, p] - (patch - patch.mean()) / patch.std()) ** 2).mean())
    loss = model.loss(pixels, torch.Generator().manual_seed(3))
    assert loss.item() == pytest.approx(torch.stack(expected).mean().item(), rel=1e-4)


def test_patches_are_cut_row_by_row() -> None:
    pixels = torch.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
    cut = patches_of(pixels, 2)
    assert cut.shape == (2, 4, 12)
    assert cut[1, 2].reshape(2, 2, 3).permute(2, 0, 1).equal(pixels[1, :, 2:, :2])
