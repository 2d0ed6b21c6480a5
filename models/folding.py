"""Fold batch normalisation into the layer beside it, for networks that will only be evaluated.

Computed in float64 and rounded once, so that the folded layer differs from the two by rounding alone.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


def scale_and_shift(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """float64 [C] and [C] with norm(x) = scale * x + shift, in evaluation."""
    mean, var = cast(Tensor, norm.running_mean).double(), cast(Tensor, norm.running_var).double()
    scale = norm.weight.double() / torch.sqrt(var + norm.eps)
    return scale, norm.bias.double() - mean * scale


def conv_then_norm(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution that does what `conv`, then `norm` do."""
    scale, shift = scale_and_shift(norm)
    bias = shift if conv.bias is None else shift + scale * conv.bias.double()
    return convolution(conv.weight.double() * scale[:, None, None, None], bias, conv.stride, conv.padding)


def convolution(
    kernel: Tensor, bias: Tensor, stride: tuple[int, ...], padding: str | tuple[int, ...]
) -> nn.Conv2d:
    """A float32 convolution with this kernel [O, I, h, w] and this bias [O]."""
    out, into, height, width = kernel.shape
    folded = nn.Conv2d(into, out, (height, width), (stride[0], stride[1]), padding)  # type: ignore[arg-type]
    folded.load_state_dict({"weight": kernel.float(), "bias": bias.float()})
    return folded


def norm_then_linear(norm: nn.BatchNorm1d, linear: nn.Linear) -> nn.Linear:
    """One linear layer that does what `norm`, then `linear` do."""
    scale, shift = scale_and_shift(norm)
    weight = linear.weight.double()
    return _linear(weight * scale, linear.bias.double() + weight @ shift)


def linear_then_norm(linear: nn.Linear, norm: nn.BatchNorm1d) -> nn.Linear:
    """One linear layer that does what `linear`, then `norm` do."""
    scale, shift = scale_and_shift(norm)
    return _linear(linear.weight.double() * scale[:, None], shift + scale * linear.bias.double())


def linear_then_linear(first: nn.Linear, second: nn.Linear) -> nn.Linear:
    """One linear layer that does what `first`, then `second` do."""
    weight = second.weight.double()
    return _linear(weight @ first.weight.double(), second.bias.double() + weight @ first.bias.double())


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    folded = nn.Linear(weight.shape[1], weight.shape[0])
    folded.load_state_dict({"weight": weight.float(), "bias": bias.float()})
    return folded
