"""Makes each face of a batch look as if another camera, lamp or file had taken it.

The gaps to be bridged are between 48-pixel photographs, renders and 1024-pixel portraits: resolution, blur,
noise, colour, light and framing. Labels stay true: nothing here moves a muscle, and a mirrored face shows the
same action units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
# A batch is degraded in so many groups: a resolution each.
_GROUPS = 8


@dataclass(frozen=True)
class Augment:
    """From stored crops to a network's input, with or without disturbance.

    Attributes:
        inner: side in pixels of what the network sees; the stored crop has a margin around it.
        grey: one channel instead of three.
        mirror: (478,) the partner of each mesh point in a mirrored face.
        canonical: (478, 3) the mesh that shapes are given relative to.
        mean, std: per channel, of a network that wants normalised colours; () leaves 0 to 1.
        strength: scales every disturbance; 1 is meant for mixed sources, 0 only mirrors.
    """

    inner: int
    grey: bool
    mirror: Sequence[int]
    canonical: Sequence[Sequence[float]]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    strength: float = 1.0

    def plain(self, pixels: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
        """The centre of each crop, undisturbed.

        Args:
            pixels: uint8 [N, S, S, 3].
            shape: float32 [N, 478, 3].

        Returns:
            float32 [N, 1 or 3, inner, inner], and float32 [N, 1434].
        """
        start = (pixels.shape[1] - self.inner) // 2
        x = _planes(pixels[:, start : start + self.inner, start : start + self.inner])
        if self.grey:
            x = (x * torch.tensor(_GREY)[:, None, None]).sum(1, keepdim=True)
        return self._normalised(x), self._relative(shape)

    def __call__(
        self, pixels: Tensor, shape: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `plain`, disturbed; and which faces were mirrored, bool [N]."""
        n, s = len(pixels), self.strength

        def uniform(low: float, high: float, *size: int) -> Tensor:
            return low + (high - low) * torch.rand(n, *size, generator=generator)

        x = _planes(pixels)
        if self.grey:
            mix = torch.tensor(_GREY) * (1 + s * uniform(-0.5, 0.5, 3))
            x = (x * (mix / mix.sum(1, keepdim=True))[:, :, None, None]).sum(1, keepdim=True)
        else:
            colour = (torch.rand(n, 1, 1, 1, generator=generator) < 0.8).float()
            x = x * colour + (1 - colour) * x.mean(1, keepdim=True)
            x = x * (1 + s * uniform(-0.2, 0.2, 3, 1, 1))
        flipped = torch.rand(n, generator=generator) < 0.5
        x = self._framed(x, flipped, uniform)
        x = self._degraded(x, generator)
        gamma = torch.exp(s * uniform(-0.5, 0.5, 1, 1, 1))
        x = x.clamp(1e-3, 1) ** gamma
        # A shadow over one side, as lamps throw it.
        ramp = torch.linspace(-1, 1, self.inner)
        side, height = uniform(-1, 1, 1, 1), uniform(-1, 1, 1, 1)
        shade = 1 + 0.35 * s * (side * ramp[None, None, :] + height * ramp[None, :, None])
        x = x * shade[:, None]
        noise = torch.randn(x.shape, generator=generator)
        x = x + noise * (s * 0.05 * uniform(0, 1, 1, 1, 1) ** 2)
        x = self._covered(x, generator)
        mesh = torch.where(
            flipped[:, None, None], (shape * torch.tensor([-1.0, 1, 1]))[:, list(self.mirror)], shape
        )
        mesh = mesh * (1 + 0.03 * s * torch.randn(n, 1, 3, generator=generator))
        mesh = mesh + 0.006 * s * torch.randn(mesh.shape, generator=generator)
        return self._normalised(x.clamp(0, 1)), self._relative(mesh), flipped

    def _framed(self, x: Tensor, flipped: Tensor, draw: Callable[..., Tensor]) -> Tensor:
        """Turned, moved, scaled and cut to the inner square in one resampling."""
        n, s = len(x), self.strength
        angle, size = s * draw(-0.17, 0.17), 1 + s * draw(-0.1, 0.1)
        stretch = 1 + s * draw(-0.04, 0.04)
        shift = s * draw(-0.06, 0.06, 2)
        share = self.inner / x.shape[-1]
        sign = torch.where(flipped, -1.0, 1.0)
        cos, sin = torch.cos(angle) * size * share, torch.sin(angle) * size * share
        theta = torch.zeros(n, 2, 3)
        theta[:, 0, 0], theta[:, 0, 1] = cos * sign * stretch, -sin
        theta[:, 1, 0], theta[:, 1, 1] = sin * sign * stretch, cos
        theta[:, :, 2] = shift
        grid = functional.affine_grid(theta, [n, x.shape[1], self.inner, self.inner], align_corners=False)
        return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)

    def _degraded(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Some groups of the batch lose resolution, as small or blurred pictures have."""
        if self.strength == 0:
            return x
        out = []
        for group in x.chunk(_GROUPS):
            draw = float(torch.rand((), generator=generator))
            if draw < 0.5:
                side = int(self.inner * (0.35 + 0.65 * draw / 0.5))
                small = functional.interpolate(group, (side, side), mode="bilinear", antialias=True)
                group = functional.interpolate(small, (self.inner, self.inner), mode="bicubic")
            out.append(group)
        return torch.cat(out)

    def _covered(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """A rectangle of a sixth of the faces is painted over (Zhong et al. 2020), as a hand or hair would."""
        if self.strength == 0:
            return x
        n, side = len(x), self.inner
        draw = torch.rand(n, 6, generator=generator)
        height, width = side * (0.1 + 0.25 * draw[:, 0]), side * (0.1 + 0.25 * draw[:, 1])
        top, left = (side - height) * draw[:, 2], (side - width) * draw[:, 3]
        line = torch.arange(side)
        rows = (line >= top[:, None]) & (line < (top + height)[:, None])
        columns = (line >= left[:, None]) & (line < (left + width)[:, None])
        hidden = rows[:, :, None] & columns[:, None, :] & (draw[:, 4] < 0.17)[:, None, None]
        return torch.where(hidden[:, None], draw[:, 5].view(n, 1, 1, 1), x)

    def _normalised(self, x: Tensor) -> Tensor:
        if not self.mean:
            return x
        return (x - torch.tensor(self.mean)[:, None, None]) / torch.tensor(self.std)[:, None, None]

    def _relative(self, shape: Tensor) -> Tensor:
        return (shape - torch.tensor(self.canonical, dtype=torch.float32)).flatten(1)


def _planes(pixels: Tensor) -> Tensor:
    """[N, S, S, 3] uint8 -> [N, 3, S, S] float 0 to 1."""
    return pixels.permute(0, 3, 1, 2).float() / 255
