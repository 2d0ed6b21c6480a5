"""The head that LibreFace puts on a feature: two layers, with the normalisation after the ReLU."""

from __future__ import annotations

from typing import cast

from torch import nn

from curate.models.folding import norm_then_linear


def head(outputs: int, *, sigmoid: bool, width: int = 512) -> nn.Sequential:
    """[N, width] -> [N, outputs]: probabilities with `sigmoid`, logits without. Keys 0, 2, 4, as published.

    The students' features are 512 wide, the teachers' 128; the layer between has a quarter of that.
    """
    inner = width // 4
    layers = [
        nn.Linear(width, inner), nn.ReLU(), nn.BatchNorm1d(inner), nn.Dropout(0.1), nn.Linear(inner, outputs)
    ]  # fmt: skip
    return nn.Sequential(*layers, *([nn.Sigmoid()] if sigmoid else []))


def fused_head(trained: nn.Sequential) -> nn.Sequential:
    """The same function without the normalisation and the dropout."""
    first, relu, norm, _dropout, last, *rest = trained
    return nn.Sequential(
        first, relu, norm_then_linear(cast(nn.BatchNorm1d, norm), cast(nn.Linear, last)), *rest
    )
