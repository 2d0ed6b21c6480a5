"""The head that LibreFace puts on a 512-d feature: two layers, with the normalisation after the ReLU."""

from __future__ import annotations

from typing import cast

from torch import nn

from curate.models.folding import norm_then_linear


def head(outputs: int, *, sigmoid: bool) -> nn.Sequential:
    """[N, 512] -> [N, outputs]: probabilities with `sigmoid`, logits without. Keys 0, 2, 4, as published."""
    layers = [nn.Linear(512, 128), nn.ReLU(), nn.BatchNorm1d(128), nn.Dropout(0.1), nn.Linear(128, outputs)]
    return nn.Sequential(*layers, *([nn.Sigmoid()] if sigmoid else []))


def fused_head(trained: nn.Sequential) -> nn.Sequential:
    """The same function without the normalisation and the dropout."""
    first, relu, norm, _dropout, last, *rest = trained
    return nn.Sequential(
        first, relu, norm_then_linear(cast(nn.BatchNorm1d, norm), cast(nn.Linear, last)), *rest
    )
