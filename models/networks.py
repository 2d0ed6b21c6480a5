"""Every network that is trained here, in one shape: a feature, and a classifier that reads the tasks off it.

A batch is a mapping with `pixels` [N, C, S, S] and `shape` [N, 1434]; a network takes what it wants of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from curate.errors import RecipeError
from curate.models import resnet
from curate.models.heads import fused_head, head
from curate.models.libreface import EXPRESSIONS, INTENSITIES, PRESENCES
from curate.models.repvgg import Encoder as RepVGGEncoder
from curate.models.vit import Size, ViT, ViTFeature

SHAPE = 1434  # 478 landmarks in three dimensions
WIDTHS = {"intensity": len(INTENSITIES), "presence": len(PRESENCES), "expression": len(EXPRESSIONS)}
HeadKind = Literal["two-layer", "linear"]


class Classifier(nn.Module):
    """[N, width] -> {task: [N, outputs]}: intensity in 0..5, presence and expression as logits."""

    def __init__(self, width: int, tasks: Sequence[str], kind: HeadKind = "two-layer") -> None:
        super().__init__()
        self.heads = nn.ModuleDict(
            {
                task: head(WIDTHS[task], sigmoid=False, width=width)
                if kind == "two-layer"
                else nn.Linear(width, WIDTHS[task])
                for task in tasks
            }
        )

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        out = {task: cast(Tensor, layer(features)) for task, layer in self.heads.items()}
        if "intensity" in out:
            out["intensity"] = 5 * out["intensity"].sigmoid()
        return out

    def fuse(self) -> None:
        """Fold the normalisations away, in place."""
        for task, layer in self.heads.items():
            if isinstance(layer, nn.Sequential):
                self.heads[task] = fused_head(layer)


class PictureNetwork(nn.Module):
    """An encoder that sees pixels alone, with a classifier."""

    def __init__(self, encoder: nn.Module, width: int, tasks: Sequence[str], kind: HeadKind) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = Classifier(width, tasks, kind)

    def features(self, pixels: Tensor) -> Tensor:
        """[N, C, S, S] -> [N, width]"""
        if isinstance(self.encoder, ViTFeature):
            out: Tensor = self.encoder(pixels)
        else:
            # Grey pictures serve the published networks as well: they see the same thing three times.
            out = self.encoder(pixels.expand(-1, 3, -1, -1)).flatten(1)
        return out

    def fuse(self) -> None:
        """Fold the normalisations away, in place; for evaluation only."""
        if isinstance(self.encoder, RepVGGEncoder):
            self.encoder.fuse()
        elif isinstance(self.encoder, nn.Sequential):
            resnet.fuse_encoder(self.encoder)
        self.classifier.fuse()


class FaceNetwork(nn.Module):
    """What the trainer, the distillation and the packing work with.

    Attributes:
        core: the network itself: `features(*inputs)`, `classifier(features)` and `fuse()`.
        inputs: which parts of a batch it takes, in its order.
        shapes: of these, without the batch axis.
        tasks: what its classifier gives.
        width: of its feature.
    """

    core: Any

    def __init__(self, core: Any, shapes: Mapping[str, tuple[int, ...]], tasks: Sequence[str]) -> None:
        super().__init__()
        self.core = core
        self.shapes = dict(shapes)
        self.inputs = tuple(shapes)
        self.tasks = tuple(tasks)
        training = core.training
        with torch.no_grad():
            core.eval()
            empty = [torch.zeros(1, *shape) for shape in self.shapes.values()]
            self.width: int = core.features(*empty).shape[1]
        core.train(training)

    def features(self, batch: Mapping[str, Tensor]) -> Tensor:
        """[N, width]"""
        out: Tensor = self.core.features(*(batch[name] for name in self.inputs))
        return out

    def classifier(self, features: Tensor) -> dict[str, Tensor]:
        """[N, width] -> {task: [N, outputs]}: intensity in 0..5, presence and expression as logits."""
        out: dict[str, Tensor] = self.core.classifier(features)
        return {task: out[task] for task in self.tasks}

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return self.classifier(self.features(batch))

    def fuse(self) -> None:
        """Fold the normalisations away, in place; for evaluation only."""
        self.core.fuse()


def make_network(
    name: str,
    tasks: Sequence[str],
    *,
    side: int,
    grey: bool = False,
    options: Mapping[str, Any] | None = None,
) -> FaceNetwork:
    """A network with fresh weights (torch's global generator decides them).

    Args:
        name: one of `NAMES`.
        tasks: among `intensity`, `presence`, `expression`.
        side: of the pictures, in pixels.
        grey: pictures have one channel, not three.
        options: what this network alone may be told (`options_of`).

    Raises:
        RecipeError: there is no such network, it has no such option, or they do not go together.
    """
    known = options_of(name)
    given = dict(options or {})
    for option in given:
        if option not in known:
            close = get_close_matches(option, known, n=1)
            hint = f"did you mean `{close[0]}`?" if close else f"it has {', '.join(known) or 'none'}"
            raise RecipeError(f"the network {name} has no option `{option}`", hint=hint)
    try:
        core, shapes = _BUILDERS[name](tuple(tasks), side, 1 if grey else 3, **given)
        return FaceNetwork(core, shapes, tasks)
    except (ValueError, TypeError, RuntimeError) as wrong:
        raise RecipeError(f"the network {name} cannot be built: {wrong}") from wrong


def options_of(name: str) -> tuple[str, ...]:
    """The names of a network's own options. Raises RecipeError where there is no such network."""
    if name not in _BUILDERS:
        close = get_close_matches(name, NAMES, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"one of {', '.join(NAMES)}"
        raise RecipeError(f"there is no network `{name}`", hint=hint)
    if name == "lite":
        from curate.models.lite import Lite

        return tuple(p for p in inspect.signature(Lite).parameters if p not in ("side", "tasks"))
    parameters = inspect.signature(_BUILDERS[name]).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


_Built = tuple[nn.Module, dict[str, tuple[int, ...]]]


def _vit(size: Size) -> Callable[..., _Built]:
    def build(
        tasks: tuple[str, ...],
        side: int,
        channels: int,
        *,
        head: HeadKind = "two-layer",
        feature: int = 128,
        pool: Literal["flat", "mean"] = "flat",
        patch: int | None = None,
    ) -> _Built:
        encoder = ViTFeature(ViT(size, side, channels, patch), feature, pool)
        return PictureNetwork(encoder, feature, tasks, head), {"pixels": (channels, side, side)}

    return build


def _resnet18(tasks: tuple[str, ...], side: int, channels: int, *, head: HeadKind = "two-layer") -> _Built:
    return PictureNetwork(resnet.encoder(), 512, tasks, head), {"pixels": (channels, side, side)}


def _repvgg_a0(tasks: tuple[str, ...], side: int, channels: int, *, head: HeadKind = "two-layer") -> _Built:
    return PictureNetwork(RepVGGEncoder(), 512, tasks, head), {"pixels": (channels, side, side)}


def _lite(tasks: tuple[str, ...], side: int, channels: int, **options: Any) -> _Built:
    from curate.models.lite import Lite

    return Lite(tasks=tasks, side=side, **options), {"pixels": (channels, side, side), "shape": (SHAPE,)}


_BUILDERS: dict[str, Callable[..., _Built]] = {
    "vit_tiny": _vit("tiny"),
    "vit_small": _vit("small"),
    "vit_base": _vit("base"),
    "resnet18": _resnet18,
    "repvgg_a0": _repvgg_a0,
    "lite": _lite,
}
NAMES = tuple(_BUILDERS)
