"""A LibreFace pack with seeded random weights: the networks of the oracle, without a single real weight.

`build_seeded_pack` writes the official `.pt` files, as the original package would find them, and converts
them.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np

from curate.models.checkpoint import CHECKPOINTS
from curate.models.libreface import convert_libreface


def seeded_arrays(shared: Path, tag: str) -> dict[str, np.ndarray[Any, Any]]:
    """The weights of one network, checked against the digest that the oracle recorded."""
    folder = shared / "libreface"
    spec = importlib.util.spec_from_file_location("seeded_weights", folder / "seeded_weights.py")
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    manifest = json.loads((folder / f"manifest_{tag}.json").read_text())
    arrays = maker.make(tag, {key: entry["shape"] for key, entry in manifest["tensors"].items()})
    digests = json.loads((folder / "weights_digests.json").read_text())["sha256_of_sorted_tensors"]
    assert maker.digest(arrays) == digests[tag]
    return dict(arrays)


def write_seeded_checkpoint(shared: Path, tag: str, path: Path) -> Path:
    """Write one official `.pt` file."""
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    state = {key: torch.from_numpy(np.asarray(value)) for key, value in seeded_arrays(shared, tag).items()}
    torch.save({"model": state}, path)
    return path


def write_seeded_weights(shared: Path, root: Path, release: str = "0.2.0") -> Path:
    """Write the official files of one line of `libreface` under `root`, as the package lays them out."""
    for checkpoint in CHECKPOINTS:
        if checkpoint.release == release:
            write_seeded_checkpoint(shared, checkpoint.tag, root / checkpoint.path)
    return root


def build_seeded_pack(shared: Path, out: Path) -> Path:
    """Make the pack `libreface` of 0.2.0 in `out`, $CURATE_CACHE/models/libreface say. Returns `out`.

    A pack that is there already is taken as it is. Takes about ten seconds and needs torch.
    """
    if not (out / "card.yaml").is_file():
        import tempfile

        with tempfile.TemporaryDirectory() as weights:
            convert_libreface(write_seeded_weights(shared, Path(weights)), out)
    return out
