"""Packs from anywhere on this machine: what a training run leaves, or what a colleague hands on."""

from __future__ import annotations

import shutil
from pathlib import Path

from curate.errors import ModelError
from curate.models.pack import CARD, ModelPack, cache_dir, replacing


def install_pack(folder: Path, *, overwrite: bool = False) -> ModelPack:
    """Copy a pack to where `find_pack` finds it, under the name on its card, after comparing every sha256.

    A pack of the same name in the cache stays unless `overwrite` is given or it is the same; one that is shipped
    with the package is not touched, but found no longer.

    Raises:
        ModelError: it is not a pack, is damaged, or there is another one of this name.
    """
    pack = ModelPack.open(folder)
    pack.verify()
    out = cache_dir() / "models" / pack.name
    if (out / CARD).is_file() and not overwrite:
        there = ModelPack.open(out)
        if there.fingerprint != pack.fingerprint:
            raise ModelError(
                f"another pack {pack.name} (version {there.version}) is installed already",
                where=str(out),
                hint=f"curate models install {folder} --overwrite",
            )
    with replacing(out) as fresh:
        for name in (CARD, *pack.files):
            shutil.copyfile(folder / name, fresh / name)
    return ModelPack.open(out)
