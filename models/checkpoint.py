"""LibreFace's official checkpoints: where they lie, which network each holds, how to load one strictly."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.errors import ModelError

if TYPE_CHECKING:
    from torch import nn

TORCH_HINT = "pip install 'curate-faces[train]'"
_MOST_NAMED = 4


@dataclass(frozen=True)
class Checkpoint:
    """One official `.pt` file.

    `role` is the network of the pack that it becomes, `tag` its architecture (for `load_checkpoint`), `path`
    its place under the weights folder of the `libreface` package, `also` other places of the same file,
    `drive` its Google Drive id, `release` the line of `libreface` that uses it.
    """

    role: str
    tag: str
    path: str
    drive: str
    release: str
    also: tuple[str, ...] = ()


# For a role with two of them the first one found is taken. Some names say repvgg and hold a ResNet: they are
# published so.
CHECKPOINTS = (
    Checkpoint(
        "au",
        "au_combined_resnet18",
        "AU_Recognition/weights/combined_resnet.pt",
        "1CbnBr8OBt8Wb73sL1ENcrtrWAFWSSRv0",
        "0.2.0",
        ("AU_Recognition/weights/combined_repvgg.pt",),
    ),
    Checkpoint(
        "au_intensity",
        "au_intensity_resnet18",
        "AU_Recognition/weights/repvgg.pt",
        "14qEnWRew2snhdMdOVyqKFJ5rq5VZrfAX",
        "0.2.0",
        ("AU_Recognition/weights/resnet.pt",),
    ),
    Checkpoint(
        "au_presence",
        "au_detection_repvgg",
        "AU_Detection/weights/repvgg.pt",
        "1vInW2UbjrD13uO3KiIoqBOVZ6gM_aWKC",
        "0.2.0",
    ),
    Checkpoint(
        "au_presence",
        "au_detection_resnet18",
        "AU_Detection/weights/resnet.pt",
        "17v_vxQ09upLG3Yh0Zlx12rpblP7uoA8x",
        "0.1.x",
    ),
    Checkpoint(
        "expression",
        "fer_repvgg",
        "Facial_Expression_Recognition/weights/repvgg.pt",
        "1yPBUjPhkwcIkRLt47-JJRLRD7rCwPIVU",
        "0.2.0",
    ),
    Checkpoint(
        "expression",
        "fer_resnet18",
        "Facial_Expression_Recognition/weights/resnet.pt",
        "1PeoPj8rga4vU2nuh_PciyX3HqaXp6LP7",
        "0.1.x",
    ),
    Checkpoint(
        "gaze",
        "gaze_mlp",
        "gaze_estimation/weights/mlp.pt",
        "1AC20oXAV37I-OPfTtkalSJA5SfdCqXXJ",
        "0.2.0",
    ),
)


def load_checkpoint(path: Path, tag: str) -> nn.Module:
    """Load one official file into its network, in evaluation mode, on the CPU.

    Only tensors are unpickled; every key and every shape must fit.

    Raises:
        ModelError: torch is missing, the file cannot be read, or it holds another network.
    """
    try:
        import torch
    except ImportError as missing:
        raise ModelError("reading .pt files needs torch", hint=TORCH_HINT) from missing
    where = str(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles it is going to refuse
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as missing:
        raise ModelError("the checkpoint is missing", where=where) from missing
    except Exception as broken:  # bytes of any kind make the unpickler raise errors of any kind
        reason = str(broken).splitlines()[0] if str(broken) else type(broken).__name__
        raise ModelError(
            f"this is not a checkpoint that can be read safely: {reason}", where=where
        ) from broken
    network = _architectures()[tag]()
    state = _state_of(content, bare=tag == "gaze_mlp", where=where)
    problems = _mismatch(network.state_dict(), state)
    if problems:
        raise ModelError(f"the file does not hold {tag}: {'; '.join(problems)}", where=where)
    network.load_state_dict(state, strict=True)
    return network.eval()


def _architectures() -> dict[str, Callable[[], nn.Module]]:
    from curate.models.gaze import GazeMLP
    from curate.models.repvgg import RepVGGA0
    from curate.models.resnet import JointResNet18, ResNet18

    return {
        "au_combined_resnet18": JointResNet18,
        "au_intensity_resnet18": lambda: ResNet18(12),
        "au_detection_resnet18": lambda: ResNet18(12),
        "au_detection_repvgg": lambda: RepVGGA0(12, sigmoid=False),
        "fer_repvgg": lambda: RepVGGA0(8, sigmoid=True),
        "fer_resnet18": lambda: ResNet18(8),
        "gaze_mlp": GazeMLP,
    }


def _state_of(content: Any, *, bare: bool, where: str) -> dict[str, Any]:
    """The state dict inside `{'model': ...}`; the gaze network is also published without that wrapper."""
    import torch

    state = content.get("model") if isinstance(content, dict) else None
    if state is None and bare:
        state = content
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelError("the checkpoint has no table of weights under `model`", where=where)
    return state


def _mismatch(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    shapes = [
        f"{key} is {list(found[key].shape)} instead of {list(wanted[key].shape)}"
        for key in wanted
        if key in found and found[key].shape != wanted[key].shape
    ]
    groups = {
        "missing": [key for key in wanted if key not in found],
        "unexpected": [key for key in found if key not in wanted],
        "of another shape": shapes,
    }
    return [f"{len(keys)} {what} ({_some(keys)})" for what, keys in groups.items() if keys]


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:_MOST_NAMED]) + (", ..." if len(keys) > _MOST_NAMED else "")
