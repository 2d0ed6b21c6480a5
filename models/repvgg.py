"""RepVGG-A0 with LibreFace's head: expressions, and the separate AU presence of 0.2.0.

The architecture is Ding et al. 2021: while training, a block is a 3x3, a 1x1 and an identity branch, each
normalised; `fuse` makes one 3x3 convolution of them. Modules are named as in the official checkpoints, whose
keys load strictly.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from curate.models.folding import conv_then_norm, convolution, linear_then_linear, scale_and_shift
from curate.models.heads import fused_head, head

_WIDTHS = (48, 96, 192, 1280)
_DEPTHS = (2, 4, 14, 1)


def _branch(into: int, out: int, size: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(into, out, size, stride, size // 2, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm2d(out)))


class Block(nn.Module):
    """[N, into, H, W] -> [N, out, H/stride, W/stride]."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.identity = nn.BatchNorm2d(out) if into == out and stride == 1 else None
        self.conv_kxk = _branch(into, out, 3, stride)
        self.conv_1x1 = _branch(into, out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv_kxk(x) + self.conv_1x1(x)
        return functional.relu(out if self.identity is None else out + self.identity(x))

    def fused(self) -> nn.Sequential:
        """The block as one 3x3 convolution and a ReLU."""
        wide, narrow = (
            conv_then_norm(cast(nn.Conv2d, branch.conv), cast(nn.BatchNorm2d, branch.bn))
            for branch in (self.conv_kxk, self.conv_1x1)
        )
        # A 1x1 kernel is a 3x3 kernel with zeros around it; the identity is one of ones on the diagonal.
        kernel = wide.weight.double() + functional.pad(narrow.weight.double(), (1, 1, 1, 1))
        bias = cast(Tensor, wide.bias).double() + cast(Tensor, narrow.bias).double()
        if self.identity is not None:
            scale, shift = scale_and_shift(self.identity)
            kernel[:, :, 1, 1] += torch.diag(scale)
            bias = bias + shift
        return nn.Sequential(convolution(kernel, bias, wide.stride, wide.padding), nn.ReLU())


class Encoder(nn.Module):
    """[N, 3, H, W] -> [N, 512]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem: nn.Module = Block(3, _WIDTHS[0], 2)
        stages, into = [], _WIDTHS[0]
        for width, depth in zip(_WIDTHS, _DEPTHS, strict=True):
            blocks = [Block(into, width, 2), *(Block(width, width, 1) for _ in range(depth - 1))]
            stages.append(nn.Sequential(*blocks))
            into = width
        self.stages = nn.Sequential(*stages)
        # The published network keeps ImageNet's 1,000 classes in the middle: two linear layers in a row.
        self.head = nn.Module()
        self.head.fc = nn.Sequential(nn.Linear(_WIDTHS[-1], 1000), nn.Linear(1000, 512))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.stem(x))
        out: Tensor = cast(nn.Module, self.head.fc)(x.mean((2, 3)))
        return out

    def fuse(self) -> None:
        """The deploy form, in place."""
        self.stem = cast(Block, self.stem).fused()
        for stage in self.stages:
            blocks = cast(nn.Sequential, stage)
            for i, block in enumerate(blocks):
                blocks[i] = cast(Block, block).fused()
        first, second = cast(nn.Sequential, self.head.fc)
        self.head.fc = linear_then_linear(cast(nn.Linear, first), cast(nn.Linear, second))


class RepVGGA0(nn.Module):
    """[N, 3, 224, 224] -> [N, outputs]: probabilities with `sigmoid`, logits without."""

    def __init__(self, outputs: int, *, sigmoid: bool) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.classifier = head(outputs, sigmoid=sigmoid)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.classifier(self.encoder(x))
        return out

    def fuse(self) -> RepVGGA0:
        """The deploy form, in place; for evaluation only. Returns itself."""
        self.encoder.fuse()
        self.classifier = fused_head(self.classifier)
        return self
