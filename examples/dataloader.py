"""`curate.score_images` in a PyTorch DataLoader: a worker decodes, augments and scores what the training loop gets.

pip install torch && python examples/dataloader.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

import curate

FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "faces"


class Pictures(Dataset[np.ndarray]):
    """The pictures of a folder, (256, 256, 3) uint8."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.iterdir())

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        return np.asarray(Image.open(self.paths[index]).convert("RGB").resize((256, 256)))


def collate(pictures: list[np.ndarray]) -> tuple[torch.Tensor, pl.DataFrame]:
    """(N, 3, 256, 256) in [0, 1], and what the N faces express, a row each."""
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) / 255
    return pixels, curate.score_images(pictures)


def main() -> None:
    """One pass over the pictures."""
    # spawn: a fork of a process in which Polars has run would wait for ever (score_images says so).
    loader = DataLoader(
        Pictures(FOLDER), batch_size=8, collate_fn=collate, num_workers=1, multiprocessing_context="spawn"
    )
    for pixels, faces in loader:
        found = faces.filter(pl.col("status") == "ok")
        hot = found.filter(pl.col("temperature") > 60)["expression"].to_list()
        print(f"{tuple(pixels.shape)}: {found.height} faces, {len(hot)} hot: {', '.join(sorted(set(hot)))}")


if __name__ == "__main__":
    main()
