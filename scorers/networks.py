"""The networks of one pack, fed with aligned faces as its card says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.models.pack import Input, ModelPack
from curate.models.profile import open_network
from curate.models.session import Device
from curate.scorers.preprocess import normalise, resize_and_crop


class Networks:
    """Opened networks of a pack, by role."""

    def __init__(
        self, pack: ModelPack, roles: Iterable[str], device: Device, options: Mapping[str, str] | None = None
    ) -> None:
        """Open the given roles under a scorer's options; ModelError where the pack lacks one or a file is damaged."""
        self._pack = pack
        self._sessions = {role: open_network(pack, role, options or {}, device) for role in roles}

    def on_pictures(self, roles: Sequence[str], aligned: Sequence[Any]) -> dict[str, NDArray[np.float32]]:
        """Run several networks on the same faces; networks that want the same input share its making.

        Args:
            roles: which networks.
            aligned: (512, 512, 3) uint8 each.

        Returns:
            The outputs of all of them by name; heads that end in logits come as sigmoids.
        """
        prepared: dict[Input, NDArray[np.float32]] = {}
        outputs: dict[str, NDArray[np.float32]] = {}
        for role in roles:
            wanted = self._pack.network(role).input
            if wanted not in prepared:
                prepared[wanted] = _prepare(aligned, wanted)
            outputs.update(self.on_features(role, prepared[wanted]))
        return outputs

    def on_features(self, role: str, x: NDArray[np.generic]) -> dict[str, NDArray[np.float32]]:
        """Run one network on what it takes as it is."""
        return self._bounded(role, self._sessions[role].run(x))

    def _bounded(self, role: str, outputs: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Logits become sigmoids."""
        for name, card in self._pack.network(role).outputs.items():
            # A threshold on what no function bounds: these are logits.
            if card.threshold is not None and card.activation == "none":
                outputs[name] = (1 / (1 + np.exp(-outputs[name].astype(np.float64)))).astype(np.float32)
        return outputs


def _prepare(aligned: Sequence[NDArray[np.uint8]], card: Input) -> NDArray[np.float32]:
    if card.resize is None or card.resample is None or card.mean is None or card.std is None:
        raise ValueError("the card of this network does not say how to prepare a picture")
    small = [resize_and_crop(picture, card.resize, card.crop, card.resample) for picture in aligned]
    return normalise(small, card.mean, card.std)
