"""The masked autoencoder (He et al. 2022): a ViT sees a quarter of the patches, a light decoder draws the rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from curate.models.vit import Block, ViT, initialise, sine_positions

# The published decoder has 8 blocks of 512 for ViT-B. Lighter encoders get lighter ones.
DECODERS = {192: (128, 4, 4), 384: (256, 4, 8), 768: (512, 8, 16)}


class MaskedAutoencoder(nn.Module):
    """`encoder` is what pre-training is for; the decoder is thrown away.

    Args:
        encoder: the ViT.
        mask: the share of the patches that is hidden from it.
    """

    positions: Tensor

    def __init__(self, encoder: ViT, mask: float = 0.75) -> None:
        super().__init__()
        self.encoder = encoder
        patches = encoder.grid**2
        self.visible = patches - round(mask * patches)
        width, depth, heads = DECODERS[encoder.width]
        self.narrow = nn.Linear(encoder.width, width)
        self.hidden = nn.Parameter(torch.empty(1, 1, width))
        self.register_buffer("positions", sine_positions(encoder.grid, width), persistent=False)
        self.decoder = nn.Sequential(
            *(Block(width, heads) for _ in range(depth)), nn.LayerNorm(width, eps=1e-6)
        )
        self.draw = nn.Linear(width, encoder.channels * encoder.patch**2)
        for part in (self.narrow, self.decoder, self.draw):
            initialise(part)
        nn.init.normal_(self.hidden, std=0.02)

    def forward(self, pixels: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """[N, channels, side, side] -> the drawn patches [N, patches, channels * patch**2] and which of them
        were hidden, bool [N, patches]."""
        tokens = self.encoder.tokens(pixels)
        n, patches, width = tokens.shape
        chance = torch.rand(n, patches, generator=generator, device=tokens.device)
        order = chance.argsort(1)
        shown = order[:, : self.visible]
        seen = self.encoder.encode(tokens.gather(1, shown[:, :, None].expand(-1, -1, width)))
        narrow = self.narrow(seen)
        full = self.hidden.to(narrow.dtype).expand(n, patches, -1)
        full = full.scatter(1, shown[:, :, None].expand(-1, -1, narrow.shape[2]), narrow)
        drawn = self.draw(self.decoder(full + self.positions))
        masked = torch.ones(n, patches, dtype=torch.bool, device=tokens.device).scatter(1, shown, False)
        return drawn, masked

    def loss(self, pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mean squared error on the hidden patches, each normalised by its own mean and deviation."""
        drawn, masked = self(pixels, generator)
        wanted = patches_of(pixels, self.encoder.patch)
        mean, var = wanted.mean(2, keepdim=True), wanted.var(2, keepdim=True)
        wanted = (wanted - mean) / (var + 1e-6).sqrt()
        each: Tensor = (drawn.float() - wanted).square().mean(2)
        return each[masked].mean()


def patches_of(pixels: Tensor, patch: int) -> Tensor:
    """[N, C, S, S] -> [N, (S / patch)**2, C * patch**2], row by row."""
    n, channels, side, _ = pixels.shape
    grid = side // patch
    cut = pixels.reshape(n, channels, grid, patch, grid, patch).permute(0, 2, 4, 3, 5, 1)
    return cut.reshape(n, grid * grid, channels * patch * patch)
