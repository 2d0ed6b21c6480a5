"""Vision transformers as LibreFace's teachers are: fixed sine positions, no class token, every patch a token.

The architecture is Dosovitskiy et al. 2021 in the form of the masked autoencoder (He et al. 2022). `base` with
patches of 16 is the paper's ViT-B/16.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

# Width, blocks, heads.
SIZES = {"tiny": (192, 12, 3), "small": (384, 12, 6), "base": (768, 12, 12)}
Size = Literal["tiny", "small", "base"]
_SMALL_PICTURE = 160


def patch_for(side: int) -> int:
    """16 pixels as in the paper; 8 for small pictures, which would have too few tokens."""
    return 8 if side < _SMALL_PICTURE else 16


class Block(nn.Module):
    """Attention and a two-layer network, each normalised first and added: [N, T, width] -> the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        tokens, width = x.shape[1:]
        qkv = self.qkv(self.norm1(x)).reshape(-1, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        seen = functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(seen.transpose(1, 2).reshape(-1, tokens, width))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class ViT(nn.Module):
    """The encoder: [N, channels, side, side] -> [N, tokens, width]."""

    positions: Tensor

    def __init__(self, size: Size, side: int, channels: int = 3, patch: int | None = None) -> None:
        super().__init__()
        self.patch = patch or patch_for(side)
        if side % self.patch:
            raise ValueError(f"{side} pixels are no whole number of patches of {self.patch}")
        self.width, depth, heads = SIZES[size]
        self.grid = side // self.patch
        self.channels = channels
        self.embed = nn.Conv2d(channels, self.width, self.patch, self.patch)
        self.register_buffer("positions", sine_positions(self.grid, self.width), persistent=False)
        self.blocks = nn.Sequential(*(Block(self.width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(self.width, eps=1e-6)
        initialise(self)
        # As a linear layer over the patch, which it is.
        nn.init.xavier_uniform_(self.embed.weight.view(self.width, -1))

    def tokens(self, pixels: Tensor) -> Tensor:
        """[N, channels, side, side] -> the patches with their positions, before the blocks: [N, tokens, width]."""
        return cast(Tensor, self.embed(pixels)).flatten(2).transpose(1, 2) + self.positions

    def encode(self, tokens: Tensor) -> Tensor:
        """All of the tokens, or those that are visible: [N, T, width] -> [N, T, width]."""
        out: Tensor = self.norm(self.blocks(tokens))
        return out

    def forward(self, pixels: Tensor) -> Tensor:
        return self.encode(self.tokens(pixels))


class ViTFeature(nn.Module):
    """A ViT and the feature of the paper's teachers: [N, channels, side, side] -> [N, feature].

    `flat` lays all tokens side by side before the linear layer, as published; `mean` takes their mean, which
    has fewer weights to learn.
    """

    def __init__(self, vit: ViT, feature: int = 128, pool: Literal["flat", "mean"] = "flat") -> None:
        super().__init__()
        self.vit = vit
        self.pool = pool
        self.feature = nn.Linear(vit.width * (vit.grid**2 if pool == "flat" else 1), feature)

    def forward(self, pixels: Tensor) -> Tensor:
        tokens = self.vit(pixels)
        out: Tensor = self.feature(tokens.flatten(1) if self.pool == "flat" else tokens.mean(1))
        return out


def sine_positions(grid: int, width: int) -> Tensor:
    """float32 [grid * grid, width]: half of the width for the column, half for the row, each sines then cosines."""
    quarter = width // 4
    speed = 1 / 10000 ** (torch.arange(quarter, dtype=torch.float64) / quarter)
    angles = torch.arange(grid, dtype=torch.float64)[:, None] * speed
    waves = torch.cat([angles.sin(), angles.cos()], 1)
    columns = waves.repeat(grid, 1)
    rows = waves.repeat_interleave(grid, 0)
    return torch.cat([columns, rows], 1).float()


def initialise(module: nn.Module) -> None:
    """The first weights of linear layers, as in the masked autoencoder."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
