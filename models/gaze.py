"""LibreFace's gaze network: a small MLP on the mesh of the aligned face."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from curate.models.folding import norm_then_linear


class GazeMLP(nn.Module):
    """[N, 1404] -> (yaw, pitch) [N, 2] in degrees.

    The features are x, y, z of the first 468 landmarks, in pixels of the aligned 512x512 picture.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(1404, 256),
            nn.ReLU(),
            nn.BatchNorm1d(256),
            nn.Linear(256, 256),
            nn.ReLU(),
            nn.BatchNorm1d(256),
            nn.Linear(256, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out

    def fuse(self) -> GazeMLP:
        """Fold the normalisations away, in place; for evaluation only. Returns itself."""
        first, relu, norm, second, relu_2, norm_2, last = self.layers
        second = norm_then_linear(cast(nn.BatchNorm1d, norm), cast(nn.Linear, second))
        last = norm_then_linear(cast(nn.BatchNorm1d, norm_2), cast(nn.Linear, last))
        self.layers = nn.Sequential(first, relu, second, relu_2, last)
        return self
