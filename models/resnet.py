"""ResNet-18 with LibreFace's heads: the joint and the separate AU networks, and the first expression network.

The architecture is He et al. 2015. `encoder` is a flat sequence, and the heads are named, as in the official
checkpoints: their keys load strictly.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from curate.models.folding import conv_then_norm
from curate.models.heads import fused_head, head


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a way around them."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1: nn.Module = nn.Conv2d(into, out, 3, stride, 1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(out)
        self.relu = nn.ReLU()
        self.conv2: nn.Module = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(out)
        self.downsample: nn.Module | None = None
        if stride != 1 or into != out:
            self.downsample = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        around = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        out: Tensor = self.relu(x + around)
        return out

    def fuse(self) -> None:
        """Fold the normalisations away, in place."""
        self.conv1, self.bn1 = _folded(self.conv1, self.bn1), nn.Identity()
        self.conv2, self.bn2 = _folded(self.conv2, self.bn2), nn.Identity()
        if isinstance(self.downsample, nn.Sequential):
            self.downsample = _folded(self.downsample[0], self.downsample[1])


def encoder() -> nn.Sequential:
    """[N, 3, H, W] -> [N, 512, 1, 1]."""

    def stage(into: int, out: int, stride: int) -> nn.Sequential:
        return nn.Sequential(BasicBlock(into, out, stride), BasicBlock(out, out, 1))

    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        stage(64, 64, 1),
        stage(64, 128, 2),
        stage(128, 256, 2),
        stage(256, 512, 2),
        nn.AdaptiveAvgPool2d(1),
    )


class ResNet18(nn.Module):
    """One head: [N, 3, 224, 224] -> probabilities [N, outputs]."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder()
        self.classifier = head(outputs, sigmoid=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.classifier(self.encoder(x).flatten(1))
        return out

    def fuse(self) -> ResNet18:
        """Fold every normalisation away, in place; for evaluation only. Returns itself."""
        fuse_encoder(self.encoder)
        self.classifier = fused_head(self.classifier)
        return self


class JointResNet18(nn.Module):
    """Two heads on one pass: [N, 3, 224, 224] -> (intensity [N, 12], presence [N, 12]), both sigmoids."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = encoder()
        self.classifier = head(12, sigmoid=True)
        self.classifier_2 = head(12, sigmoid=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        feature = self.encoder(x).flatten(1)
        return self.classifier(feature), self.classifier_2(feature)

    def fuse(self) -> JointResNet18:
        """Fold every normalisation away, in place; for evaluation only. Returns itself."""
        fuse_encoder(self.encoder)
        self.classifier, self.classifier_2 = fused_head(self.classifier), fused_head(self.classifier_2)
        return self


def fuse_encoder(layers: nn.Sequential) -> None:
    """Fold the normalisations of an `encoder` away, in place."""
    layers[0], layers[1] = _folded(layers[0], layers[1]), nn.Identity()
    for block in layers.modules():
        if isinstance(block, BasicBlock):
            block.fuse()


def _folded(conv: nn.Module, norm: nn.Module) -> nn.Conv2d:
    return conv_then_norm(cast(nn.Conv2d, conv), cast(nn.BatchNorm2d, norm))
