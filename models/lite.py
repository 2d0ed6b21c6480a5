"""`lite`: one small network that reads action units and expression from a face's pixels and its mesh.

A residual network (He et al. 2016) of six blocks looks at the grey crop, a two-layer perceptron at the mesh
without its pose; one linear layer joins them. The mesh says where things have moved, whatever the rig, the
camera or the painter; the pixels say what a mesh cannot: creases, teeth, a wrinkled nose.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from curate.models.folding import conv_then_norm, linear_then_norm

POINTS = 478
SHAPE = POINTS * 3
SIDE = 96  # pixels
_WIDTHS = (32, 64, 128, 160)
_DEPTHS = (1, 2, 2, 1)
_FEATURES = 256
_MESH_HIDDEN, _MESH_FEATURES = 192, 128
# Of a batch in training, so many go without their pixels, and as many without their mesh: neither half may
# lean on the other, since a new kind of picture can spoil either.
_BLIND = 0.12
_STRIDES = 32  # the stem's and the blocks' together
_CONTRAST = 0.05  # of the full range; a flat crop is not blown up to noise


class Block(nn.Module):
    """[N, into, H, W] -> [N, out, H/stride, W/stride]."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.first: nn.Module = _conv(into, out, 3, stride)
        self.second: nn.Module = _conv(out, out, 3, 1)
        self.past: nn.Module = nn.Identity() if into == out and stride == 1 else _conv(into, out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.relu(self.past(x) + self.second(torch.relu(self.first(x))))
        return out

    def fuse(self) -> None:
        """Fold the normalisations into the convolutions, in place."""
        self.first, self.second = _folded(self.first), _folded(self.second)
        if not isinstance(self.past, nn.Identity):
            self.past = _folded(self.past)


class Lite(nn.Module):
    """Grey crop and mesh in, features and three answers out.

    Args:
        tasks: which answers: `intensity` (12, 0 to 5), `presence` (12 logits), `expression` (8 logits).
        side: of the crop in pixels.
    """

    def __init__(
        self, tasks: tuple[str, ...] = ("intensity", "presence", "expression"), side: int = SIDE
    ) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for into, out, depth in zip((_WIDTHS[0], *_WIDTHS), _WIDTHS, _DEPTHS, strict=False):
            blocks += [Block(into, out, 2), *(Block(out, out, 1) for _ in range(depth - 1))]
        self.stem: nn.Module = _conv(1, _WIDTHS[0], 5, 2)
        self.blocks = nn.Sequential(*blocks)
        self.mesh_first: nn.Module = nn.Sequential(
            nn.Linear(SHAPE, _MESH_HIDDEN), nn.BatchNorm1d(_MESH_HIDDEN)
        )
        self.mesh_second = nn.Linear(_MESH_HIDDEN, _MESH_FEATURES)
        self.drop = nn.Dropout(0.3)
        # The cells of the last stage are not averaged: where on the face something is seen matters.
        cells = math.ceil(side / _STRIDES) ** 2
        self.join = nn.Linear(_WIDTHS[-1] * cells + _MESH_FEATURES, _FEATURES)
        sizes = {"intensity": 12, "presence": 12, "expression": 8}
        self.heads = nn.ModuleDict({task: nn.Linear(_FEATURES, sizes[task]) for task in tasks})
        self.feature_size = _FEATURES

    def features(self, pixels: Tensor, shape: Tensor) -> Tensor:
        """[N, 256].

        Args:
            pixels: [N, 1, side, side], 0 to 1.
            shape: [N, 1434], the mesh as `curate.scorers.crop.face_shape` gives it less the canonical face.
        """
        mean = pixels.mean((1, 2, 3), keepdim=True)
        spread = (pixels - mean).square().mean((1, 2, 3), keepdim=True).sqrt()
        seen = self.blocks(torch.relu(self.stem((pixels - mean) / (spread + _CONTRAST)))).flatten(1)
        mesh = torch.relu(self.mesh_second(torch.relu(self.mesh_first(shape * 10))))
        if self.training:
            draw = torch.rand(len(seen), 1, device=seen.device)
            seen = seen * (draw > _BLIND)
            mesh = mesh * (draw < 1 - _BLIND)
        out: Tensor = torch.relu(self.join(self.drop(torch.cat([seen, mesh], 1))))
        return out

    def classifier(self, features: Tensor) -> dict[str, Tensor]:
        """The answers, by task; from features [N, 256]."""
        out = {task: head(features) for task, head in self.heads.items()}
        if "intensity" in out:
            out["intensity"] = 5 * torch.sigmoid(out["intensity"])
        return out

    def fuse(self) -> Lite:
        """Fold the normalisations, in place; for evaluation only. Returns itself."""
        self.stem = _folded(self.stem)
        for block in self.blocks:
            cast(Block, block).fuse()
        linear, norm = cast(nn.Sequential, self.mesh_first)
        self.mesh_first = linear_then_norm(cast(nn.Linear, linear), cast(nn.BatchNorm1d, norm))
        return self


def _conv(into: int, out: int, size: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(into, out, size, stride, size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out))


def _folded(pair: nn.Module) -> nn.Conv2d:
    conv, norm = cast(nn.Sequential, pair)
    return conv_then_norm(cast(nn.Conv2d, conv), cast(nn.BatchNorm2d, norm))
